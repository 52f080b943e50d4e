// A contact with one device: a real Signal identity and one session, kept in memory.
import { systemClock } from '../../../src/model/clock.ts';
import { newAccountId, newContactId } from '../../../src/model/ids.ts';
import type { UserJid } from '../../../src/model/jid.ts';
import type {
  PeerDevice,
  PreKeyBundle,
  PublicKeys,
  Signal,
  SignalCiphertext,
  SignalWork,
} from '../../../src/model/signal.ts';
import { type Stanza, stanza } from '../../../src/whatsapp/binary/index.ts';
import { createSignal } from '../../../src/whatsapp/signal/index.ts';
import { keyNodes, registrationNode } from '../../../src/whatsapp/stanzas-keys.ts';
import { CommittedState } from '../../support/signal-state.ts';

export class Peer {
  readonly jid: UserJid;
  readonly user: string;
  /** When each message to this contact was taken. */
  readonly taken: number[] = [];
  readonly #state: CommittedState;
  readonly #signal: Signal;
  readonly #keys: PublicKeys;
  /** The account at the other end, as this contact knows it. */
  readonly #other: PeerDevice;

  private constructor(jid: UserJid) {
    this.jid = jid;
    this.user = String(jid.user);
    this.#state = new CommittedState();
    this.#signal = createSignal({ reads: this.#state, clock: systemClock });
    const own = newAccountId();
    this.#other = { account: own, contact: newContactId(), device: 0 };
    const { keys, changes } = this.#signal.createIdentity(own, 1);
    this.#state.commit(changes);
    this.#keys = keys;
  }

  /** Starts a session with the account. */
  static async create(jid: UserJid, account: PreKeyBundle): Promise<Peer> {
    const peer = new Peer(jid);
    await peer.#work((unit) => unit.start(peer.#other, account));
    return peer;
  }

  seal(payload: Uint8Array): Promise<SignalCiphertext> {
    return this.#work((unit) => unit.encrypt(this.#other, payload));
  }

  async open(type: SignalCiphertext['type'], bytes: Uint8Array): Promise<void> {
    const { outcome } = await this.#work((unit) => unit.decrypt(this.#other, { type, bytes }));
    if (outcome !== 'plaintext') throw new Error(`a message to a contact could not be opened: ${outcome}`);
  }

  bundle(): PublicKeys {
    return this.#keys;
  }

  #work<Result>(task: (unit: SignalWork) => Promise<Result>): Promise<Result> {
    return this.#signal.exclusively([this.#other], async (unit) => {
      const result = await task(unit);
      this.#state.commit(unit.changes());
      return result;
    });
  }
}

export function bundleStanza(jid: UserJid, keys: PublicKeys): Stanza {
  return stanza('user', { jid }, [registrationNode(keys.registrationId), ...keyNodes(keys)]);
}
