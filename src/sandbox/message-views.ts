// A phone's messages as the control API shows them.
import type { Message } from '../proto/message_pb.ts';
import { filePart, readMessage } from './message-content.ts';
import { detailsOf } from './message-details.ts';
import type { FileState } from './phone-files.ts';
import type { Entry } from './phone-journal.ts';

/** What stands beside a message: how far its file has come, and how often others have asked for it. */
export interface FileView extends FileState {
  readonly downloads: number;
}

/** `label`: what people call the owner of an address. */
export function describeMessage(
  number: string,
  entry: Entry,
  file: FileView | undefined,
  label: (jid: string) => string,
): object {
  const { seq, id, direction, type, text, timestamp, status, payload } = entry;
  const [from, to] = direction === 'in' ? [entry.peerName, number] : [number, entry.peerName];
  const message = readMessage(payload);
  const media = message && describeFile(message, file);
  return {
    seq,
    id,
    from,
    to,
    direction,
    type,
    text,
    timestamp,
    status,
    media,
    ...(message ? detailsOf(message, label) : {}),
    raw: Buffer.from(payload).toString('base64'),
  };
}

function describeFile(message: Message, file: FileView | undefined): object | undefined {
  const found = filePart(message);
  if (!found) return undefined;
  const { part, kind } = found;
  const { mimetype, fileLength, fileSha256, fileEncSha256 } = part;
  return {
    kind,
    mimetype,
    size: fileLength === undefined ? undefined : Number(fileLength),
    sha256: fileSha256 && hex(fileSha256),
    encryptedSha256: fileEncSha256 && hex(fileEncSha256),
    caption: 'caption' in part ? part.caption : undefined,
    fileName: 'fileName' in part ? part.fileName : undefined,
    seconds: 'seconds' in part ? part.seconds : undefined,
    width: 'width' in part ? part.width : undefined,
    height: 'height' in part ? part.height : undefined,
    waveform: 'waveform' in part && part.waveform ? [...part.waveform] : undefined,
    voice: ('ptt' in part && part.ptt) || undefined,
    gif: ('gifPlayback' in part && part.gifPlayback) || undefined,
    viewOnce: ('viewOnce' in part && part.viewOnce) || undefined,
    thumbnail:
      ('jpegThumbnail' in part && part.jpegThumbnail !== undefined) ||
      ('pngThumbnail' in part && part.pngThumbnail !== undefined),
    ...file,
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
