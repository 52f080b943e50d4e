// The one place where a WhatsApp message becomes what a Matrix user sees of it.
import type { Contact, Ghost } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { MessageId, RoomId } from '../model/ids.ts';
import type { InboxBody, InboxRow, JsonObject, Notice } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { MessageReference } from '../model/reference.ts';
import { capabilities } from '../translate/capabilities.ts';
import { describesFile, recaptioned } from '../translate/media/captions.ts';
import type { FileToMatrix, ToMatrixEvent } from '../translate/media/types.ts';
import { answering } from '../translate/quotations.ts';
import { replacing } from '../translate/references.ts';
import { editedContents } from '../translate/text.ts';
import { parseMessage, type ToMatrix, toMatrix, unsupportedText } from '../translate/to-matrix.ts';
import type { BridgeContext } from './context.ts';
import { type PlainReference, shownMessage } from './deliver-references.ts';
import { contactName, noticeContent } from './labels.ts';
import { keptContent } from './quoted-events.ts';
import { withoutProof } from './reports/proof.ts';

interface Chat {
  readonly portal: Portal;
  readonly contact: Contact;
  readonly ghost: Ghost;
  readonly room: RoomId;
}

export type Shown =
  /** One event or several, in order. */
  | { readonly kind: 'events'; readonly events: readonly [ToMatrixEvent, ...ToMatrixEvent[]] }
  /** Its file has to be carried over first. */
  | { readonly kind: 'file' }
  /** Done to an earlier message. */
  | { readonly kind: 'reference'; readonly reference: PlainReference; readonly target: MessageReference }
  /** A message that is not carried: the bridge says so in its place. */
  | { readonly kind: 'notice'; readonly notice: Notice }
  /** It could not be shown; the notice tells why. */
  | { readonly kind: 'parked'; readonly notice: Notice }
  | { readonly kind: 'nothing' };

export async function shown(context: BridgeContext, chat: Chat, row: InboxRow, body: InboxBody): Promise<Shown> {
  if (body.kind === 'notice') return message(noticeContent(body.notice));
  const name = contactName(chat.contact, chat.portal);
  const translated = readable(context, row, body.payload);
  if (translated === undefined) {
    const text = `A message from ${name} arrived damaged and cannot be shown. Ask them to send it again.`;
    return { kind: 'parked', notice: { code: 'unreadable', text } };
  }
  switch (translated.kind) {
    case 'silent':
      return { kind: 'nothing' };
    case 'message': {
      const { content, more = [], answers } = translated;
      const first = await related(context, chat, content, answers?.id, answers?.quoting ?? content);
      return message(first, ...more);
    }
    case 'media':
      return withFile(context, chat, row, translated);
    case 'unsupported':
      return { kind: 'notice', notice: { code: 'unsupported', text: unsupportedText(name, translated.feature) } };
    default:
      return reference(context, chat, translated, name);
  }
}

const message = (...contents: readonly [JsonObject, ...JsonObject[]]): Shown => {
  const event = (content: JsonObject): ToMatrixEvent => ({ type: 'm.room.message', content });
  const [first, ...others] = contents;
  return { kind: 'events', events: [event(first), ...others.map(event)] };
};

/** Undefined: what was decrypted is no message. */
export function readable(context: BridgeContext, row: InboxRow, payload: Uint8Array): ToMatrix | undefined {
  try {
    return toMatrix(parseMessage(payload));
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    context.logger.warn({ portal: row.portal, code: error.code }, 'a decrypted payload could not be read');
    return undefined;
  }
}

async function withFile(context: BridgeContext, chat: Chat, { file }: InboxRow, media: FileToMatrix): Promise<Shown> {
  if (file?.at === 'failed') return { kind: 'parked', notice: { code: file.code, text: file.text } };
  if (file?.at !== 'uploaded') return { kind: 'file' };
  const { size, thumbnail } = file;
  const event = media.describe({ file: file.file, size, ...(thumbnail === undefined ? {} : { thumbnail }) });
  const { content: plain } = event;
  const content = await related(context, chat, plain, media.answers?.id, media.answers?.quoting(plain) ?? plain);
  return { kind: 'events', events: [{ ...event, content }] };
}

/** Only what the contact wrote may be changed by them; where it is not known, the user is told. */
async function reference(
  context: BridgeContext,
  chat: Chat,
  change: ToMatrix & { readonly kind: 'reaction' | 'edit' | 'deletion' },
  name: string,
): Promise<Shown> {
  const mayBeMeant = change.kind === 'reaction' || !change.target.fromUser;
  const target = mayBeMeant ? await shownMessage(context, chat, change.target) : undefined;
  if (change.kind === 'edit') {
    const contents = target && (await edited(context, chat, change, target));
    return message(...(contents ?? [change.apart]));
  }
  if (target !== undefined) return { kind: 'reference', reference: change, target };
  const done = change.kind === 'deletion' ? 'deleted a message on WhatsApp' : 'reacted to a message on WhatsApp';
  const text = `${name} ${done} that is not known here (any more).`;
  return { kind: 'notice', notice: { code: 'unknown-target', text } };
}

/**
 * Returns what replaces the events of a message. The words under a file are part of the event that describes it, so that one is read again:
 * some clients send new words as if they were a text, and a picture must not be lost to them. Undefined where it is not to be had any more.
 */
async function edited(
  context: BridgeContext,
  { portal, contact, ghost, room }: Chat,
  { text, ofFile }: ToMatrix & { readonly kind: 'edit' },
  target: MessageReference,
): Promise<[JsonObject, ...JsonObject[]] | undefined> {
  const original = await keptContent(context, ghost, room, target.event);
  if (original !== undefined && describesFile(original)) {
    return [replacing(recaptioned(withoutProof(original), text), target.event)];
  }
  if (ofFile && (original === undefined || text === '')) return undefined;
  const parts = await context.store.references.parts(portal.id, target.messageId);
  const [first, ...more] = editedContents(text, capabilities[contact.network], 1 + parts.length);
  const further = more.flatMap((content, index) => {
    const part = parts[index];
    return part === undefined ? [] : [replacing(content, part)];
  });
  return [replacing(first, target.event), ...further];
}

/** A reply names the event that it answers; `otherwise` stands for it where there is none in this room. */
async function related(
  context: BridgeContext,
  { portal, room }: Chat,
  content: JsonObject,
  answers: MessageId | undefined,
  otherwise: JsonObject,
): Promise<JsonObject> {
  if (answers === undefined) return content;
  const target = await context.store.references.byMessage(portal.id, answers);
  return target?.room === room ? answering(content, target.event) : otherwise;
}
