// What is said beside messages: that one has arrived, and who has read what. One user has all of it switched on, and in the end all of it is known.
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import { systemClock } from '../../src/model/clock.ts';
import { MatrixSignals } from '../support/matrix-signals.ts';
import type { World } from '../support/world.ts';
import type { Action } from './plan.ts';
import type { Traffic } from './traffic.ts';

const patienceMs = 20_000;
const pollMs = 250;
/** What an edit, a reaction or a deletion comes to is no message of its own. */
const marked: readonly Action['kind'][] = ['text', 'reply', 'file'];

/** For the first user alone: the other one lets nothing be known. */
export async function switchOn(world: World, user: MatrixUser, botRoom: string): Promise<void> {
  await world.ask(user, botRoom, 'receipts on', /sees when you have read/);
  await world.ask(user, botRoom, 'delivery-marks on', /Delivery marks are on/);
}

export class Marks {
  readonly #traffic: Traffic;
  readonly #readByUser: Action[] = [];
  #readByContact: Action | undefined;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  /** Once it has come to the other side, it is read there; not where it has not come before `ended`. */
  async read(action: Action, ended: AbortSignal): Promise<void> {
    const { user, phone } = await this.#traffic.chat(action.chat);
    if (action.from === 'matrix') {
      const id = await phone.ids.wait(action.number, ended);
      if (id === undefined) return;
      await phone.phone.confirm(id, 'read');
      this.#readByContact = action;
    } else {
      const event = await user.events.wait(action.number, ended);
      if (event === undefined) return;
      await (await this.#signals(action)).read(event);
      this.#readByUser.push(action);
    }
  }

  async complaints(): Promise<string[]> {
    return [...(await this.#untold()), ...(await this.#notShown()), ...(await this.#wronglyMarked())];
  }

  async #signals({ chat }: Action): Promise<MatrixSignals> {
    const { user } = await this.#traffic.chat(chat);
    return MatrixSignals.of(user.user, user.rooms.get(chat) ?? '');
  }

  async #untold(): Promise<string[]> {
    const untold: string[] = [];
    for (const { chat, number } of this.#readByUser) {
      const { phone } = await this.#traffic.chat(chat);
      const { status } = await phone.phone.message(phone.ids.get(number) ?? '', 'read', patienceMs);
      if (status !== 'read') untold.push(`chat ${chat}: the contact does not know that #${number} was read`);
    }
    return untold;
  }

  /** Whoever has read the last one has read what stands before it. */
  async #notShown(): Promise<string[]> {
    const last = this.#readByContact;
    if (last === undefined) return [];
    const { user } = await this.#traffic.chat(last.chat);
    const members = await user.user.members(user.rooms.get(last.chat) ?? '');
    const ghost = members.find(({ userId }) => userId.startsWith('@wa_'))?.userId ?? '';
    const signals = await this.#signals(last);
    return signals.waitUntilReadBy(ghost, user.events.get(last.number) ?? '').then(
      () => [],
      () => [`chat ${last.chat}: the user does not see that #${last.number} was read`],
    );
  }

  async #wronglyMarked(): Promise<string[]> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const wrong = await this.#marks();
      if (wrong.length === 0 || performance.now() > deadline) return wrong;
      await systemClock.sleep(pollMs);
    }
  }

  /** What is not marked once, of the first user; and what is marked at all, of the other one. */
  async #marks(): Promise<string[]> {
    const { users, sent } = this.#traffic;
    const wrong: string[] = [];
    for (const chat of new Set(sent.map((action) => action.chat))) {
      const { user } = await this.#traffic.chat(chat);
      const room = user.rooms.get(chat);
      const seen = room === undefined ? [] : await user.marked(room);
      const times = user === users[0] ? 1 : 0;
      const ofChat = sent.filter((one) => one.chat === chat && one.from === 'matrix' && marked.includes(one.kind));
      for (const { number } of ofChat) {
        const found = seen.filter((event) => event === user.events.get(number)).length;
        // Once its deletion has followed, a message is forgotten, and so is who confirms it.
        if (found === 0 && sent.some(({ kind, about }) => kind === 'deletion' && about === number)) continue;
        if (found !== times) wrong.push(`chat ${chat}: #${number} is marked ${found} times, not ${times}`);
      }
    }
    return wrong;
  }
}
