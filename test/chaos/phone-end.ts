// A contact's phone in a run: does what the plan says, and knows what it has received.
import { create, toBinary } from '@bufbuild/protobuf';
import type { PhoneMessage, SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { MessageSchema, ProtocolMessage_Type } from '../../src/proto/message_pb.ts';
import { parseMessage } from '../../src/translate/to-matrix.ts';
import type { Received } from './ledger.ts';
import { bytesOf, Numbers, numberIn, textOf } from './numbers.ts';
import type { Action } from './plan.ts';

const pollMs = 1_000;
const patienceMs = 10_000;
const filePatienceMs = 60_000;
/** Nothing that the bridge carries: it says so in the room. */
const unsupported = toBinary(MessageSchema, create(MessageSchema, { pinInChatMessage: {} }));

export class PhoneEnd {
  readonly phone: SandboxPhone;
  /** Which message id is which action, of either side. */
  readonly ids: Numbers<string>;
  readonly #entries: PhoneMessage[] = [];
  #stopped = false;
  #following: Promise<void>;

  /** `came` is called for everything that arrives. */
  constructor(phone: SandboxPhone, came: () => void) {
    this.phone = phone;
    this.ids = new Numbers(came);
    this.#following = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#following;
  }

  /** `to`: a Matrix ID; `about`: the id of the message that it is about. */
  async perform(action: Action, to: string, about: string | undefined): Promise<void> {
    this.ids.set(action.number, await this.#send(action, to, about ?? ''));
  }

  /** What the user with this Matrix ID has sent, in the order in which it arrived. */
  history(from: string, expected: readonly Action[]): Received[] {
    const entries = this.#entries.filter((one) => one.direction === 'in' && one.from === from);
    return entries.map((entry) => this.#read(entry, expected));
  }

  /** Which of `expected` came under these message ids. */
  numbersOf(ids: readonly string[], expected: readonly Action[]): number[] {
    const entries = this.#entries.filter(({ id }) => ids.includes(id));
    const received = entries.map((entry) => this.#read(entry, expected));
    return received.flatMap((one) => (one.kind === 'message' ? one.number : []));
  }

  /** Files of `expected` that did not arrive as they were sent. */
  async damaged(expected: readonly Action[]): Promise<Received[]> {
    const damaged: Received[] = [];
    for (const { number } of expected.filter(({ kind }) => kind === 'file')) {
      const id = this.ids.get(number);
      const state = id === undefined ? undefined : (await this.phone.fetched(id, filePatienceMs)).media?.state;
      if (id === undefined) continue;
      const whole = state === 'verified' && (await this.phone.download(id)).equals(bytesOf(number));
      if (!whole) damaged.push({ kind: 'stray', text: `the file of ${number} is damaged` });
    }
    return damaged;
  }

  /** Those of `expected` that the phone does not see as delivered, after some patience. */
  async unconfirmed(expected: readonly Action[]): Promise<number[]> {
    const missing: number[] = [];
    for (const { number } of expected) {
      const id = this.ids.get(number);
      const status = id === undefined ? 'unknown' : (await this.phone.message(id, 'delivered', patienceMs)).status;
      if (status !== 'delivered' && status !== 'read') missing.push(number);
    }
    return missing;
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      for (const entry of await this.phone.messages(this.#entries.at(-1)?.seq, pollMs)) {
        this.#entries.push(entry);
        const number = entry.direction === 'in' ? textNumber(entry) : undefined;
        if (number !== undefined) this.ids.set(number, entry.id);
      }
    }
  }

  #send(action: Action, to: string, id: string): Promise<string> {
    const text = textOf(action);
    switch (action.kind) {
      case 'text':
        return this.phone.send(to, text);
      case 'file':
      case 'dropped-file': {
        const file = { type: 'document', content: bytesOf(action.number), fileName: `${action.number}.bin` } as const;
        const fault = action.kind === 'file' ? {} : { fault: { fault: 'drop' } as const };
        return this.phone.sendFile(to, { ...file, mimetype: 'application/octet-stream', caption: text, ...fault });
      }
      case 'unsupported':
        return this.phone.sendRaw(to, unsupported);
      case 'reply':
      case 'edit':
        return this.phone.refer(to, { type: action.kind, id, text });
      case 'reaction':
        return this.phone.refer(to, { type: 'reaction', id, emoji: action.emoji ?? '' });
      case 'deletion':
        return this.phone.refer(to, { type: 'delete', id });
    }
  }

  #read(entry: PhoneMessage, expected: readonly Action[]): Received {
    const number = textNumber(entry) ?? this.#reference(entry, expected);
    if (number !== undefined) return { kind: 'message', number, late: false };
    return entry.type === 'unknown' ? { kind: 'undecryptable' } : { kind: 'stray', text: entry.type };
  }

  #reference({ raw }: PhoneMessage, expected: readonly Action[]): number | undefined {
    const { reactionMessage, protocolMessage } = parseMessage(Buffer.from(raw, 'base64'));
    const about = this.ids.numberOf(reactionMessage?.key?.id ?? protocolMessage?.key?.id ?? '');
    const kind = reactionMessage ? 'reaction' : 'deletion';
    const meant = expected.filter((one) => one.kind === kind && one.about === about);
    return meant.find((one) => kind === 'deletion' || one.emoji === reactionMessage?.text)?.number;
  }
}

/** The number in the words of a text, a reply or an edit. */
function textNumber({ raw }: PhoneMessage): number | undefined {
  const message = parseMessage(Buffer.from(raw, 'base64'));
  const { protocolMessage: protocol } = message;
  const edited = protocol?.type === ProtocolMessage_Type.MESSAGE_EDIT ? protocol.editedMessage : undefined;
  const { conversation, extendedTextMessage } = edited ?? message;
  const document = message.documentMessage ?? message.documentWithCaptionMessage?.message?.documentMessage;
  return numberIn(conversation || extendedTextMessage?.text || document?.caption);
}
