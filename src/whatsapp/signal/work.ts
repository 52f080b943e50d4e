// The unit of work: Signal operations against an overlay over committed state, and the trust decisions that go with them.
// Trust on first use, then pinned; a different key is recorded as seen and stops everything outgoing until it is acknowledged.
import {
  CiphertextMessageType,
  ErrorCode,
  LibSignalErrorBase,
  PreKeyBundle as NativeBundle,
  PreKeySignalMessage,
  ProtocolAddress,
  processPreKeyBundle,
  SignalMessage,
  signalDecrypt,
  signalDecryptPreKey,
  signalEncrypt,
} from '@signalapp/libsignal-client';
import { BridgeError } from '../../model/errors.ts';
import type { AccountId } from '../../model/ids.ts';
import { Serial } from '../../model/serial.ts';
import type {
  PeerDevice,
  PreKeyBundle,
  SessionStart,
  SignalChange,
  SignalCiphertext,
  SignalDecryption,
  SignalIdentity,
  SignalReads,
  SignalWork,
} from '../../model/signal.ts';
import type { PeerTrust } from '../../model/trust.ts';
import { invalidBundle, publicKey, sameKey } from './keys.ts';
import { Operation, type OperationInput } from './operation.ts';
import { pad, unpad } from './padding.ts';
import { identityInMessage, remoteIdentityOf } from './session-record.ts';

export function peerKey(peer: PeerDevice): string {
  return `${peer.account}/${peer.contact}/${peer.device}`;
}

export class UnitOfWork implements SignalWork {
  readonly #reads: SignalReads;
  readonly #held: ReadonlySet<string>;
  /** As they were when this unit first asked for them: nobody else writes them while it holds them. */
  readonly #read = new Map<string, Uint8Array | undefined>();
  readonly #sessions = new Map<string, { readonly peer: PeerDevice; readonly record: Uint8Array | undefined }>();
  readonly #trusts = new Map<string, { readonly peer: PeerDevice; readonly trust: PeerTrust }>();
  readonly #used = new Map<string, { readonly account: AccountId; readonly id: number }>();
  readonly #order = new Serial<'unit'>();

  /** `held`: the keys of the sessions that this unit may touch. */
  constructor(reads: SignalReads, held: ReadonlySet<string>) {
    this.#reads = reads;
    this.#held = held;
  }

  decrypt(peer: PeerDevice, ciphertext: SignalCiphertext): Promise<SignalDecryption> {
    return this.#exclusively(peer, async () => {
      const message = parse(ciphertext);
      if (message === undefined) return { outcome: 'failed', code: 'signal.malformed', noSession: false };
      const input = await this.#input(peer, message);
      if (input.session === undefined && message instanceof SignalMessage) {
        return { outcome: 'failed', code: 'signal.no-session', noSession: true };
      }
      const operation = new Operation(input);
      let plaintext: Uint8Array;
      try {
        plaintext = unpad(await decryptWith(operation, message, addressOf(peer)));
      } catch (error) {
        return failure(error, input, message);
      }
      this.#keep(peer, operation);
      const identity = operation.session && remoteIdentityOf(operation.session);
      if (identity === undefined) throw new BridgeError('signal.no-identity', 'a session without an identity key');
      return { outcome: 'plaintext', plaintext, identityChanged: (await this.#observe(peer, identity)) === 'changed' };
    });
  }

