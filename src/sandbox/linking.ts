// Linking by QR code: a waiting client shows one of its references, a phone scans it and vouches, the client countersigns.
import { randomBytes } from 'node:crypto';
import { BridgeError } from '../model/errors.ts';
import { SERVER, withDevice } from '../model/jid.ts';
import { attribute, child, children, requireBytes, type Stanza, stanza } from '../whatsapp/binary/index.ts';
import type { Companion } from './companions.ts';
import { completeDeviceIdentity, sealDeviceIdentity, signKeyIndexList, vouch } from './device-identity.ts';
import type { Candidate } from './login.ts';
import { type Network, seconds } from './network.ts';
import { announceDevice } from './notifications.ts';
import type { Phone } from './phone.ts';
import type { Carrier, Link, Router } from './router.ts';

/** Codes `link.code_malformed`, `link.unknown_ref`, `link.mismatch`, `link.full`, `link.refused`: why a code could not be used. */
export class LinkError extends BridgeError {}

interface Waiting {
  readonly candidate: Candidate;
  readonly carrier: Carrier;
  readonly refs: readonly string[];
  /** Takes the client's answer to `pair-success`; undefined when its connection is gone. */
  answered: ((answer: Stanza | undefined) => void) | undefined;
}

/** What a QR code says: `ref,noise key,identity key,secret,client type`, in newer clients behind an URL and `#`. */
interface Code {
  readonly ref: string;
  readonly noiseKey: Buffer;
  readonly identityKey: Buffer;
  readonly advSecret: Buffer;
}

/** Clients show the first for a minute and each other one for 20 seconds. */
const REFS = 6;
const ANSWER_TIMEOUT_MS = 20_000;

export class Linking {
  readonly #network: Network;
  readonly #router: Router;
  readonly #byRef = new Map<string, Waiting>();

  constructor(network: Network, router: Router) {
    this.#network = network;
    this.#router = router;
  }

  /** Gives the client its references and keeps its connection until one of them is scanned or it goes. */
  admit(candidate: Candidate, carrier: Carrier): Link {
    const refs = Array.from({ length: REFS }, () => `2@${randomBytes(66).toString('base64')}`);
    const waiting: Waiting = { candidate, carrier, refs, answered: undefined };
    for (const ref of refs) this.#byRef.set(ref, waiting);
    const content = refs.map((ref) => stanza('ref', {}, Buffer.from(ref)));
    carrier.send(pairingIq('pair-device', content));
    return {
      receive: (received) => receive(waiting, received),
      detach: () => {
        this.#forget(waiting);
        waiting.answered?.(undefined);
      },
    };
  }

  /** Plays the phone's part and the network's. Resolves when the client is linked; rejects with LinkError. */
  async link(phone: Phone, text: string): Promise<Companion> {
    const code = readCode(text);
    const waiting = this.#byRef.get(code.ref);
    if (!waiting) throw new LinkError('link.unknown_ref', 'no client shows this code, or not any more');
    const { candidate } = waiting;
    if (!code.noiseKey.equals(candidate.noiseKey) || !code.identityKey.equals(candidate.keys.identityKey)) {
      throw new LinkError('link.mismatch', 'the code has other keys than the client that waits for it');
    }
    const { account } = phone;
    const device = this.#network.companions.reserve(account.id);
    if (device === undefined) throw new LinkError('link.full', 'this phone cannot be linked to more clients');
    this.#forget(waiting);

    const { identityKey } = candidate.keys;
    const vouched = vouch(phone.keys.signer(), { keyIndex: device, timestamp: this.#now(), identityKey });
    const answer = await this.#ask(waiting, phone, device, sealDeviceIdentity(vouched, code.advSecret));
    const deviceIdentity = answer && readAnswer(answer, device, vouched, identityKey);
    if (!deviceIdentity) {
      waiting.carrier.end('malformed');
      throw new LinkError('link.refused', 'the client did not confirm, or its signature does not hold');
    }
    const { noiseKey, keys, platform } = candidate;
    const linkedAt = this.#network.clock.now();
    const { id } = account;
    const companion = { account: id, device, keyIndex: device, noiseKey, deviceIdentity, platform, linkedAt };
    const reached = this.#network.state.transaction(() => {
      this.#network.companions.add(companion, keys);
      this.#signDevices(phone);
      return announceDevice(this.#network, account, companion, 'add');
    });
    waiting.carrier.end('restart');
    this.#router.flush(reached);
    return companion;
  }

  /** The account's own decision, or the client's logout: the device with its keys and its queue is gone. */
  unlink(phone: Phone, companion: Companion): void {
    const reached = this.#network.state.transaction(() => {
      this.#network.companions.remove(companion);
      this.#signDevices(phone);
      return announceDevice(this.#network, phone.account, companion, 'remove');
    });
    this.#router.endDevice(companion, 'removed');
    this.#router.flush(reached);
  }

