// Accounts, their departures, and commands that wait for confirmation.
import type { Selectable } from 'kysely';
import type { Account, Departure, Enlistment } from '../model/account.ts';
import type { AccountId, UserId } from '../model/ids.ts';
import { formatJid, parseJid } from '../model/jid.ts';
import type { Store } from '../model/store.ts';
import { built } from './built.ts';
import { gone } from './errors.ts';
import { holdings } from './holdings.ts';
import { toHostedFile } from './hosted-files.ts';
import { accountKey } from './keyring.ts';
import { eraseLimitUses } from './limit-uses.ts';
import { preferenceReads } from './preferences.ts';
import { type DataKey, type Place, seal, sealJson, unsealJson, unsealText } from './sealing.ts';
import { first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

const activityMs = 60 * 60 * 1000;

const enlistmentPlace = (id: AccountId): Place => ['account', 'enlistment', id];
const interopAccountPlace = (id: AccountId): Place => ['departure', 'interop_account', id];
const commandPlace = (user: UserId): Place => ['pending_command', 'command', user];

export function* putAccount({ db, keys }: Unit, account: Account): Steps {
  const { id, network, user, managementRoom, state, createdAt } = account;
  const known = yield* first(db.selectFrom('account').select('id').where('id', '=', id));
  if (!known) {
    const departing = yield* first(db.selectFrom('departure').select('account').where('account', '=', id));
    if (departing) throw gone('the account');
    yield* keys.create(accountKey(id));
  }
  const key = yield* keys.get(accountKey(id));
  const row = {
    network,
    user,
    management_room: managementRoom,
    enlistment: state.at === 'enlisting' ? null : sealEnlistment(key, id, state.enlistment),
    created_at: createdAt,
    paused: state.at === 'paused' ? state.why : null,
  };
  yield* run(
    known
      ? db.updateTable('account').set(row).where('id', '=', id)
      : db.insertInto('account').values({ id, ...row, active_at: createdAt }),
  );
}

const quietSince = built((db, { id, before }: { readonly id: AccountId; readonly before: number }) =>
  db.selectFrom('account').select('id').where('id', '=', id).where('active_at', '<', before),
);

/** That it carries a message, noted at most once an hour. It is asked first, for a write puts whatever is remembered of accounts out of date. */
export function* noteActivity({ db, now }: Unit, id: AccountId): Steps {
  const due = yield* first(quietSince(db, { id, before: now - activityMs }));
  if (due) yield* run(db.updateTable('account').set({ active_at: now }).where('id', '=', id));
}

/** The key first: from there on nothing of the account can be read, whatever happens to the rows. */
export function* eraseAccount(unit: Unit, departure: Departure): Steps {
  const { db, keys } = unit;
  const id = departure.account;
  yield* keys.destroy(accountKey(id));
  const rooms = db.selectFrom('portal').select('room').where('account', '=', id).where('room', 'is not', null);
  yield* run(
    db
      .updateTable('matrix_event')
      .set({ event: null, settled_at: unit.now })
      .where('room', 'in', rooms)
      .where('event', 'is not', null),
  );
  yield* mustChange(db.deleteFrom('account').where('id', '=', id), 'the account');
  yield* eraseLimitUses(unit, id);
  yield* putDeparture(unit, departure);
}

export function* putDeparture({ db, bridge }: Unit, departure: Departure): Steps {
  const { account, network, user, managementRoom, interopAccountId, attempts, chats, space } = departure;
  const row = {
    network,
    user,
    management_room: managementRoom,
    interop_account:
      interopAccountId === undefined ? null : seal(bridge, interopAccountPlace(account), interopAccountId),
    attempts,
  };
  yield* run(
    db
      .insertInto('departure')
      .values({ account, ...row })
      .onConflict((at) => at.column('account').doUpdateSet(row)),
  );
  yield* run(db.deleteFrom('departing_chat').where('account', '=', account));
  for (const { room, contact } of chats) {
    yield* run(db.insertInto('departing_chat').values({ account, contact, room: room ?? null }));
  }
  yield* run(db.deleteFrom('departing_space').where('account', '=', account));
  if (space !== undefined) yield* run(db.insertInto('departing_space').values({ account, room: space.room ?? null }));
}

export function* finishDeparture({ db }: Unit, account: AccountId): Steps {
  yield* run(db.deleteFrom('departure').where('account', '=', account));
}

export function* setPendingCommand({ db, bridge }: Unit, user: UserId, command: string | undefined): Steps {
  if (command === undefined) {
    yield* run(db.deleteFrom('pending_command').where('user', '=', user));
    return;
  }
  const row = { command: seal(bridge, commandPlace(user), command), idle_since: null };
  yield* run(
    db
      .insertInto('pending_command')
      .values({ user, ...row })
      .onConflict((at) => at.column('user').doUpdateSet(row)),
  );
}

export function accountReads(reader: Reader): Store['accounts'] {
  const { db, keys, bridge } = reader;
  const select = db.selectFrom('account').selectAll();

  async function open(rows: readonly Selectable<Tables['account']>[]): Promise<readonly Account[]> {
    await keys.load(rows.map(({ id }) => accountKey(id)));
    return rows.flatMap((row) => {
      const key = keys.cached(accountKey(row.id));
      return key ? [toAccount(row, key)] : [];
    });
  }

  async function toDeparture(row: Selectable<Tables['departure']>): Promise<Departure> {
    const { account, network, user, attempts } = row;
    const rows = await db
      .selectFrom('departing_chat')
      .select(['room', 'contact'])
      .where('account', '=', account)
      .execute();
    const chats = rows.map(({ room, contact }) => ({ room: room ?? undefined, contact }));
    const [left] = await db.selectFrom('departing_space').select('room').where('account', '=', account).execute();
    const space = left && { room: left.room ?? undefined };
    const sealed = row.interop_account;
    const interopAccountId = sealed ? unsealText(bridge, interopAccountPlace(account), sealed) : undefined;
    return { account, network, user, managementRoom: row.management_room, interopAccountId, attempts, chats, space };
  }

  return {
    get: async (id) => (await open(await select.where('id', '=', id).execute()))[0],
    find: async (network, user) =>
      (await open(await select.where('user', '=', user).where('network', '=', network).execute()))[0],
    ofUser: async (user) => open(await select.where('user', '=', user).execute()),
    ids: async () => {
      const rows = await db
        .selectFrom('account')
        .select('id')
        .orderBy('active_at', 'desc')
        .orderBy('id', 'desc')
        .execute();
      return rows.map(({ id }) => id);
    },
    isLeaving: async (user) =>
      (await db.selectFrom('departure').select('account').where('user', '=', user).limit(1).executeTakeFirst()) !==
      undefined,
    departures: async () => Promise.all((await db.selectFrom('departure').selectAll().execute()).map(toDeparture)),
    departureOf: async (network, user) => {
      const row = await db
        .selectFrom('departure')
        .selectAll()
        .where('user', '=', user)
        .where('network', '=', network)
        .executeTakeFirst();
      return row && toDeparture(row);
    },
    preferences: preferenceReads(reader),
    holdings: holdings(reader),
    hostedFiles: async (id) =>
      (await db.selectFrom('hosted_file').selectAll().where('account', '=', id).execute()).map(toHostedFile),
    pendingCommand: async (user) => {
      const row = await db.selectFrom('pending_command').select('command').where('user', '=', user).executeTakeFirst();
      return row && unsealText(bridge, commandPlace(user), row.command);
    },
  };
}

function sealEnlistment(key: DataKey, id: AccountId, { interopAccountId, jid }: Enlistment): Buffer {
  return sealJson(key, enlistmentPlace(id), { interopAccountId, jid: formatJid(jid) });
}

function toAccount(row: Selectable<Tables['account']>, key: DataKey): Account {
  const { id, network, user, enlistment: sealed } = row;
  const account = { id, network, user, managementRoom: row.management_room, createdAt: row.created_at };
  if (!sealed) return { ...account, state: { at: 'enlisting' } };
  const stored = unsealJson<{ interopAccountId: string; jid: string }>(key, enlistmentPlace(id), sealed);
  const jid = parseJid(stored.jid);
  if (jid.kind !== 'interop') throw new TypeError('an enlistment holds an interop address');
  const enlistment: Enlistment = { interopAccountId: stored.interopAccountId, jid };
  const { paused: why } = row;
  return { ...account, state: why === null ? { at: 'active', enlistment } : { at: 'paused', why, enlistment } };
}
