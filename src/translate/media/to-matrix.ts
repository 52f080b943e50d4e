// Files that contacts send: what to fetch, and the Matrix event that describes it. Nothing here looks into the file.
import type { JsonObject } from '../../model/journal.ts';
import type { MatrixFile, MediaKind, NetworkFile } from '../../model/media.ts';
import type { AudioMessage, DocumentMessage, Message, StickerMessage, VideoMessage } from '../../proto/message_pb.ts';
import type { Capabilities, Feature } from '../capabilities.ts';
import { captioned, captionOf } from './captions.ts';
import { known, milliseconds, pixels, thumbnail } from './claims.ts';
import { fileName } from './file-name.ts';
import { writeMatrixFile } from './matrix-file.ts';
import { anyType, isShown, mediaType } from './mime-type.ts';
import type { FileToMatrix, Thumbnail, ToMatrixEvent, UploadedFile } from './types.ts';
import { waveformToMatrix } from './waveform.ts';

/** What a message says of its file, before any of it is believed. */
interface Claims {
  readonly url?: string | undefined;
  readonly directPath?: string | undefined;
  readonly mediaKey?: Uint8Array | undefined;
  readonly fileEncSha256?: Uint8Array | undefined;
  readonly fileSha256?: Uint8Array | undefined;
  readonly fileLength?: bigint | undefined;
}

/** How a file is shown. */
interface Shown {
  readonly type: 'm.image' | 'm.video' | 'm.audio' | 'm.file' | 'm.sticker';
  readonly mimetype: string;
  readonly name: string;
  readonly info: JsonObject;
  /** Beside the usual fields. */
  readonly more?: JsonObject;
}

interface Found {
  readonly kind: MediaKind;
  readonly claims: Claims;
  readonly picture: Uint8Array | undefined;
  readonly shown: Shown;
}

/** Which kind of file the message is. Undefined: none. */
export function fileFeature(message: Message): Feature | undefined {
  const { videoMessage, audioMessage, stickerMessage } = message;
  if (message.imageMessage) return 'image';
  if (message.ptvMessage) return 'video-note';
  if (videoMessage) return videoMessage.gifPlayback ? 'gif' : 'video';
  if (audioMessage) return audioMessage.ptt ? 'voice' : 'audio';
  if (message.documentMessage) return 'file';
  if (message.lottieStickerMessage || stickerMessage?.isLottie) return 'lottie-sticker';
  if (stickerMessage) return 'sticker';
  return message.stickerPackMessage ? 'sticker-pack' : undefined;
}

/** Undefined: it is no file, or what it says of it cannot be read. */
export function fileToMatrix(
  feature: Feature,
  message: Message,
  table: Capabilities,
): Omit<FileToMatrix, 'answers'> | undefined {
  const found = findFile(message);
  const file = found && networkFile(found.kind, found.claims);
  if (found === undefined || file === undefined) return undefined;
  const picture = thumbnail(found.picture);
  const describe = (uploaded: UploadedFile): ToMatrixEvent => {
    const { type, mimetype, name, info, more } = found.shown;
    const described = {
      file: writeMatrixFile(uploaded.file),
      info: { mimetype, size: uploaded.size, ...info, ...thumbnailInfo(picture, uploaded.thumbnail) },
      ...more,
    };
    if (type === 'm.sticker') return { type, content: { body: name, ...described } };
    const words = captioned(name, captionOf(message) ?? '', table);
    return { type: 'm.room.message', content: { msgtype: type, ...words, ...described } };
  };
  return { kind: 'media', feature, file, ...(picture === undefined ? {} : { thumbnail: picture }), describe };
}

function thumbnailInfo(picture: Thumbnail | undefined, file: MatrixFile | undefined): JsonObject {
  if (picture === undefined || file === undefined) return {};
  const { contentType: mimetype, bytes } = picture;
  return { thumbnail_file: writeMatrixFile(file), thumbnail_info: { mimetype, size: bytes.length } };
}

