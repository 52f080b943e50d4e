// Blocks: what is blocked is found by a keyed hash; what the user calls it is sealed.
import type { Block, BlockPattern } from '../model/block.ts';
import type { AccountId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';
import { accountKey } from './keyring.ts';
import { type DataKey, lookupHash, type Place, seal, unsealText } from './sealing.ts';
import { mustChange, run, type Steps } from './steps.ts';
import type { Reader, Unit } from './unit.ts';

const labelPlace = (id: string): Place => ['block', 'label', id];
const hashOf = (lookup: DataKey, account: AccountId, pattern: BlockPattern): Buffer =>
  lookupHash(lookup, 'block_pattern', account, pattern);

export function* addBlock(
  { db, keys, lookup }: Unit,
  account: AccountId,
  { id, label, createdAt }: Block,
  patterns: readonly BlockPattern[],
): Steps {
  const sealed = seal(yield* keys.get(accountKey(account)), labelPlace(id), label);
  yield* run(db.insertInto('block').values({ id, account, label: sealed, created_at: createdAt }));
  for (const pattern of patterns) {
    const row = { account, hash: hashOf(lookup, account, pattern), block: id };
    yield* run(
      db
        .insertInto('block_pattern')
        .values(row)
        .onConflict((at) => at.doNothing()),
    );
  }
}

export function* removeBlock({ db }: Unit, account: AccountId, id: string): Steps {
  yield* mustChange(db.deleteFrom('block').where('account', '=', account).where('id', '=', id), 'the block');
}

export function blockReads({ db, keys, lookup }: Reader): Store['blocks'] {
  return {
    list: async (account) => {
      const blocks = db.selectFrom('block').selectAll().where('account', '=', account);
      const rows = await blocks.orderBy('created_at').orderBy('id').execute();
      const key = await keys.find(accountKey(account));
      if (key === undefined) return [];
      return rows.map(({ id, label, created_at }) => ({
        id,
        label: unsealText(key, labelPlace(id), label),
        createdAt: created_at,
      }));
    },
    matching: async (account, patterns) => {
      if (patterns.length === 0) return [];
      const rows = await db
        .selectFrom('block_pattern')
        .select('block')
        .where('account', '=', account)
        .where(
          'hash',
          'in',
          patterns.map((pattern) => hashOf(lookup, account, pattern)),
        )
        .execute();
      return [...new Set(rows.map(({ block }) => block))];
    },
  };
}
