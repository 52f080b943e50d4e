// The key ring: one data key per account and per contact, one for the bridge, one for lookups, each wrapped by the master key.
import { createSecretKey, type KeyObject } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { AccountId, ContactId } from '../model/ids.ts';
import { gone } from './errors.ts';
import { type DataKey, newDataKey, seal, unseal } from './sealing.ts';
import { first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';

export type KeyId =
  /** Seals nothing: it tells whether a master key fits the file. */
  | 'check'
  /** What belongs to no account or contact. */
  | 'bridge'
  /** Of the hashes in lookup columns; being wrapped itself, it outlives every master key. */
  | 'lookup'
  /** Of the MACs that chain what is on record about consent. */
  | 'ledger'
  /** Of the tags that prove what contacts have written. */
  | 'proof'
  | `account:${AccountId}`
  | `contact:${ContactId}`;

export const accountKey = (account: AccountId): KeyId => `account:${account}`;
export const contactKey = (contact: ContactId): KeyId => `contact:${contact}`;

export function wrapKey(master: KeyObject, id: string, key: KeyObject): Buffer {
  return seal(master, ['data_key', 'wrapped', id], key.export());
}

/** Throws BridgeError `store.sealed` where the master key is another one. */
export function unwrapKey(master: KeyObject, id: string, wrapped: Uint8Array): DataKey {
  return createSecretKey(unseal(master, ['data_key', 'wrapped', id], wrapped));
}

/** Ids in one condition, well below what any database takes. */
const CHUNK = 500;

export class Keyring {
  readonly #db: Kysely<Tables>;
  readonly #master: KeyObject;
  readonly #cache = new Map<KeyId, DataKey>();
  /** Counts erasures, so that a read that was under way does not put an erased key back. */
  #erasures = 0;

  constructor(db: Kysely<Tables>, master: KeyObject) {
    this.#db = db;
    this.#master = master;
  }

  /** Undefined where its owner was erased. */
  async find(id: KeyId): Promise<DataKey | undefined> {
    await this.load([id]);
    return this.cached(id);
  }

  cached(id: KeyId): DataKey | undefined {
    return this.#cache.get(id);
  }

  /** Fetches many keys at once; `cached` has them afterwards. */
  async load(ids: readonly KeyId[]): Promise<void> {
    const missing = ids.filter((id) => !this.#cache.has(id));
    for (let start = 0; start < missing.length; start += CHUNK) {
      const erasures = this.#erasures;
      const rows = await this.#db
        .selectFrom('data_key')
        .select(['id', 'wrapped'])
        .where('id', 'in', missing.slice(start, start + CHUNK))
        .execute();
      if (erasures !== this.#erasures) start -= CHUNK;
      else for (const row of rows) this.#cache.set(row.id, unwrapKey(this.#master, row.id, row.wrapped));
    }
  }

  /** The keys as one commit sees them. They reach the cache when it has succeeded. */
  forCommit(): CommitKeys {
    return new CommitKeys(this.#db, this.#master, this.#cache);
  }

  /** Takes over the keys of a commit that has become durable. */
  adopt(keys: CommitKeys): void {
    for (const [id, key] of keys.changes) {
      if (key) this.#cache.set(id, key);
      else {
        this.#cache.delete(id);
        this.#erasures += 1;
      }
    }
  }
}

export class CommitKeys {
  /** Keys that were made or read; undefined for those destroyed. */
  readonly changes = new Map<KeyId, DataKey | undefined>();
  readonly #db: Kysely<Tables>;
  readonly #master: KeyObject;
  readonly #cache: ReadonlyMap<KeyId, DataKey>;

  constructor(db: Kysely<Tables>, master: KeyObject, cache: ReadonlyMap<KeyId, DataKey>) {
    this.#db = db;
    this.#master = master;
    this.#cache = cache;
  }

  get destroyed(): boolean {
    return [...this.changes.values()].includes(undefined);
  }

  /** Throws BridgeError `store.gone` where its owner was erased. */
  *get(id: KeyId): Steps<DataKey> {
    const known = this.changes.has(id) ? this.changes.get(id) : this.#cache.get(id);
    if (known) return known;
    const row = yield* first(this.#db.selectFrom('data_key').select('wrapped').where('id', '=', id));
    if (!row) throw gone('the owner of a data key');
    const key = unwrapKey(this.#master, id, row.wrapped);
    this.changes.set(id, key);
    return key;
  }

  /** Makes a key and stores it. Throws BridgeError `store.conflict` where there is one. */
  *create(id: KeyId): Steps<DataKey> {
    const key = newDataKey();
    yield* run(this.#db.insertInto('data_key').values({ id, wrapped: wrapKey(this.#master, id, key) }));
    this.changes.set(id, key);
    return key;
  }

  *destroy(id: KeyId): Steps {
    yield* mustChange(this.#db.deleteFrom('data_key').where('id', '=', id), 'the owner of a data key');
    this.changes.set(id, undefined);
  }
}
