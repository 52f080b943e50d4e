// A network that misbehaves on purpose: doubled and damaged messages, and a server that forges retry receipts.
import {
  attribute,
  children,
  decodeStanza,
  encodeStanza,
  requireBytes,
  type Stanza,
  stanza,
} from '../whatsapp/binary/index.ts';
import { type Account, Directory, type PhoneAccount } from './directory.ts';
import { integerBytes, keysContent } from './key-stanzas.ts';
import { type Interference, type Network, seconds } from './network.ts';
import { PhoneKeys } from './phone-keys.ts';
import { PhoneSessions } from './phone-sessions.ts';
import type { Device } from './pre-keys.ts';
import { State } from './state.ts';

export type OneShot = 'duplicate' | 'corrupt';

/** A forged retry receipt and what came of it. */
export interface Attack {
  /** 32 bytes; of a key pair that nobody but the attacker has. */
  readonly identityKey: Uint8Array;
  /** How often the victim has encrypted the message anew for this contact since. */
  answers: number;
  /** The answers that the attacker could read. Anything but none is a break. */
  readonly decrypted: Uint8Array[];
}

interface Running extends Attack {
  readonly victim: Account;
  readonly imitated: PhoneAccount;
  readonly messageId: string;
  readonly hands: State;
  readonly account: number;
}

export class Faults implements Interference {
  /** By account, in the order in which they were asked for. */
  readonly #oneShots = new Map<number, OneShot[]>();
  readonly #attacks: Running[] = [];

  /** What happens to the next message for this account. */
  next(account: number, fault: OneShot): void {
    this.#oneShots.set(account, [...(this.#oneShots.get(account) ?? []), fault]);
  }

  deliver(to: Device, message: Stanza): readonly Stanza[] {
    switch (this.#oneShots.get(to.account)?.shift()) {
      case 'duplicate':
        return [message, message];
      case 'corrupt':
        return [corrupted(message)];
      case undefined:
        return [message];
    }
  }

  routed(to: Device, message: Stanza): void {
    const [enc] = children(message, 'enc');
    if (!enc || attribute(enc, 'count') === undefined) return;
    const attack = this.#attacks.find(
      ({ imitated, messageId }) => imitated.id === to.account && messageId === attribute(message, 'id'),
    );
    if (!attack) return;
    attack.answers += 1;
    void tryToRead(attack, enc);
  }

  /** Tells the victim, as `imitated`, that a message could not be read, and offers keys of the attacker's. Returns a number. */
  forgeRetry(network: Network, victim: Account, imitated: PhoneAccount, messageId: string, count: number): number {
    const hands = new State(undefined);
    const account = new Directory(hands).addPhone('0', 'attacker').id;
    const keys = new PhoneKeys(hands, account, network.clock);
    keys.create();
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
    this.#attacks.push({ identityKey, answers: 0, decrypted: [], victim, imitated, messageId, hands, account });
    return this.#attacks.length - 1;
  }

  attack(number: number): Attack | undefined {
    return this.#attacks[number];
  }

  close(): void {
    for (const { hands } of this.#attacks) hands.close();
  }
}

async function tryToRead(attack: Running, enc: Stanza): Promise<void> {
  const sessions = new PhoneSessions(attack.hands, attack.account);
  const type = attribute(enc, 'type') === 'pkmsg' ? 'pkmsg' : 'msg';
  const result = await sessions.decrypt(attack.victim.lid, { type, bytes: requireBytes(enc) });
  if (result.outcome === 'plaintext') attack.decrypted.push(result.plaintext);
}

/** The same message with one bit of the ciphertext's end flipped: the authentication fails. */
function corrupted(message: Stanza): Stanza {
  const copy = decodeStanza(encodeStanza(message));
  for (const enc of children(copy, 'enc')) {
    const bytes = requireBytes(enc);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  }
  return copy;
}
