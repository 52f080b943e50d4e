// An account's own keys at the network: one-time pre-keys where it has few left, and the signed pre-key of the time.
import type { AccountId } from '../model/ids.ts';
import type { InteropClient } from '../model/interop.ts';
import { Serial } from '../model/serial.ts';
import type { PublicKeys } from '../model/signal.ts';
import { passed } from '../observability/fail-points.ts';
import type { BridgeContext } from './context.ts';
import { initialPreKeys } from './enlistments.ts';

type PreKeys = PublicKeys['preKeys'];

export class OwnKeys {
  readonly #context: Pick<BridgeContext, 'store' | 'signal'>;
  readonly #order = new Serial<AccountId>();
  /** Committed, and not known to be at the network. At most one batch of each account. */
  readonly #batches = new Map<AccountId, PreKeys>();
  /** Which signed pre-key the network has been given since this process started. */
  readonly #signed = new Map<AccountId, number>();

  constructor(context: Pick<BridgeContext, 'store' | 'signal'>) {
    this.#context = context;
  }

  /** Pre-keys of one account are made one batch at a time: two batches at once would hand out the same ids. */
  run<Result>(account: AccountId, task: () => Promise<Result>): Promise<Result> {
    return this.#order.run(account, task);
  }

  /** Uploads more one-time pre-keys; after a try that failed the same ones: a network that takes none must not fill our database. */
  replenish(account: AccountId, client: Pick<InteropClient, 'uploadPreKeys'>): Promise<void> {
    return this.run(account, async () => {
      const { store, signal } = this.#context;
      const again = await this.#notUploaded(account);
      // Also asked where none are made: the signed pre-key may have been rotated since.
      const { keys, changes } = await signal.createPreKeys(account, again === undefined ? initialPreKeys : 0);
      await store.commit(changes);
      const preKeys = again ?? keys.preKeys;
      this.#batches.set(account, preKeys);
      if (again === undefined) passed('K1-keys-committed');
      await client.uploadPreKeys({ ...keys, preKeys });
      this.#batches.delete(account);
      passed('K2-keys-uploaded');
    });
  }

  /** Rotates the signed pre-key when it is due, and makes sure that the network has the current one, whatever an earlier try came to. */
  rotate(account: AccountId, client: Pick<InteropClient, 'uploadSignedPreKey'>): Promise<void> {
    return this.run(account, async () => {
      const { store, signal } = this.#context;
      const rotated = await signal.rotateSignedPreKey(account);
      if (rotated !== undefined) await store.commit(rotated.changes);
      const { signedPreKey } = (await signal.createPreKeys(account, 0)).keys;
      if (this.#signed.get(account) === signedPreKey.id) return;
      await client.uploadSignedPreKey(signedPreKey);
      this.#signed.set(account, signedPreKey.id);
    });
  }

  /** Where one of them has been used, the network has had them all, and only its answer was lost. */
  async #notUploaded(account: AccountId): Promise<PreKeys | undefined> {
    const batch = this.#batches.get(account);
    const kept = await Promise.all((batch ?? []).map(({ id }) => this.#context.store.signal.preKey(account, id)));
    return kept.every((key) => key !== undefined) ? batch : undefined;
  }
}
