// What a message answers: WhatsApp's ContextInfo, and quotations in text where what is answered is not known (any more).
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { JsonObject } from '../model/journal.ts';
import type { Quoted } from '../model/reference.ts';
import type { ContextInfo, ContextInfoSchema, Message } from '../proto/message_pb.ts';

export type { Quoted };

/** Of a quoted text, in UTF-16 units. */
const longestQuotation = 300;
const mostLines = 5;

/** What a quotation may take in an event, formatted, as JSON, in bytes. */
export const roomForQuotation = 4000;

/** What is set of `message`, if it answers another message. */
export function contextOf(message: Message): ContextInfo | undefined {
  const carriers = [
    message.extendedTextMessage,
    message.imageMessage,
    message.videoMessage,
    message.ptvMessage,
    message.audioMessage,
    message.documentMessage,
    message.stickerMessage,
    message.locationMessage,
    message.liveLocationMessage,
    message.contactMessage,
    message.contactsArrayMessage,
    message.groupInviteMessage,
    pollOf(message),
  ];
  const context = carriers.find((carrier) => carrier?.contextInfo !== undefined)?.contextInfo;
  return context?.stanzaId ? context : undefined;
}

/** ContextInfo of an answer. Clients show the quotation from the text in it. */
export function contextInfo(quoted: Quoted | undefined): MessageInitShape<typeof ContextInfoSchema> | undefined {
  if (!quoted?.known) return undefined;
  return { stanzaId: quoted.id, participant: quoted.author, quotedMessage: { conversation: shortened(quoted.text) } };
}

/** The answer under a quotation, as people write one by hand; both networks' formatting reads it as such. */
export function underQuotation(quotation: string, answer: string): string {
  const lines = shortened(quotation).split('\n');
  if (lines.every((line) => line.trim() === '')) return answer;
  return `${lines.map((line) => `> ${line}`).join('\n')}\n\n${answer}`;
}

/** Turns content into the answer to an event (Matrix spec, "Rich replies"). */
export function answering(content: JsonObject, event: string): JsonObject {
  return { ...content, 'm.relates_to': { 'm.in_reply_to': { event_id: event } } };
}

function shortened(text: string): string {
  const lines = text.split(/\r?\n/);
  const kept = lines.slice(0, mostLines).join('\n').slice(0, longestQuotation).toWellFormed();
  return lines.length > mostLines || text.length > longestQuotation ? `${kept}…` : kept;
}

export function pollOf(message: Message): Message['pollCreationMessage'] {
  return (
    message.pollCreationMessage ??
    message.pollCreationMessageV2 ??
    message.pollCreationMessageV3 ??
    message.pollCreationMessageV5
  );
}
