// The journal under the Matrix crypto stores on PostgreSQL: kept in memory in order, and written behind. `flushed` tells when it is there.
import type { KeyObject } from 'node:crypto';
import type { JournalOperation, JournalSnapshot } from '../../model/crypto-journal.ts';
import { BridgeError } from '../../model/errors.ts';
import type { ActorId } from '../../model/ids.ts';
import type { OpenCryptoJournal } from '../crypto-journal.ts';
import { isUnavailable, newerSchema, wrongKey } from '../errors.ts';
import { unwrapKey, wrapKey } from '../keyring.ts';
import { newDataKey } from '../sealing.ts';
import { postgresAddress } from './client.ts';
import { LockedSession, type SessionOptions, silently, type Transaction } from './session.ts';

const SCHEMA_VERSION = 1;

// The same tables as in the SQLite file, under names that are apart from the store's.
const SCHEMA = [
  'create table journal_version (version integer not null)',
  'create table journal_key (id text primary key, wrapped bytea not null)',
  `create table journal_schema (
     actor text not null, database text not null, schema text not null, primary key (actor, database))`,
  `create table journal_row (
     actor text not null, database text not null, store text not null, key bytea not null, value bytea not null,
     primary key (actor, database, store, key))`,
  'create table journal_sync_token (actor text primary key, token text not null)',
  `insert into journal_version (version) values (${SCHEMA_VERSION})`,
];

/** A connection that is lost for longer ends the process: its machines wait for what they may not send. Milliseconds. */
const RETRY_LIMIT_MS = 60_000;
const RETRY_PAUSE_MS = 200;

/** Rejects as `openCryptoJournal` does. */
export async function openPostgresJournal(
  url: string,
  master: KeyObject,
  onTakenOver?: SessionOptions['onTakenOver'],
): Promise<OpenCryptoJournal> {
  const address = postgresAddress(url);
  const session = await LockedSession.open({ address, writer: 'journal', onTakenOver });
  try {
    await session.transaction((transaction) => prepareSchema(transaction, address.name, master));
    return new PostgresCryptoJournal(session, master);
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** Makes the tables where there are none; returns whether it did. */
export async function makeJournalTables(transaction: Transaction): Promise<boolean> {
  const made = await rows<{ found: string | null }>(
    transaction.execute("select to_regclass('journal_version')::text as found"),
  );
  if (made[0]?.found) return false;
  for (const statement of SCHEMA) await transaction.execute(statement);
  return true;
}

/** Makes the tables and their check key where there are none, and checks version and key. */
async function prepareSchema(transaction: Transaction, name: string, master: KeyObject): Promise<void> {
  if (await makeJournalTables(transaction)) {
    const wrapped = wrapKey(master, 'check', newDataKey());
    await transaction.execute("insert into journal_key (id, wrapped) values ('check', $1)", [wrapped]);
  }
  const [version] = await rows<{ version: number }>(transaction.execute('select version from journal_version'));
  if ((version?.version ?? 0) > SCHEMA_VERSION) throw newerSchema(name);
  const check = await wrappedKey(transaction, 'check');
  try {
    unwrapKey(master, 'check', check ?? Buffer.alloc(0));
  } catch (error) {
    throw wrongKey(name, error);
  }
}

/** May run more than once: a transaction whose connection was lost is made again. */
type Job = (transaction: Transaction) => Promise<unknown>;

/** See CryptoJournal. Every method fails with BridgeError `store.*`; once `flushed` has rejected, it always does. */
class PostgresCryptoJournal implements OpenCryptoJournal {
  readonly #session: LockedSession;
  readonly #master: KeyObject;
  /** What the next transaction carries, as long as it has not begun. */
  #next: Job[] | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(session: LockedSession, master: KeyObject) {
    this.#session = session;
    this.#master = master;
  }

  exists(actor: ActorId): Promise<boolean> {
    return this.#read(async (transaction) => {
      const found = transaction.execute('select 1 from journal_schema where actor = $1 limit 1', [actor]);
      return (await found).rows.length > 0;
    });
  }

  load(actor: ActorId): Promise<JournalSnapshot> {
    return this.#read(async (transaction) => {
      const [schemas, found] = await Promise.all([
        rows<{ database: string; schema: string }>(transaction.execute(SCHEMAS, [actor])),
        rows<JournalSnapshot['rows'][number]>(transaction.execute(ROWS, [actor])),
      ]);
      return { schemas: new Map(schemas.map(({ database, schema }) => [database, schema])), rows: found };
    });
  }

  append(actor: ActorId, operations: readonly JournalOperation[]): void {
    if (operations.length === 0) return;
    const all = operations.flatMap((operation) => statements(actor, operation));
    this.#later((transaction) => Promise.all(all.map(([sql, ...parameters]) => transaction.execute(sql, parameters))));
  }

  flushed(): Promise<void> {
    return this.#written;
  }

  storeKey(actor: ActorId): Promise<Uint8Array> {
    const id = keyId(actor);
    return this.#read(async (transaction) => {
      const wrapped = await wrappedKey(transaction, id);
      if (wrapped) return unwrapKey(this.#master, id, wrapped).export();
      const key = newDataKey();
      const statement = 'insert into journal_key (id, wrapped) values ($1, $2)';
      await transaction.execute(statement, [id, wrapKey(this.#master, id, key)]);
      return key.export();
    });
  }

  syncToken(actor: ActorId): Promise<string | undefined> {
    return this.#read(async (transaction) => {
      const statement = 'select token from journal_sync_token where actor = $1';
      return (await rows<{ token: string }>(transaction.execute(statement, [actor])))[0]?.token;
    });
  }

  setSyncToken(actor: ActorId, token: string): void {
    const statement = `insert into journal_sync_token (actor, token) values ($1, $2)
       on conflict (actor) do update set token = excluded.token`;
    this.#later((transaction) => transaction.execute(statement, [actor, token]));
  }

  erase(actor: ActorId): void {
    this.#later(async (transaction) => {
      const deleted = transaction.execute('delete from journal_key where id = $1', [keyId(actor)]);
      const tables = ['journal_row', 'journal_schema', 'journal_sync_token'];
      const erased = tables.map((table) => transaction.execute(`delete from ${table} where actor = $1`, [actor]));
      await Promise.all([deleted, ...erased]);
    });
    silently(this.#written.then(() => this.#session.maintain('vacuum journal_key')));
  }

  async close(): Promise<void> {
    await this.#written.catch(() => undefined);
    await this.#session.close();
  }

  #later(job: Job): void {
    if (this.#next) {
      this.#next.push(job);
      return;
    }
    const batch = [job];
    this.#next = batch;
    const written = this.#written.then(() => {
      this.#next = undefined;
      return this.#write(batch);
    });
    this.#written = silently(written);
  }

  async #write(batch: readonly Job[]): Promise<void> {
    // In order: each job has sent all its statements before it returns.
    try {
      await this.#persistently((transaction) => Promise.all(batch.map((job) => job(transaction))));
    } catch (cause) {
      // Final: whatever comes next would overtake it.
      if (!isUnavailable(cause)) throw cause;
      throw new BridgeError('store.journal-lost', 'the crypto journal cannot be written', { cause });
    }
  }

  /** After everything that was appended. */
  async #read<Result>(job: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    await this.#written;
    return this.#persistently(job);
  }

  /** Everything here may be done twice, and the session makes sure that nobody else has written in between. */
  async #persistently<Result>(job: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const deadline = Date.now() + RETRY_LIMIT_MS;
    for (;;) {
      try {
        return await this.#session.transaction(job);
      } catch (error) {
        const passes = error instanceof BridgeError && error.code === 'store.unavailable';
        if (!passes || Date.now() > deadline) throw error;
        await new Promise((done) => setTimeout(done, RETRY_PAUSE_MS));
      }
    }
  }
}

