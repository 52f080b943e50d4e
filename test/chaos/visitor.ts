// A Matrix user who opts in and out while the process dies, and counts what the bot says.
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import type { World } from '../support/world.ts';

export class Visitor {
  readonly #world: World;
  readonly #user: MatrixUser;
  readonly #room: string;
  #asked = 0;
  #in = false;
  #out = false;
  #separated = false;

  private constructor(world: World, user: MatrixUser, room: string) {
    this.#world = world;
    this.#user = user;
    this.#room = room;
  }

  static async arrive(world: World): Promise<Visitor> {
    const user = await world.homeserver.login('visitor', { strict: true });
    return new Visitor(world, user, await world.talkToBot(user));
  }

  async help(): Promise<void> {
    this.#asked += 1;
    await this.#user.sendText(this.#room, 'help');
  }

  /** The first time; after that it is on its way. */
  async optIn(): Promise<void> {
    if (this.#in) return;
    this.#in = true;
    await this.#world.ask(this.#user, this.#room, 'opt-in', /Answer "yes"/);
    await this.#user.sendText(this.#room, 'yes');
  }

  /** Likewise. There is a chat that has to come into the Space. */
  async separate(phone: SandboxPhone): Promise<void> {
    if (this.#separated) return;
    this.#separated = true;
    await phone.send(this.#user.userId, 'hello visitor');
    const portal = await this.#world.joinPortal(this.#user);
    await this.#user.waitForMessage(portal, ({ body }) => body === 'hello visitor');
    await this.#user.sendText(this.#room, 'inbox separate');
  }

  async combine(): Promise<void> {
    await this.#user.sendText(this.#room, 'inbox combined');
  }

  /** Likewise. The chat has to end with it. */
  async optOut(): Promise<void> {
    if (this.#out) return;
    this.#out = true;
    await this.#user.sendText(this.#room, 'opt-out');
  }

  /** Waits for the last word; returns what the bot has said too often or not at all. */
  async complaints(): Promise<string[]> {
    const expected: [RegExp, number][] = [
      [/^opt-in: connect/, this.#asked],
      [/You are connected/, this.#in ? 1 : 0],
      [/is complete/, this.#out ? 1 : 0],
    ];
    for (const [text, times] of expected) if (times > 0) await this.#said(text, times);
    const all = await this.#user.messages(this.#room);
    const spaces = this.#user.client.getRooms().filter((room) => room.isSpaceRoom());
    const oneSpace = spaces.length === (this.#separated ? 1 : 0) ? [] : [`there have been ${spaces.length} Spaces`];
    const wrong = expected.flatMap(([text, times]) => {
      const said = all.filter(({ sender, body }) => sender !== this.#user.userId && text.test(body ?? '')).length;
      return said === times ? [] : [`the bot has said ${text} ${said} times, not ${times}`];
    });
    return [...wrong, ...oneSpace];
  }

  async #said(text: RegExp, times: number): Promise<void> {
    let left = times;
    const seen = new Set<string>();
    await this.#user
      .waitForMessage(this.#room, ({ eventId, sender, body }) => {
        if (sender !== this.#user.userId && text.test(body ?? '') && !seen.has(eventId)) {
          seen.add(eventId);
          left -= 1;
        }
        return left <= 0;
      })
      // Counted afterwards.
      .catch(() => undefined);
  }
}
