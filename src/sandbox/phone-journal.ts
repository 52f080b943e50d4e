// What a phone has sent and decrypted, and how far each message has come.
import { fromBinary } from '@bufbuild/protobuf';
import { type LidJid, lidJid } from '../model/jid.ts';
import { MessageSchema } from '../proto/message_pb.ts';
import { Changes } from './changes.ts';
import type { State } from './state.ts';

/** In the order in which a message goes through them; `failed` means that the network refused it. */
export const statuses = ['queued', 'sent', 'delivered', 'read', 'played'] as const;
export type Status = (typeof statuses)[number] | 'failed';

export interface Entry {
  readonly seq: number;
  readonly id: string;
  readonly peer: LidJid;
  /** Phone number or Matrix ID. */
  readonly peerName: string;
  readonly direction: 'in' | 'out';
  /** `text`, or the name of the protobuf field that is set, e.g. `reactionMessage`; `unknown`. */
  readonly type: string;
  readonly text: string | undefined;
  /** Serialised Message. */
  readonly payload: Uint8Array;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly status: Status;
  /** The encoded stanza of a message that was encrypted and not yet accepted. */
  readonly stanza: Uint8Array | undefined;
}

export type NewEntry = Pick<Entry, 'id' | 'peer' | 'peerName' | 'direction' | 'payload' | 'timestamp' | 'status'>;

interface Row {
  readonly seq: number;
  readonly id: string;
  readonly peer: string;
  readonly peer_name: string;
  readonly direction: 'in' | 'out';
  readonly type: string;
  readonly text: string | null;
  readonly payload: Buffer;
  readonly timestamp: number;
  readonly status: Status;
  readonly stanza: Buffer | null;
}

const entry = ({ peer, peer_name, text, stanza, ...row }: Row): Entry => ({
  ...row,
  peer: lidJid(peer),
  peerName: peer_name,
  text: text ?? undefined,
  stanza: stanza ?? undefined,
});

export class PhoneJournal {
  readonly #state: State;
  readonly #account: number;
  readonly changes = new Changes();

  constructor(state: State, account: number) {
    this.#state = state;
    this.#account = account;
  }

  /** Returns its number in the journal. */
  add(message: NewEntry): number {
    const { type, text } = describe(message.payload);
    const { id } = this.#state.run(
      `INSERT INTO phone_message (account, id, peer, peer_name, direction, type, text, payload, timestamp, status)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      this.#account,
      message.id,
      message.peer.user,
      message.peerName,
      message.direction,
      type,
      text ?? null,
      message.payload,
      message.timestamp,
      message.status,
    );
    return id;
  }

  bySeq(seq: number): Entry | undefined {
    const row = this.#state.row<Row>('SELECT * FROM phone_message WHERE account = ? AND seq = ?', this.#account, seq);
    return row && entry(row);
  }

  find(direction: 'in' | 'out', peer: LidJid, id: string): Entry | undefined {
    const sql = 'SELECT * FROM phone_message WHERE account = ? AND direction = ? AND peer = ? AND id = ?';
    const row = this.#state.row<Row>(sql, this.#account, direction, peer.user, id);
    return row && entry(row);
  }

  /** The latest message with this id, whoever wrote it. */
  byId(id: string): Entry | undefined {
    const sql = 'SELECT * FROM phone_message WHERE account = ? AND id = ? ORDER BY seq DESC LIMIT 1';
    const row = this.#state.row<Row>(sql, this.#account, id);
    return row && entry(row);
  }

  after(seq: number, limit: number): Entry[] {
    const sql = 'SELECT * FROM phone_message WHERE account = ? AND seq > ? ORDER BY seq LIMIT ?';
    return this.#state.rows<Row>(sql, this.#account, seq, limit).map(entry);
  }

  nextToSend(): Entry | undefined {
    const sql =
      "SELECT * FROM phone_message WHERE account = ? AND direction = 'out' AND status = 'queued' ORDER BY seq LIMIT 1";
    const row = this.#state.row<Row>(sql, this.#account);
    return row && entry(row);
  }

  keepStanza(seq: number, stanza: Uint8Array): void {
    this.#state.run('UPDATE phone_message SET stanza = ? WHERE seq = ?', stanza, seq);
  }

  /** What the message says from now on, where it is encrypted once more. */
  replacePayload(seq: number, payload: Uint8Array): void {
    this.#state.run('UPDATE phone_message SET payload = ? WHERE seq = ?', payload, seq);
  }

  /** After a reinstallation: what was encrypted with the old keys and not sent is encrypted anew. */
  dropStanzas(): void {
    this.#state.run('UPDATE phone_message SET stanza = NULL WHERE account = ?', this.#account);
  }

  /** Moves a message forward, never back. */
  advance(message: Entry, status: Status): void {
    const rank = (one: Status): number => (one === 'failed' ? 1 : statuses.indexOf(one));
    if (rank(status) <= rank(message.status)) return;
    this.#state.run('UPDATE phone_message SET status = ?, stanza = NULL WHERE seq = ?', status, message.seq);
    this.changes.changed();
  }
}

/** What a decrypted message is, for those who read the journal. */
function describe(payload: Uint8Array): { readonly type: string; readonly text: string | undefined } {
  try {
    const message = fromBinary(MessageSchema, payload);
    const text = message.conversation ?? message.extendedTextMessage?.text;
    if (text !== undefined) return { type: 'text', text };
    const set = MessageSchema.fields.find(
      ({ localName }) => localName !== 'messageContextInfo' && Object.hasOwn(message, localName),
    );
    return { type: set?.localName ?? 'unknown', text: undefined };
  } catch {
    return { type: 'unknown', text: undefined };
  }
}
