// A store in a temporary directory, and the rows that most tests begin with.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { inject, onTestFinished } from 'vitest';
import type { Account } from '../../src/model/account.ts';
import type { Change } from '../../src/model/change.ts';
import type { Contact, Ghost } from '../../src/model/contact.ts';
import {
  type AccountId,
  type DeviceId,
  type EventId,
  ghostActorId,
  type MessageId,
  newAccountId,
  newContactId,
  newMessageId,
  newPortalId,
  type PortalId,
  type RoomId,
  type UserId,
} from '../../src/model/ids.ts';
import { interopJid, lidJid, phoneJid, type UserJid } from '../../src/model/jid.ts';
import type { NewInboxRow, NewOutboxRow } from '../../src/model/journal.ts';
import type { Portal } from '../../src/model/portal.ts';
import { type OpenCryptoJournal, openCryptoJournal } from '../../src/store/crypto-journal.ts';
import type { StoreLocation } from '../../src/store/database.ts';
import { type OpenStore, openStore } from '../../src/store/open-store.ts';
import { createSchema, dropSchema, query } from './postgres-server.ts';
import './postgres-setup.ts';
import { volatileRoot } from './volatile.ts';

export const masterKey = new Uint8Array(32).fill(7);

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(volatileRoot, 'store-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The database that this run of the tests is about. */
export const dialect: 'sqlite' | 'postgres' = inject('postgres') === undefined ? 'sqlite' : 'postgres';

/** Where a store can be opened more than once: an empty file or schema, gone after the test. */
export async function aPlace(): Promise<StoreLocation> {
  const server = inject('postgres');
  if (server === undefined) return { path: join(temporaryDirectory(), 'bridge.db') };
  const postgres = await createSchema(server);
  onTestFinished(() => dropSchema(postgres));
  return { postgres };
}

/** Opens a store that the test's end closes, in a place of its own by default. `clock.time` is its time. */
export async function openTestStore(
  place?: StoreLocation,
  clock = { time: 1_000 },
  remembers?: number,
): Promise<OpenStore> {
  const location = place ?? (dialect === 'sqlite' ? { path: ':memory:' } : await aPlace());
  const store = await openStore({ ...location, masterKey, clock: { now: () => clock.time }, remembers });
  onTestFinished(() => store.close());
  return store;
}

export async function openTestJournal(place?: StoreLocation, key = masterKey): Promise<OpenCryptoJournal> {
  const location = place ?? (dialect === 'sqlite' ? { path: ':memory:' } : await aPlace());
  const journal = await openCryptoJournal({ ...location, masterKey: key });
  onTestFinished(() => journal.close());
  return journal;
}

/** Runs one statement past the store, which must be closed on SQLite if the statement writes. */
export async function execute(place: StoreLocation, statement: string): Promise<Record<string, unknown>[]> {
  if ('postgres' in place) return query(place.postgres, statement);
  const database = new Database(place.path);
  try {
    const prepared = database.prepare<[], Record<string, unknown>>(statement);
    if (prepared.reader) return prepared.all();
    prepared.run();
    return [];
  } finally {
    database.close();
  }
}

/** Everything that whoever steals the database has: the files, or every value of every row. */
export async function storedBytes(place: StoreLocation): Promise<Buffer> {
  if ('path' in place) return allBytes(dirname(place.path));
  const tables = await query(
    place.postgres,
    'select tablename as name from pg_tables where schemaname = current_schema()',
  );
  const rows = await Promise.all(tables.map(({ name }) => query(place.postgres, `select * from "${name}"`)));
  const values = rows.flat().flatMap((row) => Object.values(row));
  return Buffer.concat(values.map((value) => (Buffer.isBuffer(value) ? value : Buffer.from(`${value}\n`))));
}

/** Every byte of every file in a directory: databases, logs, whatever is there. */
export function allBytes(directory: string): Buffer {
  return Buffer.concat(readdirSync(directory).map((name) => readFileSync(join(directory, name))));
}

let counter = 0;
/** A number that no other row of this test run has. */
export const unique = (): number => {
  counter += 1;
  return counter;
};

export function anAccount(over: Partial<Account> = {}): Account {
  const n = unique();
  return {
    id: newAccountId(),
    network: 'whatsapp',
    user: `@user${n}:example.org` as UserId,
    managementRoom: `!management${n}` as RoomId,
    state: { at: 'active', enlistment: { interopAccountId: `90071992547409${n}`, jid: interopJid(7, `user${n}`) } },
    createdAt: n,
    ...over,
  };
}

export function aContact(over: Partial<Contact> = {}): { readonly contact: Contact; readonly ghost: Ghost } {
  const n = unique();
  const id = over.id ?? newContactId();
  const addresses: readonly UserJid[] = [lidJid(`${1_000_000 + n}`), phoneJid(`${49_150_000_000 + n}`)];
  return {
    contact: { id, network: 'whatsapp', name: undefined, addresses, ...over },
    ghost: {
      contact: id,
      actor: { id: ghostActorId(id), user: `@wa_${id}:example.org` as UserId, device: `DEV${n}` as DeviceId },
      ready: false,
      displayName: undefined,
    },
  };
}

export const message = (portal: Portal, payload: Uint8Array, id: MessageId = newMessageId()): NewInboxRow => ({
  account: portal.account,
  portal: portal.id,
  messageId: id,
  device: 0,
  timestamp: 5,
  body: { kind: 'message', payload },
});

export const outgoing = (portal: Portal, payload: Uint8Array): NewOutboxRow => ({
  account: portal.account,
  portal: portal.id,
  event: `$event${unique()}` as EventId,
  messageId: newMessageId(),
  createdAt: 5,
  payload,
});

export const departure = (account: Account): Change => ({
  change: 'account.erase',
  departure: {
    account: account.id,
    network: account.network,
    user: account.user,
    managementRoom: account.managementRoom,
    interopAccountId: account.state.at === 'active' ? account.state.enlistment.interopAccountId : undefined,
    attempts: 0,
    chats: [],
    space: undefined,
  },
});

/** An account that has a chat with a contact in a room. */
export async function aChat(
  store: OpenStore,
  made: { readonly account?: Account; readonly contact?: ReturnType<typeof aContact> } = {},
): Promise<{ readonly account: Account; readonly contact: Contact; readonly ghost: Ghost; readonly portal: Portal }> {
  const account = made.account ?? anAccount();
  const { contact, ghost } = made.contact ?? aContact();
  const portal = aPortal(account.id, contact.id);
  await store.commit([
    { change: 'account.put', account },
    ...(made.contact && (await store.contacts.get(contact.id))
      ? []
      : [{ change: 'contact.create', contact, ghost } as const]),
    { change: 'portal.create', portal },
  ]);
  return { account, contact, ghost, portal };
}

export function aPortal(account: AccountId, contact: Contact['id'], id: PortalId = newPortalId()): Portal {
  return {
    id,
    account,
    contact,
    givenName: undefined,
    acceptance: { at: 'accepted' },
    state: { at: 'open', room: `!room${unique()}` as RoomId, labelled: true },
  };
}

export function present<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new Error('there is no such row');
  return row;
}
