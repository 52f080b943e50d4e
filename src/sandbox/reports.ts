// What clients have reported to the network: which messages of whom. Kept as long as the process.
import { isUserJid } from '../model/jid.ts';
import {
  children,
  requireAttribute,
  requireChild,
  requireJid,
  type Stanza,
  StanzaError,
} from '../whatsapp/binary/index.ts';
import type { Account, Directory } from './directory.ts';

export interface SpamReport {
  /** The account that has reported. */
  readonly by: Account;
  readonly flow: string;
  /** Unix seconds. */
  readonly messages: readonly { readonly id: string; readonly t: number }[];
}

export class SpamReports {
  readonly #directory: Directory;
  readonly #reports = new Map<number, SpamReport[]>();

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** Throws StanzaError where it is none, or names somebody whom the reporter does not know. */
  take(by: Account, iq: Stanza): void {
    const list = requireChild(iq, 'spam_list');
    const flow = requireAttribute(list, 'spam_flow');
    const reported = this.#known(by, list, 'jid');
    const messages = children(list, 'message').map((message) => {
      if (this.#known(by, message, 'from').id !== reported.id) throw new StanzaError('wrong-attribute', 'message.from');
      return { id: requireAttribute(message, 'id'), t: Number(requireAttribute(message, 't')) };
    });
    this.#reports.set(reported.id, [...this.of(reported), { by, flow, messages }]);
  }

  of({ id }: Account): readonly SpamReport[] {
    return this.#reports.get(id) ?? [];
  }

  #known(by: Account, at: Stanza, name: string): Account {
    const jid = requireJid(at, name);
    const account = isUserJid(jid) ? this.#directory.byJid(jid) : undefined;
    if (account === undefined || !this.#directory.knows(by, account)) throw new StanzaError('wrong-attribute', name);
    return account;
  }
}