  hasSession(peer: PeerDevice): Promise<boolean> {
    return this.#exclusively(peer, async () => {
      const identity = await this.#remoteIdentity(peer);
      const trust = await this.#trust(peer);
      return identity !== undefined && trust !== undefined && sameKey(identity, trust.key);
    });
  }

  encrypt(peer: PeerDevice, plaintext: Uint8Array): Promise<SignalCiphertext> {
    return this.#exclusively(peer, async () => {
      const trust = await this.#trust(peer);
      if (trust?.state === 'changed') throw untrusted();
      const identity = await this.#remoteIdentity(peer);
      if (identity === undefined) throw noSession();
      if (trust === undefined || !sameKey(identity, trust.key)) throw untrusted();
      const operation = new Operation(await this.#input(peer));
      const ciphertext = await signalEncrypt(
        Buffer.from(pad(plaintext)),
        addressOf(peer),
        operation.sessions,
        operation.identities,
      ).catch((cause: unknown) => {
        throw noSession(cause);
      });
      this.#keep(peer, operation);
      const type = ciphertext.type() === CiphertextMessageType.PreKey ? 'pkmsg' : 'msg';
      return { type, bytes: new Uint8Array(ciphertext.serialize()) };
    });
  }

  start(peer: PeerDevice, bundle: PreKeyBundle): Promise<SessionStart> {
    return this.#exclusively(peer, async () => {
      const native = nativeBundle(peer, bundle);
      const identity = new Uint8Array(native.identityKey().serialize());
      const trust = await this.#trust(peer);
      if (trust !== undefined && !sameKey(trust.key, identity)) {
        await this.#observe(peer, identity);
        return { outcome: 'identity-changed' };
      }
      const operation = new Operation({ ...(await this.#input(peer)), trusted: identity });
      await processPreKeyBundle(native, addressOf(peer), operation.sessions, operation.identities).catch(
        (cause: unknown) => {
          throw invalidBundle(cause);
        },
      );
      this.#keep(peer, operation);
      await this.#observe(peer, identity);
      return { outcome: 'started' };
    });
  }

  forget(peer: PeerDevice): Promise<void> {
    return this.#exclusively(peer, async () => {
      if ((await this.#session(peer)) !== undefined) this.#sessions.set(peerKey(peer), { peer, record: undefined });
    });
  }

  observeIdentity(peer: PeerDevice, identityKey: Uint8Array): Promise<'same' | 'first' | 'changed'> {
    return this.#exclusively(peer, () => this.#observe(peer, new Uint8Array(publicKey(identityKey).serialize())));
  }

  vouch(peer: PeerDevice, identityKey: Uint8Array): Promise<void> {
    return this.#exclusively(peer, async () => {
      if (peer.device === 0) throw new BridgeError('signal.primary', 'nobody vouches for a primary device');
      const key = new Uint8Array(publicKey(identityKey).serialize());
      const trust = await this.#trust(peer);
      if (trust?.state === 'pinned' && sameKey(trust.key, key)) return;
      this.#trusts.set(peerKey(peer), { peer, trust: { state: 'pinned', key } });
      const identity = await this.#remoteIdentity(peer);
      if (identity !== undefined && !sameKey(identity, key)) {
        this.#sessions.set(peerKey(peer), { peer, record: undefined });
      }
    });
  }

  trust(peer: PeerDevice): Promise<PeerTrust | undefined> {
    return this.#exclusively(peer, () => this.#trust(peer));
  }

  changes(): readonly SignalChange[] {
    return [
      ...[...this.#sessions.values()].map((session) => ({ change: 'signal.session', ...session }) as const),
      ...[...this.#used.values()].map((preKey) => ({ change: 'signal.pre-key-used', ...preKey }) as const),
      ...[...this.#trusts.values()].map((trust) => ({ change: 'peer.trust', ...trust }) as const),
    ];
  }

  /** One operation at a time: each reads what the one before it wrote. */
  #exclusively<Result>(peer: PeerDevice, operation: () => Promise<Result>): Promise<Result> {
    if (!this.#held.has(peerKey(peer))) {
      return Promise.reject(new BridgeError('signal.not-held', 'this unit of work does not hold that session'));
    }
    return this.#order.run('unit', operation);
  }

  /** Compares a key with the pinned one; the first is pinned, a different one recorded as seen. */
  async #observe(peer: PeerDevice, identity: Uint8Array): Promise<'same' | 'first' | 'changed'> {
    const trust = await this.#trust(peer);
    if (trust === undefined) {
      this.#trusts.set(peerKey(peer), { peer, trust: { state: 'pinned', key: identity } });
      return 'first';
    }
    if (sameKey(trust.key, identity)) return 'same';
    if (trust.state === 'pinned' || !sameKey(trust.seen, identity)) {
      this.#trusts.set(peerKey(peer), { peer, trust: { state: 'changed', key: trust.key, seen: identity } });
    }
    return 'changed';
  }

  #keep(peer: PeerDevice, operation: Operation): void {
    this.#sessions.set(peerKey(peer), { peer, record: operation.session });
    const id = operation.usedPreKey;
    if (id !== undefined) this.#used.set(`${peer.account}/${id}`, { account: peer.account, id });
  }

  async #input(peer: PeerDevice, message?: SignalMessage | PreKeySignalMessage): Promise<OperationInput> {
    const { account } = peer;
    const identity = await this.#identity(account);
    const base = { identity, session: await this.#session(peer), trusted: (await this.#trust(peer))?.key };
    if (!(message instanceof PreKeySignalMessage)) return base;
    const id = message.preKeyId();
    const unused = id !== null && !this.#used.has(`${account}/${id}`);
    const preKey = unused ? await this.#reads.preKey(account, id) : undefined;
    return { ...base, preKey, signedPreKey: await this.#reads.signedPreKey(account, message.signedPreKeyId()) };
  }

  async #identity(account: AccountId): Promise<SignalIdentity> {
    const identity = await this.#reads.identity(account);
    if (identity === undefined) throw new BridgeError('signal.no-identity', 'the account has no Signal identity');
    return identity;
  }

  async #session(peer: PeerDevice): Promise<Uint8Array | undefined> {
    const key = peerKey(peer);
    const changed = this.#sessions.get(key);
    if (changed) return changed.record;
    if (!this.#read.has(key)) this.#read.set(key, await this.#reads.session(peer));
    return this.#read.get(key);
  }

  async #remoteIdentity(peer: PeerDevice): Promise<Uint8Array | undefined> {
    const record = await this.#session(peer);
    return record && remoteIdentityOf(record);
  }

  async #trust(peer: PeerDevice): Promise<PeerTrust | undefined> {
    return this.#trusts.get(peerKey(peer))?.trust ?? (await this.#reads.peerTrust(peer));
  }
}

