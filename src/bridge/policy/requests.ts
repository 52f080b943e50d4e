// Requests: contacts whom the user does not know wait for a decision, and learn nothing of it or of the waiting.
import type { Account } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import type { Contact } from '../../model/contact.ts';
import { type AccountId, newPortalId, type PortalId } from '../../model/ids.ts';
import type { InboxRow } from '../../model/journal.ts';
import type { Acceptance, Portal } from '../../model/portal.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import type { Wait } from '../limits/limits.ts';
import { noticeOnce } from '../notices.ts';
import { closeRoom } from '../portal-rooms.ts';
import { readable } from '../shown.ts';
import type { Step } from '../workers.ts';

const toldKey = (account: AccountId): string => `requests:${account}`;

/** Adds the portal of a new chat to `changes`. `givenName`: what the user calls the contact. */
export function newPortal(
  account: Account,
  contact: Contact,
  givenName: string | undefined,
  acceptance: Acceptance,
  changes: Change[],
): Portal {
  const ids = { id: newPortalId(), account: account.id, contact: contact.id };
  const portal: Portal = { ...ids, givenName, acceptance, state: { at: 'wanted' } };
  changes.push({ change: 'portal.create', portal });
  return portal;
}

/** The state of a chat that a contact begins whom the user does not know. The store gives it its number. */
export function newRequest({ clock }: BridgeContext): Acceptance {
  return { at: 'requested', number: 0, since: clock.now(), askedAgain: false, dropped: 0 };
}

/** Tells the user in the room with the bot that somebody asks, once for as long as anybody does. */
export function requestTold(account: Account): Change {
  const text = [
    `Somebody who is unknown to you asks to write to you on ${networkNames[account.network]}, and you are invited to a room for it.`,
    'Join it to let them in, or reject the invitation to decline. They learn of neither, nor that their message has arrived. "requests" lists who asks.',
  ].join('\n\n');
  return { change: 'bot-message.add', room: account.managementRoom, key: toldKey(account.id), text };
}

/** Of a request the user gets the invitation and its first notice; the rest waits. What only clients say to each other is no reason to ask. */
export async function nextOfRequest(
  context: BridgeContext,
  portal: Portal,
  row: InboxRow,
): Promise<'skip' | 'show' | 'wait' | Wait> {
  const { id, state } = portal;
  if (row.state.at === 'received' && row.state.body.kind === 'message') {
    if (readable(context, row, row.state.body.payload)?.kind === 'silent') return 'skip';
  }
  if (state.at === 'open' && state.labelled) return 'wait';
  if ((await context.store.inbox.messagesWaiting(id)) === 0) return 'wait';
  const account = await context.store.accounts.get(portal.account);
  if (account === undefined) return 'wait';
  return (await context.limits.hold(id, 'requests', { account, contact: portal.contact })) ?? 'show';
}

/** Lets the contact in: what waits is delivered, in order, and confirmed to them. */
export async function accept(context: BridgeContext, portal: Portal): Promise<Change[]> {
  const accepted: Change = { change: 'portal.acceptance', portal: portal.id, acceptance: { at: 'accepted' } };
  if (portal.acceptance.at !== 'requested') return [accepted];
  const { dropped, since } = portal.acceptance;
  const told = dropped === 0 ? [] : [droppedNotice(portal, since, dropped, context.clock.now())];
  return [accepted, ...told, ...(await decided(context, portal))];
}

/** What the user is told of it. Names nobody: the room may be unencrypted. */
export const declinedText =
  'Declined. What waited is deleted, and what they write from now on is not kept; they are not told. "accept" with their name or phone number lets them in after all.';

/** Refuses: what waits is erased, what comes later is not kept, and the room goes. */
export async function decline(context: BridgeContext, portal: Portal): Promise<Change[]> {
  return [
    { change: 'portal.acceptance', portal: portal.id, acceptance: { at: 'declined' } },
    { change: 'inbox.discard', portal: portal.id },
    ...(await decided(context, portal)),
  ];
}

/** Once nobody asks any more, the next one is told of again. */
async function decided({ store, limits }: BridgeContext, portal: Portal): Promise<Change[]> {
  limits.release(portal.id, 'requests');
  const others = (await store.portals.requests(portal.account)).filter(({ id }) => id !== portal.id);
  return others.length > 0 ? [] : [{ change: 'bot-message.release', key: toldKey(portal.account) }];
}

/** It stands behind what had waited. */
function droppedNotice(portal: Portal, since: number, dropped: number, now: number): Change {
  const messages = dropped === 1 ? 'One more message' : `${dropped} more messages`;
  return noticeOnce(portal, `request-dropped:${since}`, now, {
    code: 'request-dropped',
    text: `${messages} of theirs could not wait for your decision, or could not be read, and are not here. The other person sees them as not delivered: ask them to write again what matters.`,
  });
}

/** Of a chat that was declined, the ghost takes the invitation back and leaves the room. */
export async function closeDeclined(context: BridgeContext, portal: Portal): Promise<Step> {
  const { store, homeserver } = context;
  const account = await store.accounts.get(portal.account);
  const ghost = await store.contacts.ghost(portal.contact);
  const changes: Change[] = [{ change: 'inbox.discard', portal: portal.id }];
  if (portal.state.at === 'open' && account !== undefined && ghost !== undefined) {
    await homeserver.kick(ghost.actor, portal.state.room, account.user);
    changes.push(await closeRoom(context, portal, ghost, portal.state.room));
  }
  await store.commit(changes);
  return 'idle';
}

/** Messages that have waited too long for a decision are erased and counted. Returns how many portals were looked at. */
export async function expireRequests({ store, clock, settings }: BridgeContext): Promise<number> {
  const before = clock.now() - settings.requests.waitMs;
  const portals: readonly PortalId[] = await store.inbox.requestsOverdue(before, 100);
  for (const portal of portals) await store.commit([{ change: 'request.expired', portal, before }]);
  return portals.length;
}
