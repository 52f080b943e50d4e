// Rotation of the master key: every data key is wrapped anew. What they seal stays as it is.
import { createSecretKey, type KeyObject } from 'node:crypto';
import { wrongKey } from './errors.ts';
import { unwrapKey, wrapKey } from './keyring.ts';
import { rotatePostgres } from './postgres/rotation.ts';
import { rotateFiles } from './sqlite/rotation.ts';

/** Of one installation: the store's file and the crypto journal's, or one PostgreSQL database. */
export type RotatedDatabase = { readonly files: readonly string[] } | { readonly postgres: string };

/**
 * Rewraps the keys of a database, which no process may have open. Each file, or the PostgreSQL database, changes in one transaction and
 * carries its own key check, so an interrupted rotation is finished by running it again with the same two keys: what has the new key
 * already is left alone. Keep both keys until it has resolved. A file that does not exist is skipped.
 *
 * Rejects with BridgeError `store.wrong-key` where neither key fits, before anything is changed, with `store.moved` or `store.copying` where
 * the files were copied elsewhere or a copy to here was not finished, and with `store.locked` where one is in use.
 */
export async function rotateMasterKey(
  database: RotatedDatabase,
  oldKey: Uint8Array,
  newKey: Uint8Array,
): Promise<void> {
  const rotation = new Rotation(createSecretKey(oldKey), createSecretKey(newKey));
  if ('files' in database) rotateFiles(database.files, rotation);
  else await rotatePostgres(database.postgres, rotation);
}

export interface WrappedKey {
  readonly id: string;
  readonly wrapped: Buffer;
}

export class Rotation {
  readonly #old: KeyObject;
  readonly #next: KeyObject;

  constructor(old: KeyObject, next: KeyObject) {
    this.#old = old;
    this.#next = next;
  }

  /** The keys that are still wrapped by the old master key: all of a table's or none. `name` is for the error. */
  pending(keys: readonly WrappedKey[], name: string): readonly WrappedKey[] {
    const check = keys.find(({ id }) => id === 'check');
    if (!check || fits(this.#next, check)) return [];
    if (!fits(this.#old, check)) throw wrongKey(name);
    return keys;
  }

  rewrap({ id, wrapped }: WrappedKey): Buffer {
    return wrapKey(this.#next, id, unwrapKey(this.#old, id, wrapped));
  }
}

function fits(master: KeyObject, { id, wrapped }: WrappedKey): boolean {
  try {
    unwrapKey(master, id, wrapped);
    return true;
  } catch {
    return false;
  }
}
