// What could not be read, or not be fetched, is asked for once more and given once more: Signal's retries and those of files.
import { formatJid, type LidJid, sameUser, type UserJid, withoutDevice } from '../model/jid.ts';
import {
  attribute,
  child,
  jidAttribute,
  requireAttribute,
  requireChild,
  requireInteger,
  type Stanza,
} from '../whatsapp/binary/index.ts';
import { readBundle } from './key-stanzas.ts';
import { askedFor, isGenuine, retryAnswer } from './media-retry.ts';
import { fileOf } from './message-content.ts';
import { envelopeOf } from './phone-envelope.ts';
import type { Entry } from './phone-journal.ts';
import type { PhoneParts } from './phone-parts.ts';
import { PhoneSessions } from './phone-sessions.ts';
import * as stanzas from './phone-stanzas.ts';
import type { Bundle } from './pre-keys.ts';

/** Both sides of a retry give up after this many rounds, as the known clients do. */
const MAX_RETRIES = 5;

export class PhoneRetries {
  readonly #parts: PhoneParts;
  readonly #failures = new Map<string, number>();

  constructor(parts: PhoneParts) {
    this.#parts = parts;
  }

  /** Asks the sender to encrypt anew; with fresh keys where the session seems to be the trouble. */
  askAgain(message: Stanza, to: UserJid, hadSession: boolean): void {
    const { line } = this.#parts;
    const key = keyOf(to, requireAttribute(message, 'id'));
    const count = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, count);
    if (count <= MAX_RETRIES) line.send(this.#request(message, to, count, hadSession));
    line.send(stanzas.ackStanza(message));
  }

  /** It could be read after all. */
  forget(from: UserJid, id: string): void {
    this.#failures.delete(keyOf(from, id));
  }

  /** Encrypts for the device that could not read a message. */
  async answer(receipt: Stanza, to: LidJid): Promise<void> {
    const { network, account, journal, line, fanout } = this.#parts;
    const id = requireAttribute(receipt, 'id');
    const isOwn = sameUser(to, account.lid);
    const message = isOwn ? journal.byId(id) : journal.find('out', withoutDevice(to), id);
    const count = requireInteger(requireChild(receipt, 'retry'), 'count');
    if (message?.direction !== 'out' || count > MAX_RETRIES) return;
    const sessions = new PhoneSessions(network.state, account.id);
    const keys = child(receipt, 'keys');
    if (keys) await sessions.start(to, readBundle(keys, requireChild(receipt, 'registration')));
    else if (count > 1 || !(await sessions.has(to))) await fanout.startSessions(sessions, [to]);
    const copy = await fanout.encryptFor(sessions, to, message.peer, message.payload);
    network.state.transaction(() => sessions.commit());
    const envelope = envelopeOf(message.payload);
    const recipient = isOwn ? message.peer : undefined;
    line.send(stanzas.retriedMessage({ ...copy, id, count, envelope, recipient }));
  }

  /** Uploads a file again for a device that could not fetch it. */
  async answerFileRequest(receipt: Stanza, from: LidJid): Promise<void> {
    const { files, line } = this.#parts;
    const id = requireAttribute(receipt, 'id');
    const entry = this.#requested(receipt, from, id);
    const file = entry && fileOf(entry.payload);
    if (!entry || !file) return line.send(retryAnswer(receipt, id, undefined, { result: 'not-found' }));
    if (!isGenuine(receipt, id, file.mediaKey)) {
      return line.send(retryAnswer(receipt, id, file.mediaKey, { result: 'not-genuine' }));
    }
    const directPath = await files.uploadAgain(entry);
    const outcome =
      directPath === undefined ? ({ result: 'not-found' } as const) : ({ result: 'found', directPath } as const);
    line.send(retryAnswer(receipt, id, file.mediaKey, outcome));
  }

  /** One's own devices mean a message of any chat, others one of the chat with them. */
  #requested(receipt: Stanza, from: LidJid, id: string): Entry | undefined {
    const { network, account, journal } = this.#parts;
    const { chat, fromMe } = askedFor(receipt);
    if (!sameUser(from, account.lid)) return journal.find(fromMe ? 'in' : 'out', withoutDevice(from), id);
    const peer = chat && network.directory.byJid(chat)?.lid;
    return peer && journal.find(fromMe ? 'out' : 'in', peer, id);
  }

  #request(message: Stanza, to: UserJid, count: number, hadSession: boolean): Stanza {
    const { keys } = this.#parts;
    const id = requireAttribute(message, 'id');
    const own = keys.current();
    const offered: Bundle | undefined =
      count > 1 || !hadSession ? { ...own, preKey: keys.createOneTimeKeys(1)[0] } : undefined;
    const { registrationId } = own;
    const recipient = jidAttribute(message, 'recipient');
    const time = attribute(message, 't');
    return stanzas.retryReceipt({ id, to, recipient, count, time, registrationId, keys: offered });
  }
}

const keyOf = (device: UserJid, id: string): string => `${formatJid(device)} ${id}`;
