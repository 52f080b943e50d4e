// Words under a file (MSC2530, in the Matrix spec since 1.10): a `body` that is not the `filename` is a caption.
import type { JsonObject } from '../../model/journal.ts';
import type { Message } from '../../proto/message_pb.ts';
import { type Capabilities, capabilities } from '../capabilities.ts';
import { textContent } from '../text.ts';

/** As JSON, in bytes: the description of the file comes with it, and in an edit a second time. */
const largestCaption = 30_000;

/** Returns the words of a file's event: caption, or nothing but the name. */
export function captioned(name: string, caption: string, table: Capabilities = capabilities.whatsapp): JsonObject {
  if (caption.trim() === '') return { body: name, filename: name };
  const { msgtype: _, ...words } = textContent(caption, table, largestCaption);
  return { ...words, filename: name };
}

/** Returns the content of a file's event (`describesFile`) with another caption; empty: with none. */
export function recaptioned(
  original: JsonObject,
  caption: string,
  table: Capabilities = capabilities.whatsapp,
): JsonObject {
  const { body: _, format, formatted_body, 'm.relates_to': relation, 'm.new_content': edited, ...file } = original;
  return { ...file, ...captioned(nameOf(original), caption, table) };
}

const fileTypes = new Set<unknown>(['m.image', 'm.video', 'm.audio', 'm.file']);

/** Whether it is the content of an `m.room.message` that describes a file. */
export function describesFile({ msgtype }: JsonObject): boolean {
  return fileTypes.has(msgtype);
}

/** The name of the file, as its sender wrote it; may be empty. */
export function nameOf({ filename, body }: JsonObject): string {
  if (typeof filename === 'string') return filename;
  return typeof body === 'string' ? body : '';
}

export function hasCaption({ filename, body }: JsonObject): boolean {
  return typeof filename === 'string' && typeof body === 'string' && body !== filename && body.trim() !== '';
}

/** The words under a contact's file; undefined where it is none, or of a kind that has no words. */
export function captionOf(message: Message): string | undefined {
  const captionable =
    message.imageMessage ?? message.videoMessage ?? message.ptvMessage ?? message.documentMessage ?? undefined;
  return captionable && (captionable.caption ?? '');
}
