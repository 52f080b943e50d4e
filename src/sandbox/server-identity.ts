// Who the chat server is: a root key of its own, and a certificate chain from it to the key used in the Noise handshake.
import type { Clock } from '../model/clock.ts';
import { type CurveKeyPair, generateKeyPair, issueCertChain } from '../whatsapp/noise/index.ts';
import type { State } from './state.ts';

export interface ServerIdentity {
  /** 32 bytes; what clients are configured with. */
  readonly rootPublicKey: Uint8Array;
  readonly staticKeyPair: CurveKeyPair;
  readonly certChain: Uint8Array;
}

const DAY_MS = 86_400_000;

/** The keys stay the same for the life of the data directory; the chain is signed anew at each start. */
export function serverIdentity(state: State, clock: Clock): ServerIdentity {
  const root = storedKeyPair(state, 'root-key');
  const intermediate = storedKeyPair(state, 'intermediate-key');
  const staticKeyPair = storedKeyPair(state, 'static-key');
  const validity = { notBefore: clock.now() - DAY_MS, notAfter: clock.now() + 365 * DAY_MS };
  const leaf = { serial: 2, key: staticKeyPair.publicKey, ...validity };
  const certChain = issueCertChain(root, intermediate, { serial: 1, ...validity }, leaf);
  return { rootPublicKey: root.publicKey, staticKeyPair, certChain };
}

function storedKeyPair(state: State, name: string): CurveKeyPair {
  const both = state.setting(name, () => {
    const { publicKey, privateKey } = generateKeyPair();
    return Buffer.concat([publicKey, privateKey]);
  });
  return { publicKey: both.subarray(0, 32), privateKey: both.subarray(32) };
}
