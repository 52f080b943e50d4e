// Who is on the network, under which addresses, and how one member is shown to another.
import { randomBytes } from 'node:crypto';
import { BridgeError } from '../model/errors.ts';
import {
  formatJid,
  type InteropJid,
  interopJid,
  type Jid,
  type LidJid,
  lidJid,
  type PhoneJid,
  parseJid,
  phoneJid,
  type UserJid,
} from '../model/jid.ts';
import type { State } from './state.ts';

/** A WhatsApp user: phone number and LID. */
export interface PhoneAccount {
  readonly kind: 'phone';
  readonly id: number;
  readonly name: string;
  readonly number: string;
  readonly lid: LidJid;
  readonly pn: PhoneJid;
}

/** A third-party user: identifier of their own service, interop JID, and a LID for clients that cannot address interop JIDs. */
export interface InteropAccount {
  readonly kind: 'interop';
  readonly id: number;
  readonly name: string;
  /** The Matrix ID. */
  readonly identifier: string;
  /** Decimal text of an unsigned 64-bit number. */
  readonly interopId: string;
  readonly lid: LidJid;
  readonly interop: InteropJid;
  /** What the client asked for at its last login (InteropData.enableReadReceipts). */
  readonly readReceipts: boolean;
}

export type Account = PhoneAccount | InteropAccount;

/** Under which address third-party clients see WhatsApp users: the hidden id or the phone number. */
export type Addressing = 'lid' | 'pn';

/** How a member appears to another: address, and the same person's other address, where it is shown. */
export interface Appearance {
  readonly jid: UserJid;
  readonly alternative: { readonly attribute: 'sender_pn' | 'sender_lid'; readonly jid: UserJid } | undefined;
  readonly name: string;
}

/** The number of our one third-party service on this network. */
export const INTEGRATOR = 2;

interface AccountRow {
  readonly id: number;
  readonly kind: 'phone' | 'interop';
  readonly name: string;
  readonly number: string | null;
  readonly identifier: string | null;
  readonly lid: string;
  readonly interop_id: string | null;
  readonly read_receipts: number;
}

function account(row: AccountRow | undefined): Account | undefined {
  if (!row) return undefined;
  const { id, name } = row;
  const lid = lidJid(row.lid);
  if (row.number !== null) return { kind: 'phone', id, name, number: row.number, lid, pn: phoneJid(row.number) };
  const identifier = row.identifier ?? '';
  const interopId = row.interop_id ?? '';
  const interop = interopJid(INTEGRATOR, interopId);
  return { kind: 'interop', id, name, identifier, interopId, lid, interop, readReceipts: row.read_receipts === 1 };
}

/** 15 digits, never starting with 0. */
const newLid = (): string => String(1e14 + (randomBytes(6).readUIntBE(0, 6) % 9e14));
/** Above 2^53 on purpose: clients that squeeze it into a double fail here and not in production. */
const newInteropId = (): string => String(randomBytes(8).readBigUInt64BE() | (1n << 62n));

export class Directory {
  readonly #state: State;
  addressing: Addressing = 'lid';

  constructor(state: State) {
    this.#state = state;
  }

