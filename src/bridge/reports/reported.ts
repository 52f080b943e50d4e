// A message that a user reports, as the homeserver keeps it and the ghost's own session reads it: nothing that the reporter supplies is believed.
import type { Account } from '../../model/account.ts';
import type { Contact, Ghost } from '../../model/contact.ts';
import type { EventId, RoomId } from '../../model/ids.ts';
import type { MatrixEvent } from '../../model/journal.ts';
import type { Portal } from '../../model/portal.ts';
import { replacementIn } from '../../translate/references.ts';
import type { BridgeContext } from '../context.ts';
import { noticeField } from '../labels.ts';
import { keptEvent, openedEvent } from '../quoted-events.ts';
import { type ShownEvent, type Verdict, verdictOf } from './proof.ts';

/** A chat in which something is reported. */
export interface ReportedChat {
  readonly account: Account;
  readonly portal: Portal;
  readonly contact: Contact;
  readonly ghost: Ghost;
  readonly room: RoomId;
}

/** What a contact has written: an event of their ghost, and whether its proof holds. */
export interface Statement {
  readonly id: EventId;
  /** Milliseconds since the Unix epoch, as the homeserver says. */
  readonly shownAt: number;
  readonly event: ShownEvent;
  readonly verdict: Verdict;
}

export type Looked =
  | { readonly kind: 'message'; readonly statement: Statement; readonly edit: Statement | undefined }
  /** The user has written it themselves. */
  | { readonly kind: 'own' }
  /** The bridge has. */
  | { readonly kind: 'notice' }
  /** Somebody else has. */
  | { readonly kind: 'others' }
  /** It is not there, deleted, not encrypted, or cannot be decrypted (any more). */
  | { readonly kind: 'unreadable' };

/** The chat of this user whose room this is, now; undefined where it is none. */
export async function reportedChat(
  { store }: BridgeContext,
  room: RoomId,
  isTheirs: (account: Account) => boolean,
): Promise<ReportedChat | undefined> {
  const portal = await store.portals.byRoom(room);
  const account = portal && (await store.accounts.get(portal.account));
  if (portal === undefined || account === undefined || !isTheirs(account)) return undefined;
  const contact = await store.contacts.get(portal.contact);
  const ghost = await store.contacts.ghost(portal.contact);
  return contact && ghost && { account, portal, contact, ghost, room };
}

export async function lookAt(context: BridgeContext, chat: ReportedChat, id: EventId): Promise<Looked> {
  const { account, portal, ghost, room } = chat;
  if (await context.store.inbox.isNotice(portal.id, id)) return { kind: 'notice' };
  const event = await keptEvent(context, ghost, room, id);
  if (event === undefined) return { kind: 'unreadable' };
  if (event.sender === account.user) return { kind: 'own' };
  if (event.sender !== ghost.actor.user) return { kind: 'others' };
  const statement = await read(context, chat, event);
  if (statement === undefined) return { kind: 'unreadable' };
  if (Object.hasOwn(statement.event.content, noticeField)) return { kind: 'notice' };
  const edit = event.edit?.sender === event.sender ? await read(context, chat, event.edit) : undefined;
  // Which event it replaces stands inside its encryption as well; what the homeserver says of it is not enough.
  return { kind: 'message', statement, edit: replacementIn(edit?.event.content, id) && edit };
}

async function read(
  context: BridgeContext,
  { ghost, room }: ReportedChat,
  kept: MatrixEvent,
): Promise<Statement | undefined> {
  const event = await openedEvent(context, ghost, room, kept);
  if (event === undefined) return undefined;
  const verdict = verdictOf(context.store.tagKey, { sender: kept.sender, room }, event);
  return { id: kept.event_id, shownAt: kept.origin_server_ts, event, verdict };
}
