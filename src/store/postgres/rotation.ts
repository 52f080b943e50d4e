// Rotation of the master key on PostgreSQL: the store's keys and the crypto journal's in one transaction.
import { copying } from '../errors.ts';
import type { Rotation, WrappedKey } from '../rotation.ts';
import { postgresAddress } from './client.ts';
import { LockedSession, type Transaction } from './session.ts';
import { settingOf } from './target.ts';

const TABLES = ['data_key', 'journal_key'] as const;
/** Keys that are on their way to the server at a time. */
const BATCH = 1_000;

export async function rotatePostgres(url: string, rotation: Rotation): Promise<void> {
  const address = postgresAddress(url);
  const session = await LockedSession.open({ address, writer: 'store' });
  try {
    // Written on the store's session; the journal's lock keeps its writer out.
    const journal = await LockedSession.open({ address, writer: 'journal' });
    try {
      const made = await session.transaction((transaction) => rewrapAll(transaction, address.name, rotation));
      // Takes the rows wrapped by the old master key out of the tables' pages.
      for (const table of made) await session.maintain(`vacuum ${table}`);
    } finally {
      await journal.close();
    }
  } finally {
    await session.close();
  }
}

/** Returns the tables that exist. */
async function rewrapAll(transaction: Transaction, name: string, rotation: Rotation): Promise<readonly string[]> {
  const made: string[] = [];
  const found: { readonly table: string; readonly pending: readonly WrappedKey[] }[] = [];
  const exists = async (table: string) =>
    (await transaction.execute('select 1 where to_regclass($1) is not null', [table])).rows.length > 0;
  // The files that it is a copy of keep their key, and may be needed again.
  if ((await exists('setting')) && (await settingOf(transaction, 'copying')) !== undefined) throw copying(name);
  for (const table of TABLES) {
    if (!(await exists(table))) continue;
    const { rows } = await transaction.execute(`select id, wrapped from ${table}`);
    made.push(table);
    // The rows are what the statement selects.
    found.push({ table, pending: rotation.pending(rows as readonly WrappedKey[], name) });
  }
  for (const { table, pending } of found) {
    const update = (key: WrappedKey) =>
      transaction.execute(`update ${table} set wrapped = $1 where id = $2`, [rotation.rewrap(key), key.id]);
    for (let start = 0; start < pending.length; start += BATCH) {
      await Promise.all(pending.slice(start, start + BATCH).map(update));
    }
  }
  return made;
}
