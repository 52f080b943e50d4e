// What a contact does to earlier messages, in Matrix: reactions and redactions, which are plain events. Each may be repeated after a crash.
import type { Change } from '../model/change.ts';
import type { Ghost } from '../model/contact.ts';
import type { EventId, RoomId } from '../model/ids.ts';
import type { InboxRow } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { MessageReference, MessageTarget } from '../model/reference.ts';
import { passed } from '../observability/fail-points.ts';
import type { ToMatrix } from '../translate/to-matrix.ts';
import type { BridgeContext } from './context.ts';
import { afterStandIn, type RowAt } from './inbox-steps.ts';
import { sendId } from './send-ids.ts';
import { redactAgain, sendReaction } from './unknown-outcomes.ts';

interface Chat {
  readonly portal: Portal;
  readonly ghost: Ghost;
  readonly room: RoomId;
}

export type PlainReference = ToMatrix & { readonly kind: 'reaction' | 'deletion' };

/** Undefined where the message is not known, or shown in an earlier room of this portal. */
export async function shownMessage(
  context: BridgeContext,
  { portal, room }: Chat,
  { messageId, fromUser }: MessageTarget,
): Promise<MessageReference | undefined> {
  const reference = await context.store.references.byMessage(portal.id, messageId, fromUser);
  return reference?.room === room ? reference : undefined;
}

/** Returns the changes to commit when it is done. */
export async function carryOut(
  context: BridgeContext,
  chat: Chat,
  row: RowAt<'received'>,
  reference: PlainReference,
  target: MessageReference,
): Promise<Change[]> {
  if (reference.kind === 'deletion') {
    const first = await redact(context, chat, row, target.event);
    passed('WR3-deletion-accepted');
    for (const part of await context.store.references.parts(chat.portal.id, target.messageId)) {
      await redact(context, chat, row, part);
    }
    return [afterStandIn(row, first)];
  }
  const { portal, ghost, room } = chat;
  const before = await context.store.reactions.latest(portal.id, reference.target, false);
  const redaction = before && (await redact(context, chat, row, before));
  if (before !== undefined) passed('WR1-earlier-reaction-removed');
  const removed: Change[] =
    before === undefined ? [] : [{ change: 'reaction.remove', portal: portal.id, event: before }];
  if (reference.key === undefined) return [afterStandIn(row, redaction), ...removed];
  const relation = { rel_type: 'm.annotation', event_id: target.event, key: reference.key };
  const content = { 'm.relates_to': relation };
  const id = idOf(context, chat, row, 'reaction');
  const event = await sendReaction(context, ghost.actor, room, id, content);
  passed('WR2-reaction-accepted');
  const put = { portal: portal.id, target: reference.target, byUser: false, event };
  return [afterStandIn(row, event), ...removed, { change: 'reaction.put', reaction: put }];
}

function redact(context: BridgeContext, chat: Chat, row: InboxRow, event: EventId): Promise<EventId | undefined> {
  return redactAgain(context, chat.ghost.actor, chat.room, event, idOf(context, chat, row, `redaction-${event}`));
}

function idOf({ settings }: BridgeContext, { ghost, room }: Chat, row: InboxRow, part: string) {
  return sendId(settings.instanceId, ghost.actor.id, room, `${row.messageId}:${row.device}:${part}`);
}