  byId(id: number): Account | undefined {
    return account(this.#state.row('SELECT * FROM account WHERE id = ?', id));
  }

  /** The account behind any of its addresses; the device is ignored. */
  byJid(jid: Jid): Account | undefined {
    switch (jid.kind) {
      case 'phone':
        return account(this.#state.row('SELECT * FROM account WHERE number = ?', jid.user));
      case 'lid':
        return account(this.#state.row('SELECT * FROM account WHERE lid = ?', jid.user));
      case 'interop':
        return jid.integrator === INTEGRATOR ? this.byInteropId(jid.user) : undefined;
      default:
        return undefined;
    }
  }

  byInteropId(interopId: string): InteropAccount | undefined {
    const found = account(this.#state.row('SELECT * FROM account WHERE interop_id = ?', interopId));
    return found?.kind === 'interop' ? found : undefined;
  }

  byIdentifier(identifier: string): InteropAccount | undefined {
    const found = account(this.#state.row('SELECT * FROM account WHERE identifier = ?', identifier));
    return found?.kind === 'interop' ? found : undefined;
  }

  byNumber(number: string): PhoneAccount | undefined {
    const found = account(this.#state.row('SELECT * FROM account WHERE number = ?', number));
    return found?.kind === 'phone' ? found : undefined;
  }

  phones(): PhoneAccount[] {
    const rows = this.#state.rows<AccountRow>("SELECT * FROM account WHERE kind = 'phone' ORDER BY id");
    return rows.map(account).filter((found) => found?.kind === 'phone');
  }

  /** Returns the account with this number, made if need be. */
  addPhone(number: string, name: string): PhoneAccount {
    this.#state.run(
      "INSERT INTO account (kind, name, number, lid) VALUES ('phone', ?, ?, ?) ON CONFLICT (number) DO UPDATE SET name = excluded.name",
      name,
      number,
      newLid(),
    );
    return this.#expect(this.byNumber(number));
  }

  /** Returns the account of this identifier, made if need be. */
  enlist(identifier: string, name: string): InteropAccount {
    this.#state.run(
      `INSERT INTO account (kind, name, identifier, lid, interop_id) VALUES ('interop', ?, ?, ?, ?)
       ON CONFLICT (identifier) DO UPDATE SET name = excluded.name`,
      name,
      identifier,
      newLid(),
      newInteropId(),
    );
    return this.#expect(this.byIdentifier(identifier));
  }

  /** Forgets the account with its keys, queue and history. */
  remove(id: number): void {
    this.#state.run('DELETE FROM account WHERE id = ?', id);
  }

  setReadReceipts(id: number, enabled: boolean): void {
    this.#state.run('UPDATE account SET read_receipts = ? WHERE id = ?', enabled ? 1 : 0, id);
  }

  /** Everybody who has exchanged a message with this account. */
  peers(id: number): Account[] {
    return this.#state
      .rows<AccountRow>(
        `SELECT * FROM account WHERE id IN
           (SELECT recipient FROM routed WHERE sender = ? UNION SELECT sender FROM routed WHERE recipient = ?)`,
        id,
        id,
      )
      .map(account)
      .filter((found) => found !== undefined);
  }

  /**
   * How `viewer` sees `subject`. WhatsApp's own clients see everybody under a LID, and third-party users with a name that
   * says so; third-party clients see WhatsApp users as `addressing` says, with the other address beside it.
   */
  appearance(subject: Account, viewer: Account): Appearance {
    if (subject.kind === 'interop') {
      if (viewer.id === subject.id) return { jid: subject.interop, alternative: undefined, name: subject.name };
      return { jid: subject.lid, alternative: undefined, name: `${subject.name} · third-party chat` };
    }
    const { name, lid, pn } = subject;
    return viewer.kind === 'interop' && this.addressing === 'pn'
      ? { jid: pn, alternative: { attribute: 'sender_lid', jid: lid }, name }
      : { jid: lid, alternative: { attribute: 'sender_pn', jid: pn }, name };
  }

  /** Third parties know WhatsApp users only, not each other. */
  knows(viewer: Account, subject: Account): boolean {
    return viewer.kind === 'phone' || subject.kind === 'phone' || viewer.id === subject.id;
  }

  /** What people call this account: a phone number or a Matrix ID. */
  label(jid: Jid): string {
    const found = this.byJid(jid);
    if (!found) return formatJid(jid);
    return found.kind === 'phone' ? found.number : found.identifier;
  }

  /** The same for an address as messages write it; what is no address is returned as it is. */
  labelOfText(text: string): string {
    try {
      return this.label(parseJid(text));
    } catch (error) {
      if (error instanceof BridgeError) return text;
      throw error;
    }
  }

  #expect<Found>(found: Found | undefined): Found {
    if (found === undefined) throw new Error('account vanished while it was made');
    return found;
  }
}
