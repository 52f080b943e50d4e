// A phone's Signal sessions: starting one from a bundle (X3DH), encrypting and decrypting, padding.
import { randomInt } from 'node:crypto';
import {
  CiphertextMessageType,
  ErrorCode,
  Fingerprint,
  LibSignalErrorBase,
  PreKeyBundle,
  PreKeySignalMessage,
  ProtocolAddress,
  processPreKeyBundle,
  type ScannableFingerprint,
  SignalMessage,
  signalDecrypt,
  signalDecryptPreKey,
  signalEncrypt,
} from '@signalapp/libsignal-client';
import type { UserJid } from '../model/jid.ts';
import { PhoneSignalStores } from './phone-signal-store.ts';
import { type Bundle, publicKey } from './pre-keys.ts';
import type { State } from './state.ts';

export interface Ciphertext {
  readonly type: 'pkmsg' | 'msg';
  readonly bytes: Uint8Array;
}

export type Decryption =
  | { readonly outcome: 'plaintext'; readonly plaintext: Uint8Array }
  | { readonly outcome: 'duplicate' }
  | { readonly outcome: 'failed'; readonly hadSession: boolean };

const MAX_PADDING = 16;

/** Operations against an overlay; `commit` belongs into the transaction of what they led to. */
export class PhoneSessions {
  readonly #stores: PhoneSignalStores;

  constructor(state: State, account: number) {
    this.#stores = new PhoneSignalStores(state, account);
  }

  async has(peer: UserJid): Promise<boolean> {
    return (await this.#stores.sessions.getSession(addressOf(peer)))?.hasCurrentState() ?? false;
  }

  /** Replaces an earlier session. Throws for a bundle whose signature does not hold. */
  async start(peer: UserJid, bundle: Bundle): Promise<void> {
    const { registrationId, identityKey, signedPreKey, preKey } = bundle;
    const native = PreKeyBundle.new(
      registrationId,
      peer.device,
      preKey?.id ?? null,
      preKey ? publicKey(preKey.publicKey) : null,
      signedPreKey.id,
      publicKey(signedPreKey.publicKey),
      Buffer.from(signedPreKey.signature),
      publicKey(identityKey),
    );
    await processPreKeyBundle(native, addressOf(peer), this.#stores.sessions, this.#stores.identities);
  }

  /** Drops the sessions with all devices of this user, so that the next message starts anew. */
  forgetUser(peer: UserJid): void {
    this.#stores.sessions.forgetName(addressOf(peer).name());
  }

  async encrypt(peer: UserJid, plaintext: Uint8Array): Promise<Ciphertext> {
    const padding = randomInt(1, MAX_PADDING + 1);
    const padded = Buffer.concat([plaintext, Buffer.alloc(padding, padding)]);
    const { sessions, identities } = this.#stores;
    const encrypted = await signalEncrypt(padded, addressOf(peer), sessions, identities);
    const type = encrypted.type() === CiphertextMessageType.PreKey ? 'pkmsg' : 'msg';
    return { type, bytes: encrypted.serialize() };
  }

  async decrypt(peer: UserJid, { type, bytes }: Ciphertext): Promise<Decryption> {
    const { sessions, identities, preKeys, signedPreKeys } = this.#stores;
    const address = addressOf(peer);
    const hadSession = await this.has(peer);
    try {
      const buffer = Buffer.from(bytes);
      const padded =
        type === 'pkmsg'
          ? await signalDecryptPreKey(
              PreKeySignalMessage.deserialize(buffer),
              address,
              sessions,
              identities,
              preKeys,
              signedPreKeys,
            )
          : await signalDecrypt(SignalMessage.deserialize(buffer), address, sessions, identities);
      const plaintext = withoutPadding(padded);
      return plaintext ? { outcome: 'plaintext', plaintext } : { outcome: 'failed', hadSession };
    } catch (error) {
      const duplicate = error instanceof LibSignalErrorBase && error.code === ErrorCode.DuplicatedMessage;
      return duplicate ? { outcome: 'duplicate' } : { outcome: 'failed', hadSession };
    }
  }

  /** The peer's identity key as this phone knows it, 32 bytes. */
  async identityOf(peer: UserJid): Promise<Uint8Array | undefined> {
    return (await this.#stores.identities.getIdentity(addressOf(peer)))?.getPublicKeyBytes();
  }

  commit(): void {
    this.#stores.commit();
  }
}

/** What two people compare: Signal's fingerprint, version 2, 5200 iterations, as 60 digits and as a scanner compares it. */
export function safetyNumber(
  own: { readonly identifier: string; readonly key: Uint8Array },
  peer: { readonly identifier: string; readonly key: Uint8Array },
): { readonly digits: string; readonly scannable: ScannableFingerprint } {
  const [id, peerId] = [Buffer.from(own.identifier), Buffer.from(peer.identifier)];
  const both = Fingerprint.new(5200, 2, id, publicKey(own.key), peerId, publicKey(peer.key));
  return { digits: both.displayableFingerprint().toString(), scannable: both.scannableFingerprint() };
}

const addressOf = (peer: UserJid): ProtocolAddress => ProtocolAddress.new(`${peer.user}_${peer.kind}`, peer.device);

/** The last byte says how many bytes of padding there are, all of the same value. */
function withoutPadding(padded: Uint8Array): Uint8Array | undefined {
  const count = padded.at(-1) ?? 0;
  if (count === 0 || count > padded.length) return undefined;
  const end = padded.length - count;
  return padded.subarray(end).every((byte) => byte === count) ? padded.subarray(0, end) : undefined;
}
