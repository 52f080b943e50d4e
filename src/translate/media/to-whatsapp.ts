// Files that Matrix users send: where they are, and the WhatsApp message that describes them. What WhatsApp does not show is a document.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { JsonObject } from '../../model/journal.ts';
import type { MatrixFile, MediaKind } from '../../model/media.ts';
import type { Quoted } from '../../model/reference.ts';
import { encodeProto } from '../../proto/encode.ts';
import { type DocumentMessageSchema, MessageSchema } from '../../proto/message_pb.ts';
import { type Capabilities, carries, type Feature, longestText } from '../capabilities.ts';
import { contextInfo, underQuotation } from '../quotations.ts';
import { objectOf, textOf } from '../sent-text.ts';
import { hasCaption, nameOf } from './captions.ts';
import { claimedSize, pictureType, pixels, seconds } from './claims.ts';
import { unencryptedFile, unreadableFile } from './failures.ts';
import { fileName } from './file-name.ts';
import { readMatrixFile, readMediaUri } from './matrix-file.ts';
import { anyType, mediaType, typeByEnding } from './mime-type.ts';
import { type FileToWhatsApp, type HostedDescription, largestThumbnail } from './types.ts';
import { waveformToWhatsApp } from './waveform.ts';

type Content = MessageInitShape<typeof MessageSchema>;

/** As what WhatsApp shows it. */
type Form = 'image' | 'video' | 'gif' | 'voice' | 'audio' | 'document' | 'sticker';

const kinds: Readonly<Record<Form, MediaKind>> = {
  image: 'image',
  video: 'video',
  gif: 'video',
  voice: 'audio',
  audio: 'audio',
  document: 'document',
  sticker: 'sticker',
};

/** The formats that its clients show as such (assumed: those that its business interface takes). */
const shown = {
  image: ['image/jpeg', 'image/png'],
  video: ['video/mp4', 'video/3gpp'],
  audio: ['audio/aac', 'audio/amr', 'audio/mpeg', 'audio/mp4', 'audio/ogg'],
};

/** An event that describes a file: its type, and its content where nothing is known of it yet. */
export interface FileEvent {
  readonly type: string;
  readonly content: JsonObject;
}

/** Which kind of file the event is. Undefined: none. */
export function sentFileFeature({ type, content }: FileEvent): Feature | undefined {
  if (type === 'm.sticker') return 'sticker';
  switch (content.msgtype) {
    case 'm.image':
      return typeOf(content) === 'image/gif' ? 'gif' : 'image';
    case 'm.video':
      return playsLikePicture(content) ? 'gif' : 'video';
    case 'm.audio':
      return isVoice(content) ? 'voice' : 'audio';
    case 'm.file':
      return 'file';
    default:
      return undefined;
  }
}

export function fileToWhatsApp(
  event: FileEvent,
  feature: Feature,
  table: Capabilities,
  quoted: Quoted | undefined,
): FileToWhatsApp | { readonly kind: 'refused'; readonly feature: Feature; readonly told: string } {
  const { content } = event;
  const source = sourceOf(event);
  if (typeof source === 'string') return { kind: 'refused', feature, told: source };
  const form = formOf(event);
  const caption = takesCaption(form) ? captionFor(content, table, quoted) : '';
  const thumbnail = takesCaption(form) ? thumbnailOf(content) : undefined;
  const describe = (hosted: HostedDescription): Uint8Array =>
    encodeProto(MessageSchema, described(form, content, caption, hosted, quoted));
  return {
    kind: 'media',
    feature,
    source,
    mediaKind: kinds[form],
    size: claimedSize(objectOf(content.info).size),
    ...(thumbnail === undefined ? {} : { thumbnail }),
    describe,
  };
}

/** Returns a message with nothing but these words under the file, for an edit; undefined where WhatsApp has none under such a file. */
export function captionAlone(event: FileEvent, caption: string): Content | undefined {
  const form = formOf(event);
  switch (form) {
    case 'image':
      return { imageMessage: { caption } };
    case 'video':
    case 'gif':
      return { videoMessage: { caption } };
    case 'document':
      return document({ caption });
    default:
      return undefined;
  }
}

/** Or the sentence that says why it cannot be sent. Packs of stickers are public, so their pictures are not encrypted. */
function sourceOf({ type, content }: FileEvent): FileToWhatsApp['source'] | string {
  const file = readMatrixFile(content.file);
  if (file !== undefined) return { kind: 'encrypted', file };
  const uri = readMediaUri(content.url);
  if (content.file !== undefined || uri === undefined) return unreadableFile;
  return type === 'm.sticker' ? { kind: 'public', uri } : unencryptedFile;
}

