// Moves an installation from its two SQLite files into an empty PostgreSQL database: row by row, sealed as it is; one of both sides can be used, never both.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { BridgeError } from '../model/errors.ts';
import { passed } from '../observability/fail-points.ts';
import { openCryptoJournal } from './crypto-journal.ts';
import { inspectSchema } from './migrate.ts';
import { openStore } from './open-store.ts';
import { postgresAddress } from './postgres/client.ts';
import { makeJournalTables } from './postgres/crypto-journal.ts';
import { openPostgres } from './postgres/database.ts';
import { LockedSession, type Transaction } from './postgres/session.ts';
import {
  continueIds,
  countRows,
  emptyAgain,
  emptyTable,
  insertRows,
  markCopying,
  settingOf,
  unmarkCopying,
} from './postgres/target.ts';
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

export interface Copy {
  /** `again`: what an earlier copy had not finished was replaced. `finished`: an earlier one was complete, only the last step was missing. */
  readonly outcome: 'copied' | 'again' | 'finished';
  /** None where an earlier copy was finished. */
  readonly tables: readonly CopiedTable[];
}

/** Rows, and bytes of them, in one statement. */
const BATCH_ROWS = 500;
const BATCH_BYTES = 1 << 20;

/** The journal's file and the store's both have a table of keys. */
const JOURNAL_TABLES: Readonly<Record<string, string>> = { data_key: 'journal_key', sync_token: 'journal_sync_token' };

/** A file, and what its tables are called on PostgreSQL. */
interface NamedSource {
  readonly source: CopySource;
  readonly targetName: (table: string) => string;
}

/**
 * Copies everything in one transaction, marks the files as moved, so that no bridge goes on with them, and only then lets the copy be used.
 * Run again, it finishes what it had begun. Rejects with BridgeError `store.not-empty`, `store.locked` (either side is in use), `store.moved`
 * (it was copied before), `store.wrong-key`, or `store.copy` where the two sides do not agree or the files cannot be marked.
 */
export async function copyToPostgres(options: CopyOptions): Promise<Copy> {
  const { postgres, masterKey } = options;
  const moved = await bringUpToDate(options);
  const closing: (() => void | Promise<void>)[] = [];
  let copy: Copy;
  try {
    const store = new CopySource(options.sqlite);
    closing.push(() => store.close());
    const journal = new CopySource(options.crypto);
    closing.push(() => journal.close());
    const target = await prepareTarget(postgres);
    closing.push(target.close);
    copy = moved ? await finish(target.session, store, moved) : await copyAll(target.session, store, journal, options);
  } finally {
    for (const close of closing.reverse()) await close();
  }
  // That it opens with this key is the last thing to know.
  const clock = { now: () => Date.now() };
  await (await openStore({ postgres, masterKey, clock })).close();
  await (await openCryptoJournal({ postgres, masterKey })).close();
  return copy;
}

/** Brings the files to this version's schema, which the target has, and checks that the key fits. Returns the error of files that were moved. */
async function bringUpToDate({ sqlite, crypto, masterKey }: CopyOptions): Promise<BridgeError | undefined> {
  for (const path of [sqlite, crypto]) {
    if (existsSync(path)) continue;
    throw new BridgeError('store.copy', `${path}: there is no such file`, { retry: 'after-action' });
  }
  const clock = { now: () => Date.now() };
  try {
    await (await openStore({ path: sqlite, masterKey, clock })).close();
  } catch (error) {
    if (error instanceof BridgeError && error.code === 'store.moved') return error;
    throw error;
  }
  await (await openCryptoJournal({ path: crypto, masterKey })).close();
  return undefined;
}

async function copyAll(
  session: LockedSession,
  store: CopySource,
  journal: CopySource,
  options: CopyOptions,
): Promise<Copy> {
  const { name } = postgresAddress(options.postgres);
  const id = randomUUID();
  const sources: readonly NamedSource[] = [
    { source: store, targetName: (table) => table },
    { source: journal, targetName: (table) => JOURNAL_TABLES[table] ?? table },
  ];
  const copy = await session.transaction(async (transaction): Promise<Copy> => {
    await makeJournalTables(transaction);
    const outcome = (await emptied(transaction, store, sources, name)) ? 'again' : 'copied';
    const tables: CopiedTable[] = [];
    for (const each of sources) tables.push(...(await copyFile(transaction, each, options)));
    // As long as the files are not marked, a bridge may go on with them: then this must never be used.
    await markCopying(transaction, id);
    return { outcome, tables };
  });
  passed('copy-committed');
  try {
    store.markMoved(name, id);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unknown';
    const text = `everything is copied, but ${options.sqlite} cannot be marked as moved: ${reason}. So the copy is not used, and the bridge may go on with the files. Make room, and run "db copy" again`;
    throw new BridgeError('store.copy', text, { retry: 'after-action', cause });
  }
  passed('copy-marked');
  await session.transaction((transaction) => unmarkCopying(transaction, id));
  return copy;
}

/** The files are marked: if it was by a copy to this target that got no further, all that is left is to let it be used. */
async function finish(session: LockedSession, store: CopySource, moved: BridgeError): Promise<Copy> {
  const id = store.setting('moved-as');
  const found = id !== undefined && (await session.transaction((transaction) => unmarkCopying(transaction, id)));
  if (!found) throw moved;
  return { outcome: 'finished', tables: [] };
}

/** Takes away what an earlier copy of the same installation had not finished, which nobody has used; returns whether there was one. */
async function emptied(
  transaction: Transaction,
  store: CopySource,
  sources: readonly NamedSource[],
  name: string,
): Promise<boolean> {
  if ((await settingOf(transaction, 'copying')) === undefined) return false;
  if ((await settingOf(transaction, 'instance')) !== store.setting('instance')) {
    const text = `${name} holds a copy of another installation that "db copy" has not finished: finish that one with its own files, or make an empty database`;
    throw new BridgeError('store.not-empty', text, { retry: 'after-action' });
  }
  const names = sources.flatMap(({ source, targetName }) => source.tables().map((table) => targetName(table.name)));
  await emptyAgain(transaction, names);
  return true;
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
  { source, targetName }: NamedSource,
  { onProgress }: CopyOptions,
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
