// Who is there and who types. It reaches whoever is connected at the moment, and is neither kept nor acknowledged.
import { attribute, children, requireJid, type Stanza, stanza } from '../whatsapp/binary/index.ts';
import type { Account } from './directory.ts';
import { type Live, type Network, type Sender, seconds } from './network.ts';
import type { Device } from './pre-keys.ts';

const TYPING = new Set(['composing', 'paused']);

const keyOf = ({ account, device }: Device): string => `${account}.${device}`;

export class Presence {
  readonly #network: Network;
  /** Devices that say that their user is there, by account. */
  readonly #available = new Map<number, Set<number>>();
  /** Devices that want to know, by the account that they ask about. */
  readonly #subscribers = new Map<number, Map<string, Device>>();

  constructor(network: Network) {
    this.#network = network;
  }

  /** To all the recipient's devices, from the person. */
  typing(sender: Sender, chatstate: Stanza): Live[] {
    const [state] = children(chatstate);
    const addressed = this.#network.directory.byJid(requireJid(chatstate, 'to'));
    if (!addressed || !state || !TYPING.has(state.tag) || addressed.id === sender.account.id) return [];
    if (!this.#network.directory.knows(sender.account, addressed)) return [];
    const { jid: from } = this.#network.directory.appearance(sender.account, addressed);
    const shown = stanza('chatstate', { from }, [stanza(state.tag, { media: attribute(state, 'media') })]);
    return this.#network.preKeys.devices(addressed.id).map((to) => ({ to, stanza: shown }));
  }

  take(sender: Sender, presence: Stanza): Live[] {
    switch (attribute(presence, 'type')) {
      case 'subscribe':
        return this.#subscribe(sender, presence);
      case 'unavailable':
        return this.left(sender);
      case 'available':
        return this.#come(sender);
      default:
        // Only a name.
        return [];
    }
  }

  /** A device is not there any more, or says so. */
  left({ account, device }: Sender): Live[] {
    const devices = this.#available.get(account.id);
    if (!devices?.delete(device.device) || devices.size > 0) return [];
    this.#available.delete(account.id);
    return this.#tell(account);
  }

  /** The device's connection has ended: what it wanted to know it asks for again. */
  gone(sender: Sender): Live[] {
    for (const subscribers of this.#subscribers.values()) subscribers.delete(keyOf(sender.device));
    return this.left(sender);
  }

  #come({ account, device }: Sender): Live[] {
    const devices = this.#available.get(account.id);
    if (devices) {
      devices.add(device.device);
      return [];
    }
    this.#available.set(account.id, new Set([device.device]));
    return this.#tell(account);
  }

  #subscribe({ account, device }: Sender, presence: Stanza): Live[] {
    const subject = this.#network.directory.byJid(requireJid(presence, 'to'));
    if (!subject || !this.#network.directory.knows(account, subject)) return [];
    const subscribers = this.#subscribers.get(subject.id) ?? new Map<string, Device>();
    this.#subscribers.set(subject.id, subscribers.set(keyOf(device), device));
    return [{ to: device, stanza: this.#seen(subject, account) }];
  }

  #tell(subject: Account): Live[] {
    return [...(this.#subscribers.get(subject.id)?.values() ?? [])].flatMap((to) => {
      const viewer = this.#network.directory.byId(to.account);
      return viewer ? [{ to, stanza: this.#seen(subject, viewer) }] : [];
    });
  }

  #seen(subject: Account, viewer: Account): Stanza {
    const { jid: from } = this.#network.directory.appearance(subject, viewer);
    const isThere = this.#available.has(subject.id);
    return stanza('presence', {
      from,
      ...(isThere ? {} : { type: 'unavailable', last: seconds(this.#network.clock) }),
    });
  }
}
