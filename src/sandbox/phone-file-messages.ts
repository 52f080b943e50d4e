// Messages of a phone that carry a file, as WhatsApp's clients write them.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { MessageSchema } from '../proto/message_pb.ts';
import type { FileFacts, FileKind } from './media-cipher.ts';

export const fileTypes = ['image', 'video', 'gif', 'audio', 'voice', 'document', 'sticker', 'video-note'] as const;
export type FileType = (typeof fileTypes)[number];

/** What the sender says of the file. All of it may be wrong. */
export interface FileDescription {
  readonly type: FileType;
  readonly mimetype?: string | undefined;
  readonly caption?: string | undefined;
  readonly fileName?: string | undefined;
  /** Pixels. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly seconds?: number | undefined;
  /** Loudness over time, each from 0 to 100. */
  readonly waveform?: readonly number[] | undefined;
  /** JPEG, for stickers PNG. */
  readonly thumbnail?: Uint8Array | undefined;
  readonly viewOnce?: boolean | undefined;
}

/** Where the file is and how it is read. */
export interface FileLocation extends FileFacts {
  readonly url: string;
  readonly directPath: string;
  readonly mediaKey: Uint8Array;
  /** Milliseconds since the Unix epoch. */
  readonly encryptedAt: number;
}

type MessageInit = MessageInitShape<typeof MessageSchema>;
type ContextInfo = NonNullable<NonNullable<MessageInit['imageMessage']>['contextInfo']>;

/** Under which label the keys of a file of this type are derived. */
export const kindOf: Record<FileType, FileKind> = {
  image: 'image',
  video: 'video',
  gif: 'video',
  'video-note': 'video',
  audio: 'audio',
  voice: 'audio',
  document: 'document',
  sticker: 'sticker',
};

const mimetypes: Record<FileType, string> = {
  image: 'image/jpeg',
  video: 'video/mp4',
  gif: 'video/mp4',
  'video-note': 'video/mp4',
  audio: 'audio/mp4',
  voice: 'audio/ogg; codecs=opus',
  document: 'application/octet-stream',
  sticker: 'image/webp',
};

/** Returns the serialised Message. `context`: what it replies to. */
export function fileMessage(description: FileDescription, location: FileLocation, context?: ContextInfo): Uint8Array {
  return toBinary(
    MessageSchema,
    create(MessageSchema, wrapped(description, contentOf(description, location, context))),
  );
}

function contentOf(description: FileDescription, location: FileLocation, contextInfo?: ContextInfo): MessageInit {
  const { type, caption, fileName, width, height, seconds, viewOnce, thumbnail } = description;
  const { url, directPath, mediaKey, sha256, encryptedSha256, size, encryptedAt } = location;
  const file = {
    url,
    directPath,
    mediaKey,
    mimetype: description.mimetype ?? mimetypes[type],
    fileSha256: sha256,
    fileEncSha256: encryptedSha256,
    fileLength: BigInt(size),
    mediaKeyTimestamp: BigInt(Math.floor(encryptedAt / 1000)),
    contextInfo,
  };
  const visual = { ...file, width, height };
  const video = { ...visual, seconds, caption, viewOnce, jpegThumbnail: thumbnail };
  switch (type) {
    case 'image':
      return { imageMessage: { ...visual, caption, viewOnce, jpegThumbnail: thumbnail } };
    case 'video':
      return { videoMessage: video };
    case 'gif':
      return { videoMessage: { ...video, gifPlayback: true } };
    case 'video-note':
      return { ptvMessage: video };
    case 'audio':
      return { audioMessage: { ...file, seconds, viewOnce } };
    case 'voice': {
      const waveform = description.waveform && Uint8Array.from(description.waveform);
      return { audioMessage: { ...file, seconds, viewOnce, waveform, ptt: true } };
    }
    case 'document':
      return { documentMessage: { ...file, caption, fileName, title: fileName, jpegThumbnail: thumbnail } };
    case 'sticker':
      return { stickerMessage: { ...visual, pngThumbnail: thumbnail } };
  }
}

function wrapped({ type, caption, viewOnce }: FileDescription, message: MessageInit): MessageInit {
  if (type === 'document' && caption !== undefined) return { documentWithCaptionMessage: { message } };
  if (!viewOnce) return message;
  return type === 'voice' || type === 'audio'
    ? { viewOnceMessageV2Extension: { message } }
    : { viewOnceMessageV2: { message } };
}
