// Text messages in Matrix's form, within what one event may take.
import type { JsonObject } from '../model/journal.ts';
import { largestContent } from './capabilities.ts';

/**
 * Returns the content of an `m.text`. It is made of nothing but the two texts, so that nothing a contact writes can add a field, and is
 * never m.notice: that type is the bridge's own. What is too long loses its formatting first, then its end, and says so.
 */
export function textContent(body: string, html: string | undefined): JsonObject {
  const plain = { msgtype: 'm.text', body };
  if (html !== undefined) {
    const formatted = { ...plain, format: 'org.matrix.custom.html', formatted_body: html };
    if (jsonSize(formatted) <= largestContent) return formatted;
  }
  return jsonSize(plain) <= largestContent ? plain : { ...plain, body: shortened(body) };
}

/** In bytes. */
function jsonSize(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function shortened(text: string): string {
  const note =
    '\n\n[The bridge cut this message off here: the rest is too long for Matrix. It can be read on WhatsApp.]';
  let room = largestContent - jsonSize({ msgtype: 'm.text', body: note });
  let end = 0;
  for (const character of text) {
    room -= jsonSize(character) - 2;
    if (room < 0) break;
    end += character.length;
  }
  return text.slice(0, end).trimEnd() + note;
}
