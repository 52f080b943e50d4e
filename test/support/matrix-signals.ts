// What a Matrix user sees and shows besides messages: who has read what, and who types.
import { loadMatrixSdk, type MatrixSdk } from '../../src/demo/matrix-sdk.ts';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import { waitFor } from '../../src/demo/matrix-wait.ts';

const timeoutMs = 30_000;

export class MatrixSignals {
  readonly #sdk: MatrixSdk['sdk'];
  readonly #user: MatrixUser;
  readonly #room: string;

  private constructor(sdk: MatrixSdk['sdk'], user: MatrixUser, room: string) {
    this.#sdk = sdk;
    this.#user = user;
    this.#room = room;
  }

  static async of(user: MatrixUser, room: string): Promise<MatrixSignals> {
    return new MatrixSignals((await loadMatrixSdk()).sdk, user, room);
  }

  /** The last event that somebody has read, by their receipt; the library's own guesses do not count. */
  readBy(who: string): string | null {
    return this.#user.client.getRoom(this.#room)?.getEventReadUpTo(who, true) ?? null;
  }

  async waitUntilReadBy(who: string, event: string): Promise<void> {
    const { client } = this.#user;
    await waitFor({
      what: `${who} to have read ${event}`,
      timeoutMs,
      watch: (check) => {
        client.on(this.#sdk.RoomEvent.Receipt, check);
        return () => client.off(this.#sdk.RoomEvent.Receipt, check);
      },
      probe: () => (this.readBy(who) === event ? true : undefined),
      seen: () => [`read up to ${this.readBy(who)}`],
    });
  }

  async waitUntilTyping(who: string, typing: boolean): Promise<void> {
    const { client } = this.#user;
    const now = () => client.getRoom(this.#room)?.getMember(who)?.typing ?? false;
    await waitFor({
      what: `${who} to be ${typing ? 'typing' : 'silent'}`,
      timeoutMs,
      watch: (check) => {
        client.on(this.#sdk.RoomMemberEvent.Typing, check);
        return () => client.off(this.#sdk.RoomMemberEvent.Typing, check);
      },
      probe: () => (now() === typing ? true : undefined),
      seen: () => [now() ? 'typing' : 'not typing'],
    });
  }

  /** As Element does when an event is on the screen. */
  async read(event: string, visibility: 'public' | 'private' = 'public'): Promise<void> {
    const found = this.#user.client.getRoom(this.#room)?.findEventById(event);
    if (!found) throw new Error('the event is not in the timeline');
    const { ReceiptType } = this.#sdk;
    await this.#user.client.sendReadReceipt(
      found,
      visibility === 'public' ? ReceiptType.Read : ReceiptType.ReadPrivate,
    );
  }

  async type(typing: boolean): Promise<void> {
    await this.#user.client.sendTyping(this.#room, typing, timeoutMs);
  }
}
