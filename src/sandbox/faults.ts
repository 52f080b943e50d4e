// A network that misbehaves on purpose: doubled and damaged messages, forged retry receipts, devices that nobody has linked.
import { randomBytes } from 'node:crypto';
import { isUserJid, type Jid } from '../model/jid.ts';
import {
  attribute,
  children,
  decodeStanza,
  encodeStanza,
  requireBytes,
  requireChild,
  requireJid,
  type Stanza,
  stanza,
} from '../whatsapp/binary/index.ts';
import { type AccountSigner, countersign, vouch } from './device-identity.ts';
import { type Account, Directory, type PhoneAccount } from './directory.ts';
import { integerBytes, keysContent } from './key-stanzas.ts';
import { type Interference, type Network, seconds } from './network.ts';
import { announceDevice, announceFewPreKeys } from './notifications.ts';
import { PhoneKeys } from './phone-keys.ts';
import { PhoneSessions } from './phone-sessions.ts';
import type { Device } from './pre-keys.ts';
import { State } from './state.ts';

/** `unsigned`: the signed pre-key has another signature; `without`: there is none. */
export type SpoiltKeys = 'unsigned' | 'without';

export type OneShot = 'duplicate' | 'corrupt' | 'swap';

/** An attack by the server and what came of it. */
export interface Attack {
  /** 32 bytes; of a key pair that nobody but the attacker has. */
  readonly identityKey: Uint8Array;
  /** Messages that came within the attacker's reach: encrypted anew after a forged retry, or for an injected device. */
  answers: number;
  /** Those that the attacker could read. Anything but none is a break. */
  readonly decrypted: Uint8Array[];
}

/** What an injected device shows as its account's word: nothing, a stranger's word, or what was given to another device. */
export type Chain = 'none' | 'forged' | 'copied';

interface Running extends Attack {
  /** Whether a message on its way is one that the attacker was after. */
  readonly reaches: (to: Device, message: Stanza) => boolean;
  readonly hands: State;
  readonly account: number;
}

export class Faults implements Interference {
  /** By account, in the order in which they were asked for. */
  readonly #oneShots = new Map<number, OneShot[]>();
  readonly #attacks: Running[] = [];
  /** By account: what is held back until the next message. */
  readonly #held = new Map<number, Stanza>();
  readonly #swapped = new Set<string>();
  readonly #corrupted = new Set<string>();
  /** By account and device. */
  readonly #spoilt = new Map<string, SpoiltKeys>();
  /** By account. */
  readonly #refusals = new Map<number, { readonly reason: number; readonly times: number }>();