  /** After a reinstallation nothing that the old identity vouched for holds. */
  unlinkAll(phone: Phone): void {
    for (const companion of this.#network.companions.list(phone.account.id)) this.unlink(phone, companion);
  }

  #ask(waiting: Waiting, { account }: Phone, device: number, sealed: Uint8Array): Promise<Stanza | undefined> {
    const { promise, resolve } = Promise.withResolvers<Stanza | undefined>();
    const deadline = setTimeout(() => resolve(undefined), ANSWER_TIMEOUT_MS);
    waiting.answered = resolve;
    waiting.carrier.send(
      pairingIq(
        'pair-success',
        [
          stanza('device-identity', {}, sealed),
          stanza('device', { jid: withDevice(account.pn, device), lid: withDevice(account.lid, device) }),
          stanza('platform', { name: 'android' }),
        ],
        { t: this.#now() },
      ),
    );
    return promise.finally(() => clearTimeout(deadline));
  }

  #signDevices({ account, keys }: Phone): void {
    const valid = this.#network.companions.list(account.id).map(({ keyIndex }) => keyIndex);
    const signedAt = this.#now();
    const list = signKeyIndexList(keys.signer(), valid, signedAt);
    this.#network.companions.setKeyIndexList(account.id, { signedAt, list });
  }

  #forget({ refs }: Waiting): void {
    for (const ref of refs) this.#byRef.delete(ref);
  }

  #now(): number {
    return seconds(this.#network.clock);
  }
}

function pairingIq(tag: string, content: readonly Stanza[], more: { readonly t?: number } = {}): Stanza {
  const attrs = { from: SERVER, type: 'set', id: randomBytes(4).toString('hex'), xmlns: 'md', ...more };
  return stanza('iq', attrs, [stanza(tag, {}, content)]);
}

/** Until it is linked, a client is only kept alive and listened to for its countersignature or error. */
function receive({ carrier, answered }: Waiting, received: Stanza): void {
  if (received.tag !== 'iq') return;
  const type = attribute(received, 'type');
  if (type === 'get') carrier.send(stanza('iq', { from: SERVER, type: 'result', id: attribute(received, 'id') }));
  else if (type === 'error') answered?.(undefined);
  else if (children(received).length > 0) answered?.(received);
}

function readAnswer(
  answer: Stanza,
  keyIndex: number,
  vouched: Uint8Array,
  identityKey: Uint8Array,
): Uint8Array | undefined {
  const sign = child(answer, 'pair-device-sign');
  const identity = sign && child(sign, 'device-identity');
  if (!identity || attribute(identity, 'key-index') !== String(keyIndex)) return undefined;
  try {
    return completeDeviceIdentity(vouched, requireBytes(identity), identityKey);
  } catch (error) {
    if (error instanceof BridgeError) return undefined;
    throw error;
  }
}

function readCode(text: string): Code {
  const [ref = '', ...keys] = text.slice(text.lastIndexOf('#') + 1).split(',');
  const [noiseKey, identityKey, advSecret] = keys.map((key) => Buffer.from(key, 'base64'));
  if (noiseKey?.length !== 32 || identityKey?.length !== 32 || advSecret?.length !== 32) {
    throw new LinkError('link.code_malformed', 'this is not the text of a linking QR code');
  }
  return { ref, noiseKey, identityKey, advSecret };
}
