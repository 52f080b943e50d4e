// What is on its way to each device: kept in order and across restarts until the device acknowledges it.
import { attribute, decodeStanza, encodeStanza, type Stanza } from '../whatsapp/binary/index.ts';
import type { Device } from './pre-keys.ts';
import type { State } from './state.ts';

export type StanzaClass = 'message' | 'receipt' | 'notification' | 'call';

export interface Queued {
  /** Grows with each stanza; the order of delivery. */
  readonly position: number;
  readonly class: StanzaClass;
  readonly stanza: Stanza;
}

interface QueuedRow {
  readonly id: number;
  readonly class: StanzaClass;
  readonly stanza: Buffer;
}

export class Queue {
  readonly #state: State;
  readonly #limit: number;

  /** `limit`: stanzas that wait for one device at most. */
  constructor(state: State, limit: number) {
    this.#state = state;
    this.#limit = limit;
  }

  isFull(to: Device): boolean {
    return this.size(to) >= this.#limit;
  }

  size({ account, device }: Device): number {
    const sql = 'SELECT count(*) AS n FROM queued WHERE account = ? AND device = ?';
    return this.#state.row<{ n: number }>(sql, account, device)?.n ?? 0;
  }

  counts({ account, device }: Device): Map<StanzaClass, number> {
    const rows = this.#state.rows<{ class: StanzaClass; n: number }>(
      'SELECT class, count(*) AS n FROM queued WHERE account = ? AND device = ? GROUP BY class',
      account,
      device,
    );
    return new Map(rows.map((row) => [row.class, row.n]));
  }

  /** `sender` is the account that caused it, undefined for the network itself. */
  add(to: Device, kind: StanzaClass, sender: number | undefined, stanza: Stanza): void {
    this.#state.run(
      'INSERT INTO queued (account, device, class, type, stanza_id, sender, stanza) VALUES (?, ?, ?, ?, ?, ?, ?)',
      to.account,
      to.device,
      kind,
      attribute(stanza, 'type') ?? null,
      attribute(stanza, 'id') ?? '',
      sender ?? null,
      encodeStanza(stanza),
    );
  }

  after({ account, device }: Device, position: number): Queued[] {
    return this.#state
      .rows<QueuedRow>(
        'SELECT id, class, stanza FROM queued WHERE account = ? AND device = ? AND id > ? ORDER BY id',
        account,
        device,
        position,
      )
      .map((row) => ({ position: row.id, class: row.class, stanza: decodeStanza(row.stanza) }));
  }

  /** Whether a stanza from the network itself waits. */
  hasOwn({ account, device }: Device, kind: StanzaClass, type: string): boolean {
    const sql = 'SELECT 1 FROM queued WHERE account = ? AND device = ? AND class = ? AND type = ? AND sender IS NULL';
    return this.#state.row(sql, account, device, kind, type) !== undefined;
  }

  /** Removes the earliest stanza that this acknowledgement can mean. `type` and `sender` narrow it where they are known. */
  acknowledge(
    { account, device }: Device,
    ack: {
      readonly class: string;
      readonly id: string;
      readonly type?: string | undefined;
      readonly sender?: number | undefined;
    },
  ): void {
    this.#state.run(
      `DELETE FROM queued WHERE id = (SELECT id FROM queued WHERE account = ? AND device = ? AND class = ?
       AND stanza_id = ? AND type IS coalesce(?, type) AND sender IS coalesce(?, sender) ORDER BY id LIMIT 1)`,
      account,
      device,
      ack.class,
      ack.id,
      ack.type ?? null,
      ack.sender ?? null,
    );
  }
}