  /** Ids of messages that were held back until the next one had been delivered. */
  get swapped(): readonly string[] {
    return [...this.#swapped];
  }

  /** Ids of messages that arrived damaged, so that their receiver had to ask for them again. */
  get corrupted(): readonly string[] {
    return [...this.#corrupted];
  }

  /** What happens to the next message, or so many, for this account. None: whatever was to happen does not. */
  next(account: number, fault: OneShot, times = 1): void {
    const faults = Array.from({ length: times }, () => fault);
    this.#oneShots.set(account, times === 0 ? [] : [...(this.#oneShots.get(account) ?? []), ...faults]);
  }

  deliver(to: Device, message: Stanza): readonly Stanza[] {
    switch (this.#oneShots.get(to.account)?.shift()) {
      case 'duplicate':
        return [message, message];
      case 'corrupt':
        this.#corrupted.add(attribute(message, 'id') ?? '');
        return [corrupted(message)];
      case 'swap':
        this.#held.set(to.account, message);
        this.#swapped.add(attribute(message, 'id') ?? '');
        return [];
      case undefined: {
        const held = this.#held.get(to.account);
        this.#held.delete(to.account);
        return held === undefined ? [message] : [message, held];
      }
    }
  }

  /** From now on this is done to the keys of a device that are handed out. */
  spoilKeys({ account, device }: Device, how: SpoiltKeys | undefined): void {
    const key = `${account}:${device}`;
    if (how === undefined) this.#spoilt.delete(key);
    else this.#spoilt.set(key, how);
  }

  handOut({ account, device }: Device, bundle: readonly Stanza[]): readonly Stanza[] {
    switch (this.#spoilt.get(`${account}:${device}`)) {
      case 'unsigned':
        return bundle.map((part) => (part.tag === 'skey' ? forgedSignature(part) : part));
      case 'without':
        return bundle.filter(({ tag }) => tag !== 'skey');
      case undefined:
        return bundle;
    }
  }

  /** The next logins of this account are refused, so often. */
  refuseLogins(account: number, reason: number, times: number): void {
    this.#refusals.set(account, { reason, times });
  }

  refusal(account: number): number | undefined {
    const refusal = this.#refusals.get(account);
    if (refusal === undefined || refusal.times === 0) return undefined;
    this.#refusals.set(account, { ...refusal, times: refusal.times - 1 });
    return refusal.reason;
  }

  /** All one-time keys of this device are gone, as if many had begun to write to it at once. Returns the devices reached. */
  exhaustKeys(network: Network, device: Device): readonly Device[] {
    while (network.preKeys.take(device)?.preKey !== undefined);
    return announceFewPreKeys(network, device);
  }

  routed(to: Device, message: Stanza): void {
    const [enc] = children(message, 'enc');
    const attack = this.#attacks.find(({ reaches }) => reaches(to, message));
    if (!attack || !enc) return;
    attack.answers += 1;
    void tryToRead(attack, requireJid(message, 'from'), enc);
  }

  /** Tells the victim, as `imitated`, that a message could not be read, and offers keys of the attacker's. Returns a number. */
  forgeRetry(network: Network, victim: Account, imitated: PhoneAccount, messageId: string, count: number): number {
    const { hands, account, keys } = attacker(network);
    const { registrationId, identityKey, signedPreKey } = keys.current();
    const [preKey] = keys.createOneTimeKeys(1);
    const { jid } = network.directory.appearance(imitated, victim);
    const attrs = { from: jid, id: messageId, type: 'retry', t: seconds(network.clock) };
    const receipt = stanza('receipt', attrs, [
      stanza('retry', { count, id: messageId, t: seconds(network.clock), v: 1 }),
      stanza('registration', {}, integerBytes(registrationId, 4)),
      stanza('keys', {}, keysContent({ identityKey, signedPreKey, preKey })),
    ]);
    for (const device of network.preKeys.devices(victim.id)) {
      network.queue.add(device, 'receipt', imitated.id, receipt);
    }
    const reaches = (to: Device, message: Stanza): boolean =>
      to.account === imitated.id &&
      attribute(message, 'id') === messageId &&
      children(message, 'enc').some((enc) => attribute(enc, 'count') !== undefined);
    return this.#attacks.push({ identityKey, answers: 0, decrypted: [], reaches, hands, account }) - 1;
  }

  /** Adds a device to a phone's list that the phone knows nothing of. Undefined if there is no room, or nothing to copy. */
  injectDevice(
    network: Network,
    phone: PhoneAccount,
    chain: Chain,
  ): { readonly attack: number; readonly device: number; readonly reached: readonly Device[] } | undefined {
    const [genuine] = network.companions.list(phone.id);
    const device = chain === 'copied' && !genuine ? undefined : network.companions.reserve(phone.id);
    if (device === undefined) return undefined;
    const { hands, account, keys } = attacker(network);
    const { identityKey } = keys.current();
    const chains: Record<Chain, () => Uint8Array> = {
      none: () => new Uint8Array(),
      forged: () => forgedChain(network, keys.signer(), device),
      copied: () => genuine?.deviceIdentity ?? new Uint8Array(),
    };
    const added = { account: phone.id, device, keyIndex: device, noiseKey: randomBytes(32), platform: 'injected' };
    const companion = { ...added, deviceIdentity: chains[chain](), linkedAt: network.clock.now() };
    const reached = network.state.transaction(() => {
      network.companions.add(companion, keys.current());
      network.preKeys.upload(companion, keys.current(), keys.createOneTimeKeys(20));
      return announceDevice(network, phone, companion, 'add');
    });
    const reaches = (to: Device): boolean => to.account === phone.id && to.device === device;
    const attack = this.#attacks.push({ identityKey, answers: 0, decrypted: [], reaches, hands, account }) - 1;
    return { attack, device, reached };
  }

  attack(number: number): Attack | undefined {
    return this.#attacks[number];
  }

  close(): void {
    for (const { hands } of this.#attacks) hands.close();
  }
}

function attacker(network: Network): { readonly hands: State; readonly account: number; readonly keys: PhoneKeys } {
  const hands = new State(undefined);
  const account = new Directory(hands).addPhone('0', 'attacker').id;
  const keys = new PhoneKeys(hands, account, network.clock);
  keys.create();
  return { hands, account, keys };
}

/** Sound in itself, but the account key in it is the attacker's. */
function forgedChain(network: Network, signer: AccountSigner, keyIndex: number): Uint8Array {
  const { identityKey } = signer;
  const vouched = vouch(signer, { keyIndex, timestamp: seconds(network.clock), identityKey });
  return countersign(vouched, identityKey, signer.sign);
}

async function tryToRead(attack: Running, from: Jid, enc: Stanza): Promise<void> {
  if (!isUserJid(from)) return;
  const sessions = new PhoneSessions(attack.hands, attack.account);
  const type = attribute(enc, 'type') === 'pkmsg' ? 'pkmsg' : 'msg';
  const result = await sessions.decrypt(from, { type, bytes: requireBytes(enc) });
  if (result.outcome === 'plaintext') attack.decrypted.push(result.plaintext);
}

/** From the end: inside the authenticated part, and before the numbers that some clients write last and others ignore. */
const DAMAGE_AT = -12;

/** The same message with one bit of the ciphertext flipped: the authentication fails. */
function corrupted(message: Stanza): Stanza {
  const copy = decodeStanza(encodeStanza(message));
  for (const enc of children(copy, 'enc')) {
    const bytes = requireBytes(enc);
    const at = Math.max(0, bytes.length + DAMAGE_AT);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
  }
  return copy;
}

/** The same signed pre-key with one bit of its signature flipped. */
function forgedSignature(skey: Stanza): Stanza {
  const copy = decodeStanza(encodeStanza(skey));
  const signature = requireBytes(requireChild(copy, 'signature'), 64);
  signature[5] = (signature[5] ?? 0) ^ 1;
  return copy;
}
