// Who the chat server is: a root key of its own, and a certificate chain from it to the key used in the Noise handshake.
import type { Clock } from '../model/clock.ts';
import { type CurveKeyPair, generateKeyPair, issueCertChain } from '../whatsapp/noise/index.ts';
import type { State } from './state.ts';

export interface ServerIdentity {
  readonly staticKeyPair: CurveKeyPair;
  readonly certChain: Uint8Array;
}

/**
 * What the server shows: its own; after a rotation, new keys under the same root; or what no client may accept: a chain of another root,
 * one that is over, one for another key.
 */
export const certificateKinds = ['genuine', 'renewed', 'other-root', 'expired', 'other-key'] as const;
export type CertificateKind = (typeof certificateKinds)[number];

const DAY_MS = 86_400_000;

/** The keys stay the same for the life of the data directory; the chain is signed anew at each start. */
export class ServerIdentities {
  /** 32 bytes; what clients are configured with. */
  readonly rootPublicKey: Uint8Array;
  current: ServerIdentity;
  readonly #clock: Clock;
  readonly #root: CurveKeyPair;
  readonly #intermediate: CurveKeyPair;
  readonly #static: CurveKeyPair;
  #serial = 1;

  constructor(state: State, clock: Clock) {
    this.#clock = clock;
    this.#root = storedKeyPair(state, 'root-key');
    this.#intermediate = storedKeyPair(state, 'intermediate-key');
    this.#static = storedKeyPair(state, 'static-key');
    this.rootPublicKey = this.#root.publicKey;
    this.current = this.#identity({});
  }

  /** For connections from now on. */
  show(kind: CertificateKind): void {
    const keys = generateKeyPair;
    const changed: Record<CertificateKind, () => ServerIdentity> = {
      genuine: () => this.#identity({}),
      renewed: () => this.#identity({ intermediate: keys(), own: keys() }),
      'other-root': () => this.#identity({ root: keys() }),
      expired: () => this.#identity({ days: -1 }),
      'other-key': () => ({ ...this.#identity({}), staticKeyPair: keys() }),
    };
    this.current = changed[kind]();
  }

  #identity({
    root = this.#root,
    intermediate = this.#intermediate,
    own = this.#static,
    days = 365,
  }: {
    readonly root?: CurveKeyPair;
    readonly intermediate?: CurveKeyPair;
    readonly own?: CurveKeyPair;
    readonly days?: number;
  }): ServerIdentity {
    const now = this.#clock.now();
    const validity = { notBefore: now - 2 * DAY_MS, notAfter: now + days * DAY_MS };
    const serial = this.#serial;
    this.#serial += 2;
    const leaf = { serial: serial + 1, key: own.publicKey, ...validity };
    return { staticKeyPair: own, certChain: issueCertChain(root, intermediate, { serial, ...validity }, leaf) };
  }
}

function storedKeyPair(state: State, name: string): CurveKeyPair {
  const both = state.setting(name, () => {
    const { publicKey, privateKey } = generateKeyPair();
    return Buffer.concat([publicKey, privateKey]);
  });
  return { publicKey: both.subarray(0, 32), privateKey: both.subarray(32) };
}
