// What a Matrix user does to earlier messages: reactions, edits, redactions become outbox rows, or are refused aloud.
import type { Change } from '../model/change.ts';
import type { Ghost } from '../model/contact.ts';
import type { EventId } from '../model/ids.ts';
import { newMessageId } from '../model/ids.ts';
import type { JsonObject, MatrixEvent } from '../model/journal.ts';
import type { HostedName } from '../model/media.ts';
import type { Portal } from '../model/portal.ts';
import type { MessageReference, MessageTarget } from '../model/reference.ts';
import { capabilities, editWindowMs } from '../translate/capabilities.ts';
import { deletion, edit, editsFile, type Meant, reaction, relatedEvent } from '../translate/references.ts';
import { refusedText, type ToWhatsApp } from '../translate/to-whatsapp.ts';
import { preferredAddress } from './contacts.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { afterTranslation } from './event-steps.ts';
import { notSent } from './notices.ts';
import { keptContent } from './quoted-events.ts';
import { isWithdrawable } from './withdrawals.ts';

interface Chat {
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly ghost: Ghost;
}

const unknownTarget = 'the message that it is about is not known on WhatsApp (any more).';

/** Returns the changes that carry a reaction over. */
export async function reactionChanges(context: BridgeContext, chat: Chat, event: MatrixEvent): Promise<Change[]> {
  const { portal } = chat;
  const about = relatedEvent(event.content, 'm.annotation') as EventId | undefined;
  const target = about && (await sentMessage(context, portal, about));
  if (!target) return refusal(context, portal, event, `This reaction was not sent: ${unknownTarget}`, about);
  const related = event.content['m.relates_to'] as JsonObject;
  const key = typeof related.key === 'string' ? related.key : 'none';
  const row = await outgoing(context, chat, event, target, (meant) => reaction(key, meant, tableOf(chat)));
  if (!row.sent) return row.changes;
  const put = { portal: portal.id, target: targetOf(target), byUser: true, event: event.event_id };
  return [...row.changes, { change: 'reaction.put', reaction: put }];
}

/** What a redaction leads to; `hosted`: the file of a deleted message, which need not be offered any longer. */
export interface Redaction {
  readonly changes: Change[];
  readonly hosted?: HostedName;
}

/** Of a reaction, it takes that back; of a message of the user, it deletes that, or the message is never sent. */
export async function redactionChanges(context: BridgeContext, chat: Chat, event: MatrixEvent): Promise<Redaction> {
  const { portal } = chat;
  const redacted = redactedEvent(event);
  if (redacted === undefined) return { changes: [] };
  const reacted = await context.store.reactions.byEvent(portal.id, redacted);
  if (reacted?.byUser) {
    const remove: Change = { change: 'reaction.remove', portal: portal.id, event: redacted };
    // WhatsApp has replaced an earlier one already.
    if ((await context.store.reactions.latest(portal.id, reacted.target, true)) !== redacted)
      return { changes: [remove] };
    const row = await outgoing(context, chat, event, reacted.target, (meant) =>
      reaction(undefined, meant, tableOf(chat)),
    );
    return { changes: [...row.changes, remove] };
  }
  const found = await context.store.outbox.byEvent(redacted);
  const row = found?.portal === portal.id ? found : undefined;
  const file = row?.hosted === undefined ? {} : { hosted: row.hosted };
  // No device that asks for it gets it any more, and no administrator sends it.
  const forget: Change[] = row === undefined ? [] : [{ change: 'outbox.forget', id: row.id }];
  if (row?.at === 'parked' && row.waitingFor.length === 0) return { changes: forget, ...file };
  const target = await context.store.references.byEvent(portal.id, redacted);
  if (!target?.fromUser) {
    const text =
      'Nothing was deleted on WhatsApp: no message of yours there (any more) is the one that you removed here.';
    return { changes: refusal(context, portal, event, text, redacted) };
  }
  if (row !== undefined && (await isWithdrawable(context, row))) {
    return { changes: [{ change: 'outbox.withdraw', id: row.id }], ...file };
  }
  const { changes } = await outgoing(context, chat, event, target, (meant) => deletion(meant, tableOf(chat)));
  return { changes: [...changes, ...forget], ...file };
}

/** `content`: the decrypted content of an event that replaces `replaced`. */
export async function editChanges(
  context: BridgeContext,
  chat: Chat,
  event: MatrixEvent,
  content: JsonObject,
  replaced: EventId,
): Promise<Change[]> {
  const { portal } = chat;
  const target = await sentMessage(context, portal, replaced);
  if (!target?.fromUser) return refusal(context, portal, event, `Your edit was not sent: ${unknownTarget}`, replaced);
  if (context.clock.now() - target.sentAt > editWindowMs) {
    const text = `Your edit was not sent: WhatsApp takes edits for ${editWindowMs / 60_000} minutes only. The contact still sees the earlier text. Send a new message instead.`;
    return refusal(context, portal, event, text, replaced);
  }
  // Of a file only the words under it may change, which is to be seen from the event that described it.
  const original = editsFile(content) ? await keptContent(context, chat.ghost, target.room, replaced) : undefined;
  const write = (meant: Meant): ToWhatsApp => edit(content, meant, tableOf(chat), original);
  return (await outgoing(context, chat, event, target, write)).changes;
}

const tableOf = ({ account }: Chat) => capabilities[account.network];

const targetOf = ({ messageId, fromUser }: MessageTarget): MessageTarget => ({ messageId, fromUser });

/** In rooms from version 11 on the content names it (Matrix spec, "m.room.redaction"). */
export function redactedEvent({ content, redacts }: MatrixEvent): EventId | undefined {
  const named = content.redacts ?? redacts;
  return typeof named === 'string' ? (named as EventId) : undefined;
}

/** The message that was made of an event, or of which the event was made, unless it never got out. */
async function sentMessage(
  context: BridgeContext,
  portal: Portal,
  event: EventId,
): Promise<MessageReference | undefined> {
  const target = await context.store.references.byEvent(portal.id, event);
  if (!target?.fromUser) return target;
  const row = await context.store.outbox.byEvent(event);
  return row?.at === 'parked' ? undefined : target;
}

interface Outgoing {
  readonly sent: boolean;
  readonly changes: Change[];
}

async function outgoing(
  context: BridgeContext,
  { portal }: Chat,
  event: MatrixEvent,
  target: MessageTarget & { readonly event?: EventId },
  write: (meant: Meant) => ToWhatsApp,
): Promise<Outgoing> {
  const now = context.clock.now();
  const contact = await context.store.contacts.get(portal.contact);
  const chat = contact && preferredAddress(contact);
  if (chat === undefined) return { sent: false, changes: [] };
  const message = write({ target: targetOf(target), chat, now });
  if (message.kind !== 'message') {
    const told = message.kind === 'refused' ? message.told : undefined;
    const text = told ?? refusedText(message.feature);
    return { sent: false, changes: refusal(context, portal, event, text, target.event) };
  }
  return {
    sent: true,
    changes: [afterTranslation(portal, event.event_id, newMessageId(), now, { payload: message.payload })],
  };
}

/** Under the message that it is about: clients do not show replies to reactions and edits where people look. */
function refusal(
  context: BridgeContext,
  portal: Portal,
  event: MatrixEvent,
  text: string,
  about: EventId | undefined,
): Change[] {
  return [notSent(portal, event.event_id, context.clock.now(), 'not-carried', text, { about })];
}