/** The name is local and never on the wire: the contact's own id, not an address that may change. */
function addressOf(peer: PeerDevice): ProtocolAddress {
  return ProtocolAddress.new(peer.contact, peer.device);
}

function parse({ type, bytes }: SignalCiphertext): SignalMessage | PreKeySignalMessage | undefined {
  try {
    return (type === 'pkmsg' ? PreKeySignalMessage : SignalMessage).deserialize(Buffer.from(bytes));
  } catch {
    return undefined;
  }
}

/** See Signal. */
export function claimedIdentity(ciphertext: SignalCiphertext): Uint8Array | undefined {
  const message = parse(ciphertext);
  return message instanceof PreKeySignalMessage ? identityInMessage(ciphertext.bytes) : undefined;
}

function decryptWith(operation: Operation, message: SignalMessage | PreKeySignalMessage, address: ProtocolAddress) {
  const { sessions, identities, preKeys, signedPreKeys } = operation;
  return message instanceof PreKeySignalMessage
    ? signalDecryptPreKey(message, address, sessions, identities, preKeys, signedPreKeys)
    : signalDecrypt(message, address, sessions, identities);
}

/** Every store value was loaded before, so what fails in libsignal is the message itself. */
function failure(
  error: unknown,
  input: OperationInput,
  message: SignalMessage | PreKeySignalMessage,
): SignalDecryption {
  if (error instanceof LibSignalErrorBase && error.code === ErrorCode.DuplicatedMessage)
    return { outcome: 'duplicate' };
  if (error instanceof BridgeError && error.code === 'signal.padding') {
    return { outcome: 'failed', code: error.code, noSession: false };
  }
  const keysGone =
    message instanceof PreKeySignalMessage &&
    (input.signedPreKey === undefined || (message.preKeyId() !== null && input.preKey === undefined));
  return keysGone
    ? { outcome: 'failed', code: 'signal.unknown-pre-key', noSession: true }
    : { outcome: 'failed', code: 'signal.undecryptable', noSession: false };
}

function nativeBundle(peer: PeerDevice, bundle: PreKeyBundle): NativeBundle {
  const { registrationId, identityKey, signedPreKey, preKey } = bundle;
  try {
    return NativeBundle.new(
      registrationId,
      peer.device,
      preKey?.id ?? null,
      preKey ? publicKey(preKey.publicKey) : null,
      signedPreKey.id,
      publicKey(signedPreKey.publicKey),
      Buffer.from(signedPreKey.signature),
      publicKey(identityKey),
    );
  } catch (cause) {
    throw invalidBundle(cause);
  }
}

function untrusted(): BridgeError {
  return new BridgeError('signal.untrusted', 'the identity key of this device is not the pinned one', {
    retry: 'after-action',
    userText: "This contact's security key has changed. Nothing is sent until you have confirmed the new key.",
  });
}

function noSession(cause?: unknown): BridgeError {
  return new BridgeError('signal.no-session', 'there is no usable session with this device', { retry: 'later', cause });
}
