// Messages that come late say so, in their own words: WhatsApp knows no notices, and the time that it shows is that of the sending.
import type { JsonObject } from '../model/journal.ts';
import { withoutReplyFallback } from './sent-text.ts';
import { utcMinute } from './times.ts';

/** Kinds that have no words, and would become something else with them. */
const wordless = ['m.audio', 'm.location'];

/** `time` in milliseconds since the Unix epoch. */
export const lateLine = (time: number): string => `[Arrives late: written ${utcMinute(time)}]`;

/** The decrypted content of a message with that line above its words. Voice notes, audio and places have none, and stay as they are. */
export function markedLate(content: JsonObject, time: number): JsonObject {
  const { msgtype, body, formatted_body: formatted, filename } = content;
  if (typeof msgtype !== 'string' || typeof body !== 'string' || wordless.includes(msgtype)) return content;
  const line = lateLine(time);
  if (['m.image', 'm.video', 'm.file'].includes(msgtype)) {
    const isCaption = typeof filename === 'string' && filename !== body;
    return isCaption ? withWords(content, line, body, formatted) : { ...content, filename: body, body: line };
  }
  return withWords(content, line, withoutReplyFallback(content, body), formatted);
}

function withWords(content: JsonObject, line: string, body: string, formatted: unknown): JsonObject {
  return {
    ...content,
    body: `${line}\n${body}`,
    ...(typeof formatted === 'string' ? { formatted_body: `${line}<br>${formatted}` } : {}),
  };
}