function networkFile(kind: MediaKind, claims: Claims): NetworkFile | undefined {
  const { mediaKey, fileEncSha256: encryptedSha256, fileLength } = claims;
  const [url, directPath] = [claims.url || undefined, claims.directPath || undefined];
  const sha256 = claims.fileSha256?.length === 0 ? undefined : claims.fileSha256;
  if (mediaKey?.length !== 32 || encryptedSha256?.length !== 32 || (sha256 ?? mediaKey).length !== 32) return undefined;
  if (fileLength === undefined || fileLength > Number.MAX_SAFE_INTEGER) return undefined;
  if (url === undefined && directPath === undefined) return undefined;
  return { kind, url, directPath, mediaKey, encryptedSha256, sha256, size: Number(fileLength) };
}

function findFile(message: Message): Found | undefined {
  const { imageMessage, audioMessage, documentMessage, stickerMessage } = message;
  const videoMessage = message.ptvMessage ?? message.videoMessage;
  if (imageMessage) {
    const shown = shownAs('image', imageMessage.mimetype ?? 'image/jpeg', 'image', dimensions(imageMessage));
    return { kind: 'image', claims: imageMessage, picture: imageMessage.jpegThumbnail, shown };
  }
  if (videoMessage) {
    return {
      kind: 'video',
      claims: videoMessage,
      picture: videoMessage.jpegThumbnail,
      shown: shownVideo(videoMessage),
    };
  }
  if (audioMessage) return { kind: 'audio', claims: audioMessage, picture: undefined, shown: shownAudio(audioMessage) };
  if (documentMessage) {
    const { jpegThumbnail: picture } = documentMessage;
    return { kind: 'document', claims: documentMessage, picture, shown: shownDocument(documentMessage) };
  }
  if (stickerMessage) {
    const { pngThumbnail: picture } = stickerMessage;
    return { kind: 'sticker', claims: stickerMessage, picture, shown: shownSticker(stickerMessage) };
  }
  return undefined;
}

/** What claims to be something else than its family is a file of which nothing is believed. */
function shownAs(family: 'image' | 'video' | 'audio', claimed: string, stem: string, info: JsonObject): Shown {
  const type = mediaType(claimed);
  if (type === undefined || !isShown(type, family)) {
    return { type: 'm.file', mimetype: anyType, name: fileName('', anyType, stem), info: {} };
  }
  return { type: `m.${family}`, mimetype: type, name: fileName('', type, stem), info };
}

const dimensions = ({ width, height }: { width?: number | undefined; height?: number | undefined }): JsonObject =>
  known({ w: pixels(width), h: pixels(height) });

/** The flags of a video that plays like a picture are those of other bridges, which clients know. */
const likePicture = {
  'fi.mau.gif': true,
  'fi.mau.loop': true,
  'fi.mau.autoplay': true,
  'fi.mau.hide_controls': true,
  'fi.mau.no_audio': true,
};

function shownVideo(message: VideoMessage): Shown {
  const info = { ...dimensions(message), ...known({ duration: milliseconds(message.seconds) }) };
  const shown = shownAs('video', message.mimetype ?? 'video/mp4', 'video', info);
  return message.gifPlayback && shown.type === 'm.video' ? { ...shown, info: { ...info, ...likePicture } } : shown;
}

function shownAudio({ mimetype, seconds: length, ptt, waveform }: AudioMessage): Shown {
  const duration = milliseconds(length);
  const shown = shownAs('audio', mimetype ?? 'audio/ogg', ptt ? 'voice-message' : 'audio', known({ duration }));
  if (!ptt || shown.type !== 'm.audio') return shown;
  const more = {
    'org.matrix.msc1767.audio': known({ duration, waveform: waveformToMatrix(waveform) }),
    'org.matrix.msc3245.voice': {},
  };
  return { ...shown, more };
}

function shownDocument({ mimetype, fileName: claimed, title }: DocumentMessage): Shown {
  const type = mediaType(mimetype) ?? anyType;
  return { type: 'm.file', mimetype: type, name: fileName(claimed || title || '', type, 'file'), info: {} };
}

function shownSticker(message: StickerMessage): Shown {
  const animated = message.isAnimated ? { 'org.matrix.msc4230.is_animated': true } : {};
  const shown = shownAs('image', message.mimetype ?? 'image/webp', 'sticker', { ...dimensions(message), ...animated });
  return shown.type === 'm.image' ? { ...shown, type: 'm.sticker', name: 'Sticker' } : shown;
}
