// The provider's signing keys, sealed whole.
import type { SigningKey, SigningKeyStore } from '../model/provider.ts';
import { type Place, sealJson, unsealJson } from './sealing.ts';
import { run, type Steps } from './steps.ts';
import type { Reader } from './unit.ts';

const place = (kid: string): Place => ['signing_key', 'key', kid];

/** `write` hands steps to the one writer. */
export function signingKeyStore(
  { db, bridge }: Pick<Reader, 'db' | 'bridge'>,
  write: (steps: () => Steps) => Promise<void>,
): SigningKeyStore {
  function* put(key: SigningKey): Steps {
    const { kid, createdAt } = key;
    const row = { key: sealJson(bridge, place(kid), key), created_at: createdAt };
    yield* run(
      db
        .insertInto('signing_key')
        .values({ kid, ...row })
        .onConflict((at) => at.column('kid').doUpdateSet(row)),
    );
  }

  function* remove(kid: string): Steps {
    yield* run(db.deleteFrom('signing_key').where('kid', '=', kid));
  }

  return {
    list: async () => {
      const rows = await db.selectFrom('signing_key').selectAll().orderBy('created_at').execute();
      return rows.map(({ kid, key }) => {
        const stored = unsealJson<Omit<SigningKey, 'retireAt'> & { retireAt?: number }>(bridge, place(kid), key);
        return { ...stored, retireAt: stored.retireAt };
      });
    },
    put: (key) => write(() => put(key)),
    remove: (kid) => write(() => remove(kid)),
  };
}