function typeOf(content: JsonObject): string {
  return mediaType(objectOf(content.info).mimetype) ?? typeByEnding(nameOf(content)) ?? anyType;
}

function formOf({ type, content }: FileEvent): Form {
  const mimetype = typeOf(content);
  if (type === 'm.sticker' && mimetype === 'image/webp') return 'sticker';
  if (type === 'm.sticker' || content.msgtype === 'm.image')
    return shown.image.includes(mimetype) ? 'image' : 'document';
  if (content.msgtype === 'm.video' && shown.video.includes(mimetype))
    return playsLikePicture(content) ? 'gif' : 'video';
  // WhatsApp has no words under audio.
  if (content.msgtype === 'm.audio' && shown.audio.includes(mimetype) && !hasCaption(content))
    return isVoice(content) && mimetype === 'audio/ogg' ? 'voice' : 'audio';
  return 'document';
}

const takesCaption = (form: Form): boolean => form !== 'sticker' && kinds[form] !== 'audio';

const isVoice = (content: JsonObject): boolean =>
  content['org.matrix.msc3245.voice'] !== undefined || content['org.matrix.msc2516.voice'] !== undefined;

const playsLikePicture = (content: JsonObject): boolean => objectOf(content.info)['fi.mau.gif'] === true;

/** With a quotation where the message that is answered is not known there. */
function captionFor(content: JsonObject, table: Capabilities, quoted: Quoted | undefined): string {
  const words = hasCaption(content) && carries(table, 'caption', 'to-whatsapp') ? textOf(content, table) : '';
  const quoting = quoted === undefined || quoted.known ? words : underQuotation(quoted.text, words).trimEnd();
  return quoting.length > longestText ? words : quoting;
}

/** Nothing is made smaller here: a thumbnail that its sender made too large is none (docs/decisions/0009). */
function thumbnailOf(content: JsonObject): MatrixFile | undefined {
  const info = objectOf(content.info);
  const { mimetype, size } = objectOf(info.thumbnail_info);
  if (mediaType(mimetype) !== 'image/jpeg' || (claimedSize(size) ?? 0) > largestThumbnail) return undefined;
  return readMatrixFile(info.thumbnail_file);
}

function described(
  form: Form,
  content: JsonObject,
  caption: string,
  hosted: HostedDescription,
  quoted: Quoted | undefined,
): Content {
  const info = objectOf(content.info);
  const mimetype = typeOf(content);
  const file = {
    url: hosted.url,
    directPath: hosted.directPath,
    mediaKey: hosted.mediaKey,
    mediaKeyTimestamp: BigInt(Math.floor(hosted.timestamp / 1000)),
    fileSha256: hosted.sealed.sha256,
    fileEncSha256: hosted.sealed.encryptedSha256,
    fileLength: BigInt(hosted.sealed.size),
    mimetype,
    contextInfo: contextInfo(quoted),
  };
  const picture = { ...file, width: pixels(info.w), height: pixels(info.h) };
  const words = { caption: caption === '' ? undefined : caption, jpegThumbnail: smallJpeg(hosted.thumbnail) };
  const sound = objectOf(content['org.matrix.msc1767.audio']);
  const length = seconds(info.duration ?? sound.duration);
  const name = fileName(nameOf(content), mimetype, 'file');
  switch (form) {
    case 'image':
      return { imageMessage: { ...picture, ...words } };
    case 'video':
    case 'gif':
      return { videoMessage: { ...picture, ...words, seconds: length, gifPlayback: form === 'gif' || undefined } };
    case 'audio':
      return { audioMessage: { ...file, seconds: length, ptt: false } };
    case 'voice': {
      const waveform = waveformToWhatsApp(sound.waveform);
      // The name of the only format in which WhatsApp plays a voice note as one.
      return { audioMessage: { ...file, mimetype: 'audio/ogg; codecs=opus', seconds: length, ptt: true, waveform } };
    }
    case 'sticker': {
      const isAnimated = info['org.matrix.msc4230.is_animated'] === true;
      return { stickerMessage: { ...picture, isAnimated } };
    }
    case 'document':
      return document({ ...file, ...words, fileName: name, title: name });
  }
}

/** Clients put a document with words under it into a wrapper. */
function document(message: MessageInitShape<typeof DocumentMessageSchema>): Content {
  const content = { documentMessage: message };
  return message.caption === undefined ? content : { documentWithCaptionMessage: { message: content } };
}

function smallJpeg(bytes: Uint8Array | undefined): Uint8Array | undefined {
  if (bytes === undefined || bytes.length > largestThumbnail) return undefined;
  return pictureType(bytes) === 'image/jpeg' ? bytes : undefined;
}
