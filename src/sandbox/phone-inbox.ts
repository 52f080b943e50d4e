// What happens to a message that reaches a phone: decrypted, kept, its file looked for, its arrival confirmed.
import { type LidJid, sameUser, withoutDevice } from '../model/jid.ts';
import {
  attribute,
  child,
  integerAttribute,
  requireAttribute,
  requireBytes,
  type Stanza,
} from '../whatsapp/binary/index.ts';
import type { NewEntry } from './phone-journal.ts';
import { type PhoneParts, senderOf } from './phone-parts.ts';
import { readDeviceSent } from './phone-payloads.ts';
import type { PhoneRetries } from './phone-retries.ts';
import { PhoneSessions } from './phone-sessions.ts';
import { ackStanza, receiptStanza } from './phone-stanzas.ts';

/** What a decrypted message adds to the journal, if anything, and how its arrival is confirmed. */
interface Received {
  readonly received: Omit<NewEntry, 'id' | 'timestamp'> | undefined;
  readonly receipt: Stanza;
}

export class PhoneInbox {
  readonly #parts: PhoneParts;
  readonly #retries: PhoneRetries;

  constructor(parts: PhoneParts, retries: PhoneRetries) {
    this.#parts = parts;
    this.#retries = retries;
  }

  async take(message: Stanza): Promise<void> {
    const { network, account, journal, files, line } = this.#parts;
    const id = requireAttribute(message, 'id');
    const from = senderOf(message);
    const enc = child(message, 'enc');
    if (!from || !enc) return line.send(ackStanza(message));
    const isOwn = sameUser(from, account.lid);
    if (!isOwn && journal.find('in', withoutDevice(from), id)) return line.send(receiptStanza(id, from));
    const sessions = new PhoneSessions(network.state, account.id);
    const type = attribute(enc, 'type') === 'pkmsg' ? 'pkmsg' : 'msg';
    const result = await sessions.decrypt(from, { type, bytes: requireBytes(enc) });
    if (result.outcome === 'failed') return this.#retries.askAgain(message, from, result.hadSession);
    if (result.outcome === 'duplicate') return line.send(ackStanza(message));
    const { received, receipt } = isOwn
      ? this.#copyOfOwn(id, from, result.plaintext)
      : this.#fromPeer(id, from, result.plaintext);
    const timestamp = (integerAttribute(message, 't') ?? 0) * 1000;
    network.state.transaction(() => {
      if (received) files.expect(journal.add({ id, timestamp, ...received }), received.payload);
      sessions.commit();
    });
    this.#retries.forget(from, id);
    line.send(receipt);
    journal.changes.changed();
    if (line.up) files.start();
  }

  #fromPeer(id: string, from: LidJid, payload: Uint8Array): Received {
    const peer = withoutDevice(from);
    const peerName = this.#parts.network.directory.label(peer);
    const received = { peer, peerName, direction: 'in', payload, status: 'delivered' } as const;
    return { received, receipt: receiptStanza(id, from) };
  }

  /** What a linked client has sent, or said to this phone alone. */
  #copyOfOwn(id: string, from: LidJid, plaintext: Uint8Array): Received {
    const { directory } = this.#parts.network;
    const copy = readDeviceSent(plaintext);
    const peer = copy && directory.byJid(copy.to)?.lid;
    if (!copy || !peer) return { received: undefined, receipt: receiptStanza(id, from, 'peer_msg') };
    const known = this.#parts.journal.find('out', peer, id) !== undefined;
    const peerName = directory.label(peer);
    const received = { peer, peerName, direction: 'out', payload: copy.payload, status: 'sent' } as const;
    return { received: known ? undefined : received, receipt: receiptStanza(id, from, 'sender', peer) };
  }
}
