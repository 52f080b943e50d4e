// A Matrix user in a run: joins what they are invited to, does what the plan says, and knows what their client shows.
import type { MatrixEvent } from 'matrix-js-sdk';
import { loadMatrixSdk } from '../../src/demo/matrix-sdk.ts';
import { allEvents } from '../../src/demo/matrix-timeline.ts';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import { deliveryMark } from '../../src/translate/capabilities.ts';
import { openFile, sendFile } from '../support/matrix-files.ts';
import type { Received } from './ledger.ts';
import { bytesOf, Numbers, numberIn, textOf } from './numbers.ts';
import type { Action } from './plan.ts';

const noticeField = 'matrix-appservice-whatsapp.notice';

export class MatrixEnd {
  readonly user: MatrixUser;
  /** Which event is which action, of either side. */
  readonly events: Numbers<string>;
  /** Which room is which chat. */
  readonly rooms: Numbers<string>;
  readonly #chatOf: (number: number) => number | undefined;

  private constructor(user: MatrixUser, chatOf: (number: number) => number | undefined, came: () => void) {
    this.user = user;
    this.events = new Numbers(came);
    this.rooms = new Numbers(came);
    this.#chatOf = chatOf;
  }

  /** `chatOf`: the chat of an action; `came` is called for everything that arrives. */
  static async of(
    user: MatrixUser,
    chatOf: (number: number) => number | undefined,
    came: () => void,
  ): Promise<MatrixEnd> {
    const end = new MatrixEnd(user, chatOf, came);
    const { RoomEvent, RoomMemberEvent, MatrixEventEvent } = (await loadMatrixSdk()).sdk;
    user.client.on(RoomMemberEvent.Membership, (event, member) => {
      const isInvitation = member.userId === user.userId && member.membership === 'invite';
      if (isInvitation && event.getSender()?.startsWith('@wa_')) end.#join(member.roomId);
    });
    user.client.on(RoomEvent.Timeline, (event) => end.#index(event));
    user.client.on(MatrixEventEvent.Decrypted, (event) => end.#index(event));
    return end;
  }

  /** Resolves when the homeserver has accepted it. `room`: of the chat; `about`: the event that it is about. */
  async perform(action: Action, room: string, about: string | undefined): Promise<void> {
    const event = await this.#send(action, room, about ?? '');
    this.events.set(action.number, event);
  }

  /** Everything that others have put into this room, in the order of the room. */
  async history(room: string, expected: readonly Action[]): Promise<Received[]> {
    const { client, userId } = this.user;
    if (!client.getRoom(room)) return [];
    const all = await allEvents(await loadMatrixSdk(), client, room);
    const events = all.filter((event) => !event.isState() && event.getSender() !== userId);
    for (const event of events) this.#index(event);
    const reader = new Reader(this.events, expected);
    const received = events.flatMap((event) => reader.read(event) ?? []);
    return [...received, ...(await this.#damaged(events))];
  }

  /** The events of this room that are marked as arrived, as often as they are. */
  async marked(room: string): Promise<string[]> {
    const all = await allEvents(await loadMatrixSdk(), this.user.client, room);
    const relations = all.map((event) => event.getContent()['m.relates_to']);
    return relations.flatMap((relation) => (relation?.key === deliveryMark ? (relation.event_id ?? []) : []));
  }

  /** Files that are not what was sent. */
  async #damaged(events: readonly MatrixEvent[]): Promise<Received[]> {
    const damaged: Received[] = [];
    for (const event of events) {
      const number = numberOf(event);
      const { file } = event.getContent();
      if (number === undefined || file === undefined) continue;
      const opened = await openFile(this.user, file).catch(() => undefined);
      if (!opened?.equals(bytesOf(number))) damaged.push({ kind: 'stray', text: `the file of ${number} is damaged` });
    }
    return damaged;
  }

  #join(room: string): void {
    this.user.client.joinRoom(room).catch((error: unknown) => {
      // The homeserver may be away; the invitation stays.
      if (error instanceof Error) setTimeout(() => this.#join(room), 500).unref();
    });
  }

  #index(event: MatrixEvent): void {
    const number = numberOf(event);
    const [id, room] = [event.getId(), event.getRoomId()];
    if (number === undefined || id === undefined || event.status !== null || room === undefined) return;
    this.events.set(number, id);
    const chat = this.#chatOf(number);
    if (chat !== undefined) this.rooms.set(chat, room);
  }

  async #send(action: Action, room: string, about: string): Promise<string> {
    const { user } = this;
    const text = textOf(action);
    switch (action.kind) {
      case 'text':
        return user.sendText(room, text);
      case 'reply':
        return user.reply(room, about, text);
      case 'reaction':
        return user.react(room, about, action.emoji ?? '');
      case 'deletion':
        return user.redact(room, about);
      case 'edit': {
        const relation = { rel_type: 'm.replace', event_id: about };
        const content = { msgtype: 'm.text', body: text };
        const edit = { ...content, 'm.new_content': content, 'm.relates_to': relation };
        return (await user.client.sendEvent(room, 'm.room.message' as never, edit as never)).event_id;
      }
      case 'file': {
        const filename = `${action.number}.bin`;
        return sendFile(user, room, bytesOf(action.number), { msgtype: 'm.file', body: text, filename });
      }
      case 'dropped-file':
      case 'unsupported':
        throw new Error(`nothing that a Matrix user sends is planned as ${action.kind}`);
    }
  }
}

/** The number in the words of a message or an edit, as it was written. */
function numberOf(event: MatrixEvent): number | undefined {
  const content: Record<string, unknown> = event.getOriginalContent();
  return event.getType() === 'm.room.message' && content.msgtype !== 'm.notice' ? numberIn(content.body) : undefined;
}

/** Turns events into what the ledger knows. What has been taken back shows no content any more. */
class Reader {
  readonly #events: Numbers<string>;
  readonly #expected: readonly Action[];
  readonly #reactions = new Map<string, number>();
  readonly #redacted = new Set<string>();
  readonly #seen = new Set<number>();
  #nextIsLate = false;