const keyId = (actor: ActorId): string => `actor:${actor}`;

/** The rows are what the statement selects. */
async function rows<Row>(outcome: ReturnType<Transaction['execute']>): Promise<readonly Row[]> {
  return (await outcome).rows as readonly Row[];
}

async function wrappedKey(transaction: Transaction, id: string): Promise<Buffer | undefined> {
  const found = transaction.execute('select wrapped from journal_key where id = $1', [id]);
  return (await rows<{ wrapped: Buffer }>(found))[0]?.wrapped;
}

type Statement = readonly [sql: string, ...parameters: unknown[]];

const SCHEMAS = 'select database, schema from journal_schema where actor = $1';
const ROWS = 'select database, store, key, value from journal_row where actor = $1 order by database, store, key';
const PUT_SCHEMA = `insert into journal_schema (actor, database, schema) values ($1, $2, $3)
  on conflict (actor, database) do update set schema = excluded.schema`;
const PUT = `insert into journal_row (actor, database, store, key, value) values ($1, $2, $3, $4, $5)
  on conflict (actor, database, store, key) do update set value = excluded.value`;
const DELETE = 'delete from journal_row where actor = $1 and database = $2 and store = $3 and key = $4';
const CLEAR = 'delete from journal_row where actor = $1 and database = $2 and store = $3';
const DROP = 'delete from journal_row where actor = $1 and database = $2';
const DROP_SCHEMA = 'delete from journal_schema where actor = $1 and database = $2';

function statements(actor: ActorId, operation: JournalOperation): Statement[] {
  const { database } = operation;
  switch (operation.op) {
    case 'schema':
      return [[PUT_SCHEMA, actor, database, operation.schema]];
    case 'put':
      return [[PUT, actor, database, operation.store, operation.key, operation.value]];
    case 'delete':
      return [[DELETE, actor, database, operation.store, operation.key]];
    case 'clear':
      return [[CLEAR, actor, database, operation.store]];
    case 'drop':
      return [
        [DROP, actor, database],
        [DROP_SCHEMA, actor, database],
      ];
  }
}
