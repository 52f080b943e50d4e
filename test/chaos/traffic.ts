// Traffic: the plan's actions carried out at both ends, those of one side of a chat one after another, and in the end what came of them.
import { z } from 'zod';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import { Serial } from '../../src/model/serial.ts';
import type { World } from '../support/world.ts';
import type { Lane } from './ledger.ts';
import { MatrixEnd } from './matrix-end.ts';
import { Patience } from './patience.ts';
import { PhoneEnd } from './phone-end.ts';
import type { Action, Side } from './plan.ts';

/** How long nothing may come while a process lives that is not killed. Long after that nothing comes any more. */
const patienceMs = 90_000;
const firstPhone = 31_620_000_000;
const swaps = z.object({ swapped: z.array(z.string()) });
const damages = z.object({ corrupted: z.array(z.string()) });
/** Above all numbers of a plan. */
const firstClosing = 1_000_000;

interface Chat {
  readonly user: MatrixEnd;
  readonly phone: PhoneEnd;
}

export class Traffic {
  readonly #world: World;
  readonly #users: readonly MatrixEnd[];
  readonly #chats = new Map<number, Promise<Chat>>();
  readonly #phones = new Map<number, Promise<PhoneEnd>>();
  readonly #order = new Serial<string>();
  readonly #actions: Map<number, Action>;
  /** What was handed over, by lane. */
  readonly #sent = new Map<string, Action[]>();
  readonly #failures: string[] = [];
  readonly #patience: Patience;
  #closing = firstClosing;

  private constructor(world: World, users: readonly MatrixEnd[], actions: Map<number, Action>, patience: Patience) {
    this.#world = world;
    this.#users = users;
    this.#actions = actions;
    this.#patience = patience;
  }

  /** `users` have opted in. */
  static async between(world: World, users: readonly MatrixUser[]): Promise<Traffic> {
    const actions = new Map<number, Action>();
    const chatOf = (number: number): number | undefined => actions.get(number)?.chat;
    const patience = new Patience(patienceMs);
    const ends = users.map((user) => MatrixEnd.of(user, chatOf, () => patience.renew()));
    return new Traffic(world, await Promise.all(ends), actions, patience);
  }

  get users(): readonly MatrixEnd[] {
    return this.#users;
  }

  /** Calls the sandbox's control API. */
  async control(path: string, body?: object): Promise<unknown> {
    const { phone } = await this.chat(0);
    return phone.phone.call(body === undefined ? 'GET' : 'POST', path, body);
  }

  /** Resolves when everything that was begun has been handed over, or given up. */
  async handedOver(): Promise<void> {
    await this.#order.drain();
  }