  constructor(events: Numbers<string>, expected: readonly Action[]) {
    this.#events = events;
    this.#expected = expected;
  }

  read(event: MatrixEvent): Received | undefined {
    const received = this.#read(event);
    if (received?.kind !== 'message') return received;
    this.#seen.add(received.number);
    const late = this.#nextIsLate;
    this.#nextIsLate = false;
    return { ...received, late };
  }

  #read(event: MatrixEvent): Received | undefined {
    const id = event.getId() ?? '';
    const known = this.#events.numberOf(id);
    if (known !== undefined) return message(known);
    if (event.getType() === 'm.room.redaction') return this.#redaction(event);
    if (event.getType() === 'm.reaction') return this.#reaction(event, id);
    if (event.isRedacted()) return this.#takenBack((one) => this.#isDeleted(one));
    if (event.decryptionFailureReason) return { kind: 'undecryptable' };
    return this.#notice(event);
  }

  #reaction(event: MatrixEvent, id: string): Received | undefined {
    if (event.isRedacted()) {
      this.#reactions.set(id, 0);
      return this.#takenBack((one) => one.kind === 'reaction' && this.#isReplaced(one));
    }
    const relation = event.getContent()['m.relates_to'];
    if (relation?.key === deliveryMark) return undefined;
    const about = this.#events.numberOf(relation?.event_id ?? '');
    const action = this.#expected.find(
      (one) => one.kind === 'reaction' && one.about === about && one.emoji === relation?.key,
    );
    if (action === undefined) return { kind: 'stray', text: `a reaction to ${about}` };
    this.#reactions.set(id, action.number);
    return message(action.number);
  }

  #redaction(event: MatrixEvent): Received | undefined {
    const target: unknown = event.event.redacts ?? event.getContent().redacts;
    if (typeof target !== 'string') return { kind: 'stray', text: 'a redaction of nothing' };
    const again = this.#redacted.has(target);
    this.#redacted.add(target);
    if (this.#reactions.has(target)) return again ? { kind: 'stray', text: 'a reaction taken back twice' } : undefined;
    const about = this.#events.numberOf(target);
    const action = this.#expected.find((one) => one.kind === 'deletion' && one.about === about);
    return action ? message(action.number) : { kind: 'stray', text: `a deletion of ${about ?? 'something unknown'}` };
  }

  /** The bridge says what it does not carry in a message's place. */
  #notice(event: MatrixEvent): Received | undefined {
    const content = event.getContent();
    const code: unknown = content[noticeField]?.code;
    if (code === 'label') return undefined;
    if (code === 'late') {
      this.#nextIsLate = true;
      return undefined;
    }
    // What the bridge says of a message that it has not carried tells a refusal from a loss.
    if (code !== 'unsupported')
      return { kind: 'stray', text: `${event.getType()} ${code ?? ''} ${content.body ?? ''}` };
    const action = this.#expected.find((one) => one.kind === 'unsupported' && !this.#seen.has(one.number));
    return action ? message(action.number) : { kind: 'stray', text: 'a notice of something that is not carried' };
  }

  /** The first that is not accounted for of those that may be without content by now. */
  #takenBack(may: (action: Action) => boolean): Received {
    const action = this.#expected.find((one) => !this.#seen.has(one.number) && may(one));
    return action ? message(action.number) : { kind: 'stray', text: 'something that has been taken back' };
  }

  #isDeleted({ number }: Action): boolean {
    return this.#expected.some((one) => one.kind === 'deletion' && one.about === number);
  }

  #isReplaced({ number, about }: Action): boolean {
    return this.#expected.some((one) => one.kind === 'reaction' && one.about === about && one.number > number);
  }
}

const message = (number: number): Received => ({ kind: 'message', number, late: false });
