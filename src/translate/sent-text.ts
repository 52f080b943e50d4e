// The words of what a Matrix user sends, and what they answer.
import type { JsonObject } from '../model/journal.ts';
import { type Capabilities, carries } from './capabilities.ts';
import { readHtml } from './formatting/html-reader.ts';
import { writeMarkup } from './formatting/markup-writer.ts';

/** No event is larger (Matrix spec, "Size limits"), so what is longer is not read; in UTF-16 units. */
const longestHtml = 65_536;

/** The text as WhatsApp takes it. Text without formatting goes over unchanged, character by character. */
export function textOf(content: JsonObject, table: Capabilities): string {
  const { body, format, formatted_body: html } = content;
  const plain = typeof body === 'string' ? withoutReplyFallback(content, body) : '';
  if (format !== 'org.matrix.custom.html' || typeof html !== 'string' || html.length > longestHtml) return plain;
  if (!carries(table, 'formatting', 'to-whatsapp')) return plain;
  return writeMarkup(readHtml(html)) || plain;
}

/** Returns the value as an object, an empty one where it is none. */
export function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
}

export function relatesTo(content: JsonObject): JsonObject {
  return objectOf(content['m.relates_to']);
}

/** Returns the event that this content replies to (Matrix spec, "Rich replies"). */
export function repliedTo(content: JsonObject): string | undefined {
  const id = objectOf(relatesTo(content)['m.in_reply_to']).event_id;
  return typeof id === 'string' ? id : undefined;
}

/** Like `repliedTo`, but not what clients put into threads for those who do not know threads (Matrix spec, "Fallback for unthreaded clients"). */
export function answeredEvent(content: JsonObject): string | undefined {
  return relatesTo(content).is_falling_back === true ? undefined : repliedTo(content);
}

/** Older clients put the quoted text in front of a reply, in lines that start with `> ` and end with a blank line. */
export function withoutReplyFallback(content: JsonObject, body: string): string {
  if (repliedTo(content) === undefined || !body.startsWith('> ')) return body;
  const lines = body.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('>'));
  if (end === -1 || lines[end] !== '') return body;
  return lines.slice(end + 1).join('\n');
}
