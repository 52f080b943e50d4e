// Text messages in Matrix's form, within what one event may take.
import type { JsonObject } from '../model/journal.ts';
import { type Capabilities, carries, largestContent, longestText } from './capabilities.ts';
import { readMarkup } from './formatting/markup-reader.ts';
import { splitText } from './formatting/split.ts';

const cutOff =
  '\n\n[The bridge cut this message off here: the rest is too long for Matrix. It can be read on WhatsApp.]';

/**
 * Returns the content of an `m.text`, at most `room` bytes of JSON. It is made of nothing but the text, so that nothing a contact writes can
 * add a field, and is never m.notice: that type is the bridge's own. What is too long loses its formatting first, then its end, and says so.
 */
export function textContent(text: string, table: Capabilities, room: number = largestContent): JsonObject {
  const plain = plainContent(text);
  return whole(text, table, room) ?? (jsonSize(plain) <= room ? plain : plainContent(shortened(text, room)));
}

/** The text with its formatting, if that fits. */
function whole(text: string, table: Capabilities, room: number): JsonObject | undefined {
  if (text.length > room) return undefined;
  const html = carries(table, 'formatting', 'to-matrix') ? readMarkup(text) : undefined;
  const formatted = html === undefined ? {} : { format: 'org.matrix.custom.html', formatted_body: html };
  const content = { ...plainContent(text), ...formatted };
  return jsonSize(content) <= room ? content : undefined;
}

/** The text as it is, however long. */
export function plainContent(body: string): JsonObject {
  return { msgtype: 'm.text', body };
}

/** Returns the contents of as many events as the text needs, in order; `reserve` bytes of the first stay free. */
export function textContents(text: string, table: Capabilities, reserve = 0): [JsonObject, ...JsonObject[]] {
  const taken = text.length > longestText ? text.slice(0, longestText).toWellFormed() + cutOff : text;
  const one = whole(taken, table, largestContent - reserve);
  if (one !== undefined) return [one];
  const [first, ...more] = splitText(taken, largestContent, reserve);
  return [textContent(first, table), ...more.map((part) => textContent(part, table))];
}

/** In bytes. */
function jsonSize(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function shortened(text: string, most: number): string {
  let room = most - jsonSize(plainContent(cutOff));
  let end = 0;
  for (const character of text) {
    room -= jsonSize(character) - 2;
    if (room < 0) break;
    end += character.length;
  }
  return text.slice(0, end).trimEnd() + cutOff;
}