  /** What was handed over. */
  get sent(): readonly Action[] {
    return [...this.#sent.values()].flat();
  }

  /** What could not even be handed over. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Begins these actions; each side of each chat keeps to their order. */
  begin(actions: readonly Action[]): void {
    for (const action of actions) {
      this.#actions.set(action.number, action);
      const performed = this.#order.run(laneOf(action), () => this.#perform(action));
      performed.catch((error: unknown) =>
        this.#failures.push(`${laneOf(action)}: #${action.number}: ${String(error)}`),
      );
    }
  }

  /** The process that runs now is not killed: from now on something must come. */
  lives(): void {
    this.#patience.begin();
  }

  /** Resolves when these have come to the other side, or never will; answers those that have not. */
  async arrived(actions: readonly Action[], over = AbortSignal.timeout(patienceMs)): Promise<readonly Action[]> {
    const texts = actions.filter(({ kind }) => kind === 'text');
    const missing = texts.map(async (action) => {
      const { user, phone } = await this.chat(action.chat);
      const there = await (action.from === 'whatsapp' ? user.events : phone.ids).wait(action.number, over);
      return there === undefined ? [action] : [];
    });
    return (await Promise.all(missing)).flat();
  }

  /** Resolves when everything that was begun has arrived and its senders know it, as far as they are told. */
  async settled(): Promise<void> {
    await this.#order.drain();
    await this.arrived([...this.#actions.values()]);
    for (const sent of this.#sent.values()) {
      const [{ chat, from } = { chat: 0, from: 'matrix' }] = sent;
      if (from === 'whatsapp') await (await this.chat(chat)).phone.unconfirmed(sent);
    }
  }

  /** Writes a last text in every lane and waits for them: what was written before has arrived by then, or never will. Answers those that have not come. */
  async close(): Promise<readonly Action[]> {
    await this.#order.drain();
    const last = [...this.#sent.values()]
      .flatMap((sent) => sent[0] ?? [])
      .map(({ chat, from }): Action => {
        this.#closing += 1;
        return { number: this.#closing, chat, from, kind: 'text' };
      });
    this.begin(last);
    await this.#order.drain();
    return this.awaited(last);
  }

  /** `arrived`, for as long as anything comes at all. */
  awaited(actions: readonly Action[]): Promise<readonly Action[]> {
    return this.arrived(actions, this.#patience.over);
  }

  /** What each lane was given, and what came out of it. */
  async lanes(): Promise<Lane[]> {
    const lanes: Lane[] = [];
    const { swapped } = swaps.parse(await this.control('/faults/swap'));
    const { corrupted } = damages.parse(await this.control('/faults/corrupt'));
    for (const [name, sent] of this.#sent) {
      const [{ chat, from } = { chat: 0, from: 'matrix' as Side }] = sent;
      const { user, phone } = await this.chat(chat);
      const numbers = sent.map(({ number }) => number);
      if (from === 'whatsapp') {
        const room = user.rooms.get(chat);
        const received = room === undefined ? [] : await user.history(room, sent);
        const unordered = new Set(swapped.flatMap((id) => phone.ids.numberOf(id) ?? []));
        lanes.push({ name, sent: numbers, received, unordered, unconfirmed: await phone.unconfirmed(sent) });
      } else {
        const received = [...phone.history(user.user.userId, sent), ...(await phone.damaged(sent))];
        // The phone shows a message that it had to ask for again when it has it.
        const unordered = new Set(phone.numbersOf(corrupted, sent));
        lanes.push({ name, sent: numbers, received, unordered, unconfirmed: [] });
      }
    }
    return lanes;
  }

  async stop(): Promise<void> {
    this.#patience.end();
    await Promise.all([...this.#phones.values()].map(async (phone) => (await phone).stop()));
  }

  async #perform(action: Action): Promise<void> {
    const { user, phone } = await this.chat(action.chat);
    const { about } = action;
    const { over } = this.#patience;
    if (action.from === 'matrix') {
      const room = await found(`the room of chat ${action.chat}`, user.rooms.wait(action.chat, over));
      const event = about === undefined ? undefined : await found(`#${about}`, user.events.wait(about, over));
      // What is taken back before it was pushed is pushed without its content.
      if (action.kind === 'deletion') await found(`#${about} on the phone`, phone.ids.wait(about ?? 0, over));
      await user.perform(action, room, event);
    } else {
      const id = about === undefined ? undefined : await found(`#${about}`, phone.ids.wait(about, over));
      // What is taken back before it was seen could not be told from another.
      if (about !== undefined) await found(`#${about} in Matrix`, user.events.wait(about, over));
      await phone.perform(action, user.user.userId, id);
    }
    this.#sent.set(laneOf(action), [...(this.#sent.get(laneOf(action)) ?? []), action]);
  }

  chat(chat: number): Promise<Chat> {
    const known = this.#chats.get(chat) ?? this.#makeChat(chat);
    this.#chats.set(chat, known);
    return known;
  }

  /** The users take turns. The first contact writes with two of them. */
  async #makeChat(chat: number): Promise<Chat> {
    const user = this.#users[chat % this.#users.length];
    if (user === undefined) throw new Error('nobody has opted in');
    return { user, phone: await this.#phone(Math.max(0, chat - this.#users.length + 1)) };
  }

  #phone(index: number): Promise<PhoneEnd> {
    const make = async (): Promise<PhoneEnd> =>
      new PhoneEnd(await this.#world.phone(String(firstPhone + index), `Phone ${index}`), () => this.#patience.renew());
    const known = this.#phones.get(index) ?? make();
    this.#phones.set(index, known);
    return known;
  }
}

export const laneOf = ({ chat, from }: Pick<Action, 'chat' | 'from'>): string => `chat ${chat} from ${from}`;

async function found<Value>(what: string, value: Promise<Value | undefined>): Promise<Value> {
  const answer = await value;
  if (answer === undefined) throw new Error(`${what} has not come`);
  return answer;
}
