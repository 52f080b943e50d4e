// Keeps the Space of one account as it is to be: there or not, and in it the account's chats. Repeatable at any point.
import type { Account } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import { BridgeError } from '../../model/errors.ts';
import type { AccountId, RoomId } from '../../model/ids.ts';
import { roomOfSpace, type Space } from '../../model/space.ts';
import { passed } from '../../observability/fail-points.ts';
import { type BridgeContext, isActive } from '../context.ts';
import { networkNames } from '../labels.ts';
import type { Step } from '../workers.ts';
import { arrangementOf } from './arrangement.ts';
import { difference, orderOf } from './children.ts';
import { withoutSpace } from './space-events.ts';
import { createSpace, findSpace, leaveSpace } from './space-rooms.ts';

type WakeBot = (room: RoomId) => void;

/** The homeserver does not let the bot do it, or has no such room any more. */
const refusals: readonly string[] = ['matrix.forbidden', 'matrix.not-found', 'matrix.refused'];

/** `halted` is aborted when the account is about to end. */
export async function keepSpace(
  context: BridgeContext,
  id: AccountId,
  wakeBot: WakeBot,
  halted: AbortSignal,
): Promise<Step> {
  const { store, logger } = context;
  const account = await store.accounts.get(id);
  if (account === undefined) return 'idle';
  const space = await store.spaces.of(id);
  const wanted = arrangementOf(context, await store.accounts.preferences(id)) === 'separate';
  try {
    if (space === undefined) return wanted && isActive(account) ? await begin(context, account, wakeBot) : 'idle';
    if (!wanted || space.state.at === 'closing') return await close(context, account, space);
    if (space.state.at === 'making') return await begun(context, account, wakeBot);
    return await fill(context, id, space.state.room, halted);
  } catch (error) {
    if (!(error instanceof BridgeError) || !refusals.includes(error.code)) throw error;
    logger.error({ account: id, code: error.code, err: error }, 'a Space cannot be kept');
    await store.commit(await withoutSpace(context, account, space && roomOfSpace(space)));
    wakeBot(account.managementRoom);
    return 'again';
  }
}

async function begin(context: BridgeContext, account: Account, wakeBot: WakeBot): Promise<Step> {
  const space = { account: account.id, state: { at: 'making' } } as const;
  await context.store.commit([{ change: 'space.put', space }]);
  passed('S1-space-noted');
  return open(context, account, wakeBot, undefined);
}

/** An attempt was cut off. What the user has done with its invitation meanwhile has been heard by nobody. */
async function begun(context: BridgeContext, account: Account, wakeBot: WakeBot): Promise<Step> {
  const { store, homeserver, bot } = context;
  const found = await findSpace(context, account.id);
  if (found === undefined || (await homeserver.members(bot, found)).has(account.user)) {
    return open(context, account, wakeBot, found);
  }
  await store.commit(await withoutSpace(context, account, found));
  wakeBot(account.managementRoom);
  return 'again';
}

/** `found`: what an earlier attempt has made. */
async function open(
  context: BridgeContext,
  account: Account,
  wakeBot: WakeBot,
  found: RoomId | undefined,
): Promise<Step> {
  const { store, logger } = context;
  const room = found ?? (await createSpace(context, account));
  passed('S2-space-made');
  const space = { account: account.id, state: { at: 'open', room } } as const;
  const { arrangement } = await store.accounts.preferences(account.id);
  const told = arrangement === undefined ? [unasked(account, room)] : [];
  await store.commit([{ change: 'space.put', space }, ...told]);
  passed('S3-space-recorded');
  if (told.length > 0) wakeBot(account.managementRoom);
  logger.debug({ account: account.id, room }, 'an account has a Space');
  return 'again';
}

/** For whoever has not asked for a Space. */
function unasked({ network, managementRoom: room }: Account, space: RoomId): Change {
  const text = `On this server, chats on ${networkNames[network]} are in a Space of their own, to which I have invited you. "inbox combined", or to reject the invitation, has them among your other rooms.`;
  return { change: 'bot-message.add', room, key: `space:${space}`, text };
}

async function close(context: BridgeContext, account: Account, space: Space): Promise<Step> {
  const { store } = context;
  const room = roomOfSpace(space) ?? (await findSpace(context, account.id));
  if (room !== undefined) {
    // From here on it is not the user's Space any more, whatever they choose meanwhile.
    await store.commit([{ change: 'space.put', space: { account: account.id, state: { at: 'closing', room } } }]);
    await leaveSpace(context, room, account.user);
  }
  await store.commit([{ change: 'space.gone', account: account.id }]);
  return 'again';
}

/** Puts into it what is missing, and takes out what is no chat of the account any more. */
async function fill(context: BridgeContext, account: AccountId, space: RoomId, halted: AbortSignal): Promise<Step> {
  const { store, homeserver, bot, settings } = context;
  const { toNote, toPut, toTake } = difference(await store.spaces.chats(account), await store.spaces.children(account));
  if (toNote.length > 0) {
    await store.commit(toNote.map((child) => ({ change: 'space.child-noted', account, child })));
    passed('S4-chats-noted');
    return 'again';
  }
  for (const { room, position } of toPut) {
    if (halted.aborted) return 'again';
    await homeserver.placeInSpace(bot, space, room, { via: settings.serverName, order: orderOf(position) });
    passed('S5-chat-put');
    await store.commit([{ change: 'space.child-put', account, room }]);
    passed('S6-chat-recorded');
  }
  for (const room of toTake) {
    if (halted.aborted) return 'again';
    await homeserver.placeInSpace(bot, space, room, undefined);
    await store.commit([{ change: 'space.child-gone', account, room }]);
  }
  return toPut.length + toTake.length > 0 ? 'again' : 'idle';
}
