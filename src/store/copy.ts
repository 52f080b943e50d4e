// Moves an installation from its two SQLite files into an empty PostgreSQL database: row by row, sealed as it is, all or nothing.
import { existsSync } from 'node:fs';
import { BridgeError } from '../model/errors.ts';
import { openCryptoJournal } from './crypto-journal.ts';
import { inspectSchema } from './migrate.ts';
import { openStore } from './open-store.ts';
import { postgresAddress } from './postgres/client.ts';
import { makeJournalTables } from './postgres/crypto-journal.ts';
import { openPostgres } from './postgres/database.ts';
import { LockedSession, type Transaction } from './postgres/session.ts';
import { continueIds, countRows, emptyTable, insertRows } from './postgres/target.ts';
import { CopySource, type SourceRow, type SourceTable } from './sqlite/source.ts';

export interface CopyOptions {
  /** The store's file and the crypto journal's. No process may use them. */
  readonly sqlite: string;
  readonly crypto: string;
  readonly postgres: string;
  readonly masterKey: Uint8Array;
  /** Called now and then while a table is copied. */
  readonly onProgress?: (table: string, rows: number, of: number) => void;
}

export interface CopiedTable {
  readonly table: string;
  /** As many as in the file, counted in the target after the copy. */
  readonly rows: number;
}

/** Rows, and bytes of them, in one statement. */
const BATCH_ROWS = 500;
const BATCH_BYTES = 1 << 20;

/** The journal's file and the store's both have a table of keys. */
const JOURNAL_TABLES: Readonly<Record<string, string>> = { data_key: 'journal_key', sync_token: 'journal_sync_token' };

/**
 * Copies everything in one transaction and marks the files as moved, so that no bridge goes on with them. Rejects with BridgeError
 * `store.not-empty`, `store.locked` (either side is in use), `store.moved` (it was copied before), `store.wrong-key`, or `store.copy`
 * where the two sides do not agree; then nothing was copied.
 */
export async function copyToPostgres(options: CopyOptions): Promise<readonly CopiedTable[]> {
  const { sqlite, crypto, postgres, masterKey } = options;
  await bringUpToDate(options);
  const closing: (() => void | Promise<void>)[] = [];
  let copied: readonly CopiedTable[];
  try {
    const store = new CopySource(sqlite);
    closing.push(() => store.close());
    const journal = new CopySource(crypto);
    closing.push(() => journal.close());
    const target = await prepareTarget(postgres);
    closing.push(target.close);
    copied = await target.session.transaction(async (transaction) => {
      await makeJournalTables(transaction);
      return [
        ...(await copyFile(transaction, store, options, (name) => name)),
        ...(await copyFile(transaction, journal, options, (name) => JOURNAL_TABLES[name] ?? name)),
      ];
    });
    store.markMoved(postgresAddress(postgres).name);
  } finally {
    for (const close of closing.reverse()) await close();
  }
  // That it opens with this key is the last thing to know.
  const clock = { now: () => Date.now() };
  await (await openStore({ postgres, masterKey, clock })).close();
  await (await openCryptoJournal({ postgres, masterKey })).close();
  return copied;
}

/** Brings the files to this version's schema, which the target has, and checks that the key fits. */
async function bringUpToDate({ sqlite, crypto, masterKey }: CopyOptions): Promise<void> {
  for (const path of [sqlite, crypto]) {
    if (existsSync(path)) continue;
    throw new BridgeError('store.copy', `${path}: there is no such file`, { retry: 'after-action' });
  }
  const clock = { now: () => Date.now() };
  await (await openStore({ path: sqlite, masterKey, clock })).close();
  await (await openCryptoJournal({ path: crypto, masterKey })).close();
}

/** The tables of the store, empty, and a session that holds both locks. */
async function prepareTarget(url: string) {
  const database = await openPostgres(url);
  try {
    await inspectSchema(database);
    await database.migrate();
  } finally {
    await database.close();
  }
  const address = postgresAddress(url);
  const session = await LockedSession.open({ address, writer: 'store' });
  try {
    const journal = await LockedSession.open({ address, writer: 'journal' });
    const close = async (): Promise<void> => {
      await journal.close();
      await session.close();
    };
    return { session, close };
  } catch (error) {
    await session.close();
    throw error;
  }
}

async function copyFile(
  transaction: Transaction,
  source: CopySource,
  { onProgress }: CopyOptions,
  targetName: (name: string) => string,
): Promise<readonly CopiedTable[]> {
  const copied: CopiedTable[] = [];
  for (const table of source.tables()) {
    const target = await emptyTable(transaction, targetName(table.name), table.columns);
    let rows = 0;
    for (const batch of batches(source.rows(table))) {
      await insertRows(transaction, target, batch);
      rows += batch.length;
      onProgress?.(target.name, rows, table.rows);
    }
    await continueIds(transaction, target, table.lastId);
    await verify(transaction, table, target.name);
    copied.push({ table: target.name, rows });
  }
  return copied;
}

async function verify(transaction: Transaction, table: SourceTable, target: string): Promise<void> {
  const rows = await countRows(transaction, target);
  if (rows === table.rows) return;
  throw new BridgeError('store.copy', `${target} has ${rows} rows on PostgreSQL and ${table.rows} in the file`);
}

function* batches(rows: Iterable<SourceRow>): Generator<readonly SourceRow[]> {
  let batch: SourceRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    batch.push(row);
    for (const value of row) bytes += typeof value === 'object' ? (value?.length ?? 0) : 16;
    if (batch.length < BATCH_ROWS && bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
