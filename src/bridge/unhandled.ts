// Stanzas that failed each time the network brought them: it is told to keep them no longer, and those whom it concerns are told before.
import type { Change } from '../model/change.ts';
import type { GivenUp, IncomingMessage } from '../model/interop.ts';
import type { Portal } from '../model/portal.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { neverCame } from './inbox-steps.ts';
import { contactName, networkNames } from './labels.ts';
import { noticeOnce } from './notices.ts';
import { chatWith } from './receipts.ts';
import { placeOf } from './receive.ts';

/** Returns the portal in which something is said now. */
export async function noteUnhandled(
  context: BridgeContext,
  account: ActiveAccount,
  { kind, code, message }: GivenUp,
): Promise<Portal | undefined> {
  context.logger.error({ account: account.id, kind, code }, 'a stanza was given up');
  if (message === undefined) return undefined;
  context.counters.delivered('to-matrix', 'failed');
  const chat = await chatWith(context, account, message.from, message.alternative);
  if (chat === undefined) {
    await context.store.commit(await fromStranger(context, account, message));
    return undefined;
  }
  const { portal, contact } = chat;
  const text = `A message from ${contactName(contact, portal)} could not be taken in by this server, however often it was tried. Whoever runs it can see why. Ask them to send it once more.`;
  const told = noticeOnce(portal, `unhandled:${message.id}`, message.timestamp, { code: 'unhandled', text });
  await context.store.commit(neverCame(portal, placeOf(portal, message), 'unhandled', told));
  return portal.acceptance.at === 'accepted' ? portal : undefined;
}

/** Whoever wants to be reached by everybody is told that somebody could not reach them. Blocked people and those without a chat look alike here. */
async function fromStranger(
  { store }: BridgeContext,
  account: ActiveAccount,
  { id, from, alternative }: IncomingMessage,
): Promise<readonly Change[]> {
  const addresses = alternative === undefined ? [from] : [from, alternative];
  const known = await store.contacts.byAddress(account.network, addresses);
  if (known.length > 0 || (await store.accounts.preferences(account.id)).reach !== 'everyone') return [];
  const text = `Somebody who is unknown to you wrote to you on ${networkNames[account.network]}, and this server could not take their message in. Whoever runs it can see why.`;
  return [{ change: 'bot-message.add', room: account.managementRoom, key: `unhandled:${id}`, text }];
}
