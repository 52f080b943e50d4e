// What is inside a message's wrappers, and the file that it describes, if any.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type AudioMessage,
  type DocumentMessage,
  type ImageMessage,
  type Message,
  MessageSchema,
  type StickerMessage,
  type VideoMessage,
} from '../proto/message_pb.ts';
import type { FileKind } from './media-cipher.ts';

const WRAPPERS = [
  'ephemeralMessage',
  'viewOnceMessage',
  'viewOnceMessageV2',
  'viewOnceMessageV2Extension',
  'documentWithCaptionMessage',
  'editedMessage',
  'lottieStickerMessage',
  'associatedChildMessage',
  'groupMentionedMessage',
  'botInvokeMessage',
] as const;
const MAX_DEPTH = 8;

/** Undefined for bytes that are no Message. */
export function readMessage(payload: Uint8Array): Message | undefined {
  try {
    return fromBinary(MessageSchema, payload);
  } catch {
    return undefined;
  }
}

/** The message itself, out of what says how to show it. */
export function unwrapped(message: Message): Message {
  let inner = message;
  for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
    const wrapper = WRAPPERS.map((name) => inner[name]?.message).find((found) => found !== undefined);
    if (!wrapper) return inner;
    inner = wrapper;
  }
  return inner;
}

export type FileMessage = ImageMessage | VideoMessage | AudioMessage | DocumentMessage | StickerMessage;

/** A part of a message that describes a file, by kind; a `video-note` is round. */
export type FilePart =
  | { readonly kind: 'image'; readonly part: ImageMessage }
  | { readonly kind: 'video' | 'video-note'; readonly part: VideoMessage }
  | { readonly kind: 'audio'; readonly part: AudioMessage }
  | { readonly kind: 'document'; readonly part: DocumentMessage }
  | { readonly kind: 'sticker'; readonly part: StickerMessage };

export function filePart(message: Message): FilePart | undefined {
  const { imageMessage, videoMessage, ptvMessage, audioMessage, documentMessage, stickerMessage } = unwrapped(message);
  if (imageMessage) return { kind: 'image', part: imageMessage };
  if (videoMessage) return { kind: 'video', part: videoMessage };
  if (ptvMessage) return { kind: 'video-note', part: ptvMessage };
  if (audioMessage) return { kind: 'audio', part: audioMessage };
  if (documentMessage) return { kind: 'document', part: documentMessage };
  if (stickerMessage) return { kind: 'sticker', part: stickerMessage };
  return undefined;
}

/** An encrypted file as a message describes it; what the message leaves out is undefined. */
export interface MessageFile {
  readonly kind: FileKind;
  readonly mediaKey: Uint8Array;
  readonly encryptedSha256: Uint8Array;
  readonly sha256: Uint8Array | undefined;
  /** Bytes of the file itself. */
  readonly size: number | undefined;
  /** Path and query below the network's media host. */
  readonly path: string | undefined;
}

/** The file that a payload describes completely enough to be fetched. */
export function fileOf(payload: Uint8Array): MessageFile | undefined {
  const message = readMessage(payload);
  const found = message && filePart(message);
  if (!found) return undefined;
  const { mediaKey, fileEncSha256, fileSha256, fileLength } = found.part;
  if (mediaKey?.length !== 32 || fileEncSha256?.length !== 32) return undefined;
  return {
    kind: found.kind === 'video-note' ? 'video' : found.kind,
    mediaKey,
    encryptedSha256: fileEncSha256,
    sha256: fileSha256?.length === 32 ? fileSha256 : undefined,
    size: fileLength === undefined ? undefined : Number(fileLength),
    path: pathOf(found.part),
  };
}

/** The same message with its file at another address. */
export function relocated(
  payload: Uint8Array,
  address: { readonly url: string; readonly directPath: string },
): Uint8Array {
  const message = create(MessageSchema, fromBinary(MessageSchema, payload));
  const found = filePart(message);
  if (found) Object.assign(found.part, address);
  return toBinary(MessageSchema, message);
}

function pathOf({ directPath, url }: FileMessage): string | undefined {
  if (directPath) return directPath;
  const parsed = url && URL.canParse(url) ? new URL(url) : undefined;
  return parsed && parsed.pathname + parsed.search;
}
