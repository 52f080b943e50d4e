// Text messages in Matrix's form, within what one event may take.
import type { JsonObject } from '../model/journal.ts';
import { type Capabilities, carries, largestContent, longestText } from './capabilities.ts';
import { readMarkup } from './formatting/markup-reader.ts';
import { splitText } from './formatting/split.ts';

const cutOff =
  '\n\n[The bridge cut this message off here: the rest is too long for Matrix. It can be read on WhatsApp.]';

const noLonger = '[This part of the message is gone: an edit on WhatsApp has made it shorter.]';

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
  const [first, ...more] = partsOf(text, table, reserve);
  return [textContent(first, table), ...more.map((part) => textContent(part, table))];
}

/**
 * Returns what stands, once its text is this one, in each event of a message that has `count` of them: what those cannot hold is cut off,
 * with a note, and those that are too many say so.
 */
export function editedContents(text: string, table: Capabilities, count: number): [JsonObject, ...JsonObject[]] {
  const parts = partsOf(text, table, 0);
  const kept = parts.slice(0, count - 1);
  const last = parts.slice(count - 1).join('');
  const [first = '', ...more] = last === '' ? kept : [...kept, last];
  const left = Array.from({ length: count - 1 - more.length }, () => plainContent(noLonger));
  return [textContent(first, table), ...more.map((part) => textContent(part, table)), ...left];
}

function partsOf(text: string, table: Capabilities, reserve: number): [string, ...string[]] {
  const taken = text.length > longestText ? text.slice(0, longestText).toWellFormed() + cutOff : text;
  return whole(taken, table, largestContent - reserve) === undefined
    ? splitText(taken, largestContent, reserve)
    : [taken];
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
