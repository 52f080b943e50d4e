// What our media host keeps. Only ciphertext has a record here: a name, a size and a time.
import type { Selectable } from 'kysely';
import type { HostedFile, HostedFiles, HostedName } from '../model/media.ts';
import { run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader } from './unit.ts';

/** `write` hands steps to the one writer. */
export function hostedFiles({ db }: Pick<Reader, 'db'>, write: (steps: () => Steps) => Promise<void>): HostedFiles {
  function* put({ name, account, size, expiresAt }: HostedFile): Steps {
    const row = { account, size, expires_at: expiresAt };
    yield* run(
      db
        .insertInto('hosted_file')
        .values({ name, ...row })
        .onConflict((at) => at.column('name').doUpdateSet(row)),
    );
  }

  function* remove(name: HostedName): Steps {
    yield* run(db.deleteFrom('hosted_file').where('name', '=', name));
  }

  const select = db.selectFrom('hosted_file').selectAll();
  return {
    find: async (name) => {
      // What belongs to a paused account is not served.
      const working = db.selectFrom('account').select('id').where('paused', 'is', null);
      const row = await select.where('name', '=', name).where('account', 'in', working).executeTakeFirst();
      return row && toHostedFile(row);
    },
    put: (file) => write(() => put(file)),
    remove: (name) => write(() => remove(name)),
    total: async () => {
      const sum = db.selectFrom('hosted_file').select(({ fn }) => fn.sum('size').as('bytes'));
      // Dialects disagree on the type of a sum, and none is made of no rows.
      return Number((await sum.executeTakeFirst())?.bytes ?? 0);
    },
    expired: async (now, limit) => {
      const rows = await select.where('expires_at', '<=', now).orderBy('expires_at').limit(limit).execute();
      return rows.map(toHostedFile);
    },
    known: async (names) => {
      if (names.length === 0) return new Set();
      const rows = await db.selectFrom('hosted_file').select('name').where('name', 'in', names).execute();
      return new Set(rows.map(({ name }) => name));
    },
  };
}

export function toHostedFile({ name, account, size, expires_at }: Selectable<Tables['hosted_file']>): HostedFile {
  return { name, account, size, expiresAt: expires_at };
}
