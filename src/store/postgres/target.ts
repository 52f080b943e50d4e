// A PostgreSQL table as the target of a copy.
import { BridgeError } from '../../model/errors.ts';
import type { SourceRow } from '../sqlite/source.ts';
import type { Tables } from '../tables.ts';
import type { Transaction } from './session.ts';

interface Column {
  readonly name: string;
  readonly identity: boolean;
}

export interface TargetTable {
  readonly name: string;
  readonly columns: readonly Column[];
}

const COLUMNS = `select attname as name, attidentity <> '' as identity
  from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`;

/** Rejects with BridgeError `store.not-empty` where there are rows, and with `store.copy` where the columns are not those of the source. */
export async function emptyTable(
  transaction: Transaction,
  name: string,
  columns: readonly string[],
): Promise<TargetTable> {
  const { rows } = await transaction.execute(COLUMNS, [name]);
  // The rows are what the statement selects.
  const found = new Map((rows as readonly Column[]).map((column) => [column.name, column]));
  const matching = columns.flatMap((column) => found.get(column) ?? []);
  if (matching.length !== columns.length || found.size !== columns.length) {
    throw new BridgeError('store.copy', `the table ${name} has other columns on PostgreSQL than in the file`);
  }
  if ((await countRows(transaction, name)) > 0) {
    throw new BridgeError('store.not-empty', `the PostgreSQL database holds rows already (table ${name})`, {
      retry: 'after-action',
    });
  }
  return { name, columns: matching };
}

export async function countRows(transaction: Transaction, name: string): Promise<number> {
  const { rows } = await transaction.execute(`select count(*) as count from "${name}"`);
  const [row] = rows as readonly { readonly count: number }[];
  return row?.count ?? 0;
}

/** Takes everything out of these tables. */
export async function emptyAgain(transaction: Transaction, names: readonly string[]): Promise<void> {
  const list = names.map((name) => `"${name}"`).join(', ');
  await transaction.execute(`truncate ${list} restart identity`);
}

export async function settingOf(
  transaction: Transaction,
  name: Tables['setting']['name'],
): Promise<string | undefined> {
  const { rows } = await transaction.execute('select value from setting where name = $1', [name]);
  const [row] = rows as readonly { readonly value: string }[];
  return row?.value;
}

/** Until this mark is removed, nobody opens the copy. */
export async function markCopying(transaction: Transaction, copy: string): Promise<void> {
  await transaction.execute("insert into setting (name, value) values ('copying', $1)", [copy]);
}

/** Returns whether the mark of this copy stood there. */
export async function unmarkCopying(transaction: Transaction, copy: string): Promise<boolean> {
  const outcome = await transaction.execute("delete from setting where name = 'copying' and value = $1", [copy]);
  return outcome.changes > 0;
}

/** The most rows in one statement: far below 65,535 values. Smaller ones are a half, a quarter of it and so on, so that few are prepared. */
const MOST_ROWS = 128;

export async function insertRows(
  transaction: Transaction,
  table: TargetTable,
  rows: readonly SourceRow[],
): Promise<void> {
  const sent: Promise<unknown>[] = [];
  for (let start = 0, size = MOST_ROWS; start < rows.length; ) {
    while (size > rows.length - start) size /= 2;
    const values = rows.slice(start, start + size).flat();
    sent.push(transaction.execute(insertion(table, size), values));
    start += size;
  }
  await Promise.all(sent);
}

function insertion({ name, columns }: TargetTable, rows: number): string {
  const names = columns.map((column) => `"${column.name}"`).join(', ');
  const row = (index: number) => columns.map((_, column) => `$${index * columns.length + column + 1}`).join(', ');
  const values = Array.from({ length: rows }, (_, index) => `(${row(index)})`).join(', ');
  return `insert into "${name}" (${names}) overriding system value values ${values}`;
}

/** Goes on after the last row id that the source ever gave, though its row be gone. */
export async function continueIds(transaction: Transaction, table: TargetTable, lastId: number): Promise<void> {
  for (const { name, identity } of table.columns) {
    if (!identity || lastId === 0) continue;
    await transaction.execute('select setval(pg_get_serial_sequence($1, $2), $3)', [table.name, name, lastId]);
  }
}
