// Policy rooms: what was read in them, and who subscribes. Both are sealed: rules name people.
import type { Selectable } from 'kysely';
import type { RoomId } from '../model/ids.ts';
import type { PolicyRoom, PolicySubscription, Subscriber } from '../model/policy.ts';
import type { Store } from '../model/store.ts';
import { unlessDamaged } from './damaged.ts';
import { accountKey } from './keyring.ts';
import { type DataKey, type Place, seal, sealJson, unsealJson, unsealText } from './sealing.ts';
import { mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

type Read = Pick<PolicyRoom, 'rules' | 'leftOut'>;
type SubscriptionRow = Selectable<Tables['policy_subscription']>;

const rulesPlace = (room: RoomId): Place => ['policy_room', 'rules', room];
const namePlace = (id: string): Place => ['policy_subscription', 'name', id];
const accountOf = (subscriber: Subscriber) => (subscriber === 'operator' ? null : subscriber);

export function* addSubscription({ db, keys, bridge }: Unit, subscription: PolicySubscription): Steps {
  const { id, subscriber, room, name, createdAt } = subscription;
  const account = accountOf(subscriber);
  yield* run(
    db
      .insertInto('policy_room')
      .values({ room, state: 'unread', rules: null })
      .onConflict((at) => at.doNothing()),
  );
  const sealed = seal(account === null ? bridge : yield* keys.get(accountKey(account)), namePlace(id), name);
  yield* run(db.insertInto('policy_subscription').values({ id, account, room, name: sealed, created_at: createdAt }));
}

export function* removeSubscription({ db }: Unit, id: string): Steps {
  yield* run(db.deleteFrom('policy_subscription').where('id', '=', id));
}

export function* putPolicyRules({ db, bridge }: Unit, room: RoomId, { rules, leftOut }: Read): Steps {
  const sealed = sealJson(bridge, rulesPlace(room), { rules, leftOut } satisfies Read);
  const row = { state: 'read', rules: sealed } as const;
  yield* mustChange(db.updateTable('policy_room').set(row).where('room', '=', room), 'the policy room');
}

/** What was read last goes on. */
export function* notePolicyUnreadable({ db }: Unit, room: RoomId): Steps {
  const update = db.updateTable('policy_room').set({ state: 'unreadable' });
  yield* mustChange(update.where('room', '=', room), 'the policy room');
}

/** A room to which somebody subscribes stays. */
export function* forgetPolicyRoom({ db }: Unit, room: RoomId): Steps {
  const subscribed = db.selectFrom('policy_subscription').select('room');
  yield* run(db.deleteFrom('policy_room').where('room', '=', room).where('room', 'not in', subscribed));
}

export function policyRoomReads({ db, keys, bridge }: Reader): Store['policyRooms'] {
  const subscriptionsOf = (subscriber: Subscriber) => {
    const account = accountOf(subscriber);
    return db.selectFrom('policy_subscription').where('account', account === null ? 'is' : '=', account);
  };
  const opened = async (row: SubscriptionRow): Promise<PolicySubscription | undefined> => {
    const key = row.account === null ? bridge : await keys.find(accountKey(row.account));
    return key && toSubscription(row, key);
  };
  const all = async (rows: readonly SubscriptionRow[]) =>
    (await Promise.all(rows.map(opened))).filter((each) => each !== undefined);
  return {
    get: async (room) => {
      const row = await db.selectFrom('policy_room').selectAll().where('room', '=', room).executeTakeFirst();
      return row && toRoom(row, bridge);
    },
    rooms: async () => (await db.selectFrom('policy_room').select('room').execute()).map(({ room }) => room),
    abandoned: async () => {
      const subscribed = db.selectFrom('policy_subscription').select('room');
      const rows = await db.selectFrom('policy_room').select('room').where('room', 'not in', subscribed).execute();
      return rows.map(({ room }) => room);
    },
    rules: async (subscriber) => {
      const rooms = subscriptionsOf(subscriber).select('room');
      const rows = await db.selectFrom('policy_room').selectAll().where('room', 'in', rooms).execute();
      const read = await Promise.all(rows.map((row) => toRoom(row, bridge)));
      return read.flatMap(({ rules }) => rules);
    },
    subscriptions: async (subscriber) =>
      all(await subscriptionsOf(subscriber).selectAll().orderBy('created_at').orderBy('id').execute()),
    subscribersTo: async (room) =>
      all(await db.selectFrom('policy_subscription').selectAll().where('room', '=', room).orderBy('id').execute()),
  };
}

function toSubscription(row: SubscriptionRow, key: DataKey): PolicySubscription {
  const { id, account, room, name, created_at } = row;
  const opened = unsealText(key, namePlace(id), name);
  return { id, subscriber: account ?? 'operator', room, name: opened, createdAt: created_at };
}

/** Rules that cannot be opened are read anew. */
async function toRoom({ room, state, rules }: Selectable<Tables['policy_room']>, bridge: DataKey): Promise<PolicyRoom> {
  const open = async () => (rules === null ? undefined : unsealJson<Read>(bridge, rulesPlace(room), rules));
  const read = await unlessDamaged(open());
  return read === undefined
    ? { room, state: state === 'read' ? 'unread' : state, rules: [], leftOut: 0 }
    : { room, state, ...read };
}
