// Erasing a user: opt-out from everything, then what has no account to go with. Durable; taken up again after a crash.
import type { Account, Departure } from '../model/account.ts';
import type { AccountId, RoomId, UserId } from '../model/ids.ts';
import { roomOfSpace } from '../model/space.ts';
import type { Store } from '../model/store.ts';
import type { ErasurePlan } from '../model/user-data.ts';
import type { BridgeContext } from './context.ts';
import { leaveForGood } from './portal-rooms.ts';
import type { Step } from './workers.ts';

export interface ErasureEffects {
  /** Ends everything that works for this account, and holds it until what is returned is called. */
  silence(account: AccountId): Promise<() => void>;
  wakeDeparture(account: AccountId): void;
  wakeBot(room: RoomId): void;
}

/** How often the departures are looked at, and how often the bot may try to say goodbye. */
const pollMs = 1_000;
const goodbyes = 10;

/** One step of the erasure of this user; `tries` counts how often each room was waited for. */
export async function eraseNext(
  context: BridgeContext,
  user: UserId,
  tries: Map<RoomId, number>,
  effects: ErasureEffects,
): Promise<Step> {
  const { store, crypto, bot, mediaHost } = context;
  const erasure = await store.erasures.of(user);
  if (erasure === undefined) return 'idle';
  const [account] = await store.accounts.ofUser(user);
  if (account !== undefined) {
    const release = await effects.silence(account.id);
    try {
      await store.commit([{ change: 'account.erase', departure: await departureOf(store, account) }]);
    } finally {
      release();
    }
    mediaHost.endServing(account.id);
    return 'again';
  }
  const leaving = (await store.accounts.departures()).filter((departure) => departure.user === user);
  if (leaving.length > 0) {
    for (const departure of leaving) effects.wakeDeparture(departure.account);
    return { waitMs: pollMs };
  }
  for (const room of erasure.rooms) {
    // What the bot has still to say there is said, if somebody can hear it.
    const tried = tries.get(room) ?? 0;
    if ((await store.botMessages.next(room)) !== undefined && tried < goodbyes) {
      tries.set(room, tried + 1);
      effects.wakeBot(room);
      return { waitMs: pollMs };
    }
    tries.delete(room);
    await leaveForGood(context, bot, room);
  }
  await crypto.forgetUser(bot, user);
  await mediaHost.sweep();
  await store.commit([{ change: 'user.erase', user }]);
  await store.compact();
  context.logger.info({}, 'a user has been erased');
  return 'idle';
}

/** What is left to be done once the account is erased. */
export async function departureOf(store: Store, account: Account, room?: RoomId): Promise<Departure> {
  const portals = await store.portals.ofAccount(account.id);
  const space = await store.spaces.of(account.id);
  return {
    account: account.id,
    network: account.network,
    user: account.user,
    managementRoom: room ?? account.managementRoom,
    interopAccountId: account.state.at === 'enlisting' ? undefined : account.state.enlistment.interopAccountId,
    attempts: 0,
    chats: portals.map(({ state, contact }) => ({ room: state.at === 'open' ? state.room : undefined, contact })),
    space: space && { room: roomOfSpace(space) },
  };
}

/** What erasing this user would concern. Looked at before: afterwards nobody here knows. */
export async function planErasure(store: Store, user: UserId): Promise<ErasurePlan> {
  const accounts = await store.accounts.ofUser(user);
  const rooms = new Set(await userRooms(store, user));
  const ghosts = new Set<UserId>();
  let files = 0;
  for (const account of accounts) {
    files += (await store.accounts.hostedFiles(account.id)).length;
    const space = await store.spaces.of(account.id);
    const spaceRoom = space && roomOfSpace(space);
    if (spaceRoom !== undefined) rooms.add(spaceRoom);
    for (const { state, contact } of await store.portals.ofAccount(account.id)) {
      if (state.at === 'open') rooms.add(state.room);
      const ghost = await store.contacts.ghost(contact);
      if (ghost?.ready && (await store.contacts.accountsUsing(contact)) === 1) ghosts.add(ghost.actor.user);
    }
  }
  return { user, accounts: accounts.map(({ network }) => network), rooms: [...rooms], ghosts: [...ghosts], files };
}

/** Begins an erasure: from here on it goes to its end by itself. `room`: where it was asked for. */
export async function beginErasure(store: Store, user: UserId, room?: RoomId): Promise<void> {
  const rooms = new Set([...(await userRooms(store, user)), ...(room === undefined ? [] : [room])]);
  await store.commit([{ change: 'erasure.put', erasure: { user, rooms: [...rooms] } }]);
}

/** With the bridge stopped: what can be erased without the homeserver and the network; the rest is done when the bridge runs. */
export async function eraseOffline(store: Store, user: UserId): Promise<void> {
  await beginErasure(store, user);
  for (const account of await store.accounts.ofUser(user)) {
    await store.commit([{ change: 'account.erase', departure: await departureOf(store, account) }]);
  }
  await store.compact();
}

/** Rooms in which the user talks to the bot. */
async function userRooms(store: Store, user: UserId): Promise<readonly RoomId[]> {
  const accounts = await store.accounts.ofUser(user);
  const departures = (await store.accounts.departures()).filter((departure) => departure.user === user);
  const known = (await store.erasures.of(user))?.rooms ?? [];
  return [...known, ...[...accounts, ...departures].map(({ managementRoom }) => managementRoom)];
}
