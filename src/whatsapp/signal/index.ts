// The Signal port on libsignal 0.23.1: sessions under locks, the account's own keys, safety numbers.
import { Fingerprint } from '@signalapp/libsignal-client';
import type { Clock } from '../../model/clock.ts';
import { BridgeError } from '../../model/errors.ts';
import type { AccountId } from '../../model/ids.ts';
import { Serial } from '../../model/serial.ts';
import type { PeerDevice, Signal, SignalIdentity, SignalReads, SignalWork } from '../../model/signal.ts';
import {
  freeKeyId,
  isWhole,
  makeIdentity,
  makePreKeys,
  makeSignedPreKey,
  publicKey,
  publicKeys,
  publicSignedPreKey,
} from './keys.ts';
import { claimedIdentity, peerKey, UnitOfWork } from './work.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Signal's numeric fingerprint: version 2, 5200 hash iterations. */
const FINGERPRINT_ITERATIONS = 5200;
const FINGERPRINT_VERSION = 2;

export interface SignalOptions {
  readonly reads: SignalReads;
  readonly clock: Clock;
  /** How long a signed pre-key is handed out, in milliseconds. Default 30 days. */
  readonly rotateSignedPreKeyAfterMs?: number;
  /** How long a replaced signed pre-key still opens late messages, in milliseconds. Default 30 days. */
  readonly keepSignedPreKeyMs?: number;
}

export function createSignal(options: SignalOptions): Signal {
  const { reads, clock } = options;
  const rotateAfterMs = options.rotateSignedPreKeyAfterMs ?? 30 * DAY_MS;
  const keepMs = options.keepSignedPreKeyMs ?? 30 * DAY_MS;
  const locks = new Serial<string>();

  const identityOf = async (account: AccountId): Promise<SignalIdentity> => {
    const identity = await reads.identity(account);
    if (identity === undefined) throw new BridgeError('signal.no-identity', 'the account has no Signal identity');
    return identity;
  };

  return {
    exclusively<Result>(peers: readonly PeerDevice[], work: (unit: SignalWork) => Promise<Result>): Promise<Result> {
      // Everyone takes the locks in the same order, so nobody waits in a circle.
      const keys = [...new Set(peers.map(peerKey))].sort();
      const take = (from: number): Promise<Result> => {
        const key = keys[from];
        return key === undefined ? work(new UnitOfWork(reads, new Set(keys))) : locks.run(key, () => take(from + 1));
      };
      return take(0);
    },

    claimedIdentity,

    createIdentity(account, count) {
      const { preKeys, identity } = makePreKeys(makeIdentity(), count);
      const signedPreKey = makeSignedPreKey(identity, 1, clock.now());
      return {
        keys: publicKeys(identity, signedPreKey, preKeys),
        changes: [
          { change: 'signal.identity', account, identity },
          { change: 'signal.signed-pre-key', account, key: signedPreKey },
          { change: 'signal.pre-keys', account, keys: preKeys },
        ],
      };
    },

    async createPreKeys(account, count) {
      const { preKeys, identity } = makePreKeys(await identityOf(account), count);
      const kept = await reads.signedPreKeys(account);
      const current = kept.find(isWhole);
      const signedPreKey = current ?? makeSignedPreKey(identity, freeKeyId(kept), clock.now());
      return {
        keys: publicKeys(identity, signedPreKey, preKeys),
        changes: [
          { change: 'signal.identity', account, identity },
          { change: 'signal.pre-keys', account, keys: preKeys },
          ...(current === undefined ? [{ change: 'signal.signed-pre-key', account, key: signedPreKey } as const] : []),
        ],
      };
    },

    async rotateSignedPreKey(account) {
      const now = clock.now();
      const kept = await reads.signedPreKeys(account);
      const current = kept.find(isWhole);
      if (current !== undefined && now - current.createdAt < rotateAfterMs) return undefined;
      const key = makeSignedPreKey(await identityOf(account), freeKeyId(kept), now);
      const expired = kept.filter((each, i) => {
        const replacedBy = kept[i - 1];
        // In the place of a damaged one it has been handed out until now.
        return each !== current && replacedBy !== undefined && now - replacedBy.createdAt >= keepMs;
      });
      return {
        key: publicSignedPreKey(key),
        changes: [
          { change: 'signal.signed-pre-key', account, key },
          ...expired.map(({ id }) => ({ change: 'signal.signed-pre-key-expired', account, id }) as const),
        ],
      };
    },

    safetyNumber(ownId, ownKey, peerId, peerKeyBytes) {
      const fingerprint = Fingerprint.new(
        FINGERPRINT_ITERATIONS,
        FINGERPRINT_VERSION,
        Buffer.from(ownId),
        publicKey(ownKey),
        Buffer.from(peerId),
        publicKey(peerKeyBytes),
      );
      return {
        digits: fingerprint.displayableFingerprint().toString(),
        scannable: fingerprint.scannableFingerprint().toBuffer(),
      };
    },
  };
}
