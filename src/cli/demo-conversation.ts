// The demo's conversation: opting in, then two chats, one begun on WhatsApp and one on Matrix, each message checked on both sides.
import type { MatrixUser, Message } from '../demo/matrix-user.ts';
import type { SandboxPhone } from '../demo/sandbox-phone.ts';
import type { Progress } from './demo-progress.ts';
import type { MatrixSide, MessageRecord, Transcript } from './demo-transcript.ts';
import type { World } from './demo-world.ts';

/** For everything that somebody waits for; a slow machine needs a few seconds of it. */
const patienceMs = 60_000;

/** Holds the whole conversation, adding to `transcript` as it goes. Rejects where something is not delivered in time. */
export async function converse(world: World, transcript: Transcript, progress: Progress): Promise<void> {
  const { user, anna, ben } = world;
  const bot = await progress.step('Opting in: an encrypted chat with the bot', () => optIn(world));

  const withAnna = new Chat(world, anna, transcript);
  await progress.step('Anna writes first, from WhatsApp', async () => {
    await withAnna.firstFromWhatsApp('Hi Mira, it is Anna. Does this reach you in Element?');
    await withAnna.toWhatsApp('It does. Hello Anna! Nobody had to install anything.');
    await withAnna.toMatrix('Lovely. Lunch on Friday?');
    await withAnna.toWhatsApp('Gladly: half past twelve, at the harbour ⛵');
    await withAnna.toMatrix('See you there.');
    await withAnna.toWhatsApp('I am the one with the red umbrella.');
  });

  const withBen = new Chat(world, ben, transcript);
  await progress.step('Mira writes first, to Ben', async () => {
    await ask(user, bot, world.access.bot, `chat +${ben.number} ${ben.name}`, /I have invited you/);
    await withBen.firstFromMatrix('Hello Ben, Mira here. I am writing from Matrix.');
    await withBen.toMatrix('Hello Mira! Your message looks like any other here.');
    await withBen.toWhatsApp('So does yours. Are you coming on Friday, too?');
    await withBen.toMatrix('Count me in 👍');
    await withBen.toWhatsApp('Then I book a table for three.');
    await withBen.toMatrix('Until Friday!');
  });
  await progress.step("Filling the user's key backup", () => user.keysBackedUp(patienceMs));
}

/** Returns the room with the bot, once it says that the account is connected. */
async function optIn({ user, access }: World): Promise<string> {
  const room = await user.createDirectRoom(access.bot);
  await user.waitForMembership(room, access.bot, ['join'], patienceMs);
  await user.waitForMessage(room, ({ sender, body }) => sender === access.bot && body !== undefined, patienceMs);
  await ask(user, room, access.bot, 'help', /opt-out/);
  await ask(user, room, access.bot, 'opt-in', /Answer "yes"/);
  await ask(user, room, access.bot, 'yes', /You are connected/);
  return room;
}

async function ask(user: MatrixUser, room: string, bot: string, text: string, answer: RegExp): Promise<void> {
  await user.sendText(room, text);
  await user.waitForMessage(room, ({ sender, body = '' }) => sender === bot && answer.test(body), patienceMs);
}

/** One portal: the Matrix user in it, and the phone on the other side. */
class Chat {
  readonly #world: World;
  readonly #user: MatrixUser;
  readonly #phone: SandboxPhone;
  readonly #transcript: Transcript;
  #portal: { readonly roomId: string; readonly ghost: string } | undefined;

  constructor(world: World, phone: SandboxPhone, transcript: Transcript) {
    this.#world = world;
    this.#user = world.user;
    this.#phone = phone;
    this.#transcript = transcript;
  }

  /** The phone writes to somebody who knows nothing of it; the user accepts the invitation that follows. */
  async firstFromWhatsApp(text: string): Promise<void> {
    await this.#sendToMatrix(text, true);
  }

  /** The user accepts the invitation to the chat that was asked for, and writes before the other side ever did. */
  async firstFromMatrix(text: string): Promise<void> {
    await this.#accept();
    await this.#sendToWhatsApp(text, true);
  }

  async toMatrix(text: string): Promise<void> {
    await this.#sendToMatrix(text, false);
  }

  async toWhatsApp(text: string): Promise<void> {
    await this.#sendToWhatsApp(text, false);
  }

  async #sendToMatrix(text: string, firstContact: boolean): Promise<void> {
    const user = this.#user;
    const sent = performance.now();
    const messageId = await this.#phone.send(user.userId, text);
    const { roomId, ghost } = this.#portal ?? (await this.#accept());
    const isIt = ({ sender, body }: { sender: string; body: string | undefined }) => sender === ghost && body === text;
    const message = await user.waitForMessage(roomId, isIt, patienceMs);
    const latencyMs = Math.round(performance.now() - sent);
    // The receipt follows once Matrix has accepted the event.
    const receipted = await this.#phone.message(messageId, 'delivered', patienceMs);
    this.#record({
      direction: 'to-matrix',
      firstContact,
      roomId,
      from: this.#phone.name,
      to: user.userId,
      text,
      matrix: await this.#matrixSide(message),
      whatsapp: { messageId, status: receipted.status, ...(receipted.text && { text: receipted.text }) },
      latencyMs,
    });
  }

  async #sendToWhatsApp(text: string, firstContact: boolean): Promise<void> {
    const user = this.#user;
    if (this.#portal === undefined) throw new Error('there is no chat yet to write into');
    const { roomId } = this.#portal;
    const sent = performance.now();
    const eventId = await user.sendText(roomId, text);
    const arrived = await this.#phone.waitForMessage(
      ({ direction, from, text: decrypted }) => direction === 'in' && from === user.userId && decrypted === text,
      patienceMs,
    );
    const latencyMs = Math.round(performance.now() - sent);
    const own = await user.waitForMessage(roomId, (event) => event.eventId === eventId, patienceMs);
    this.#record({
      direction: 'to-whatsapp',
      firstContact,
      roomId,
      from: user.userId,
      to: this.#phone.name,
      text,
      matrix: await this.#matrixSide(own),
      whatsapp: { messageId: arrived.id, status: arrived.status, ...(arrived.text && { text: arrived.text }) },
      latencyMs,
    });
  }

  /** Joins the portal that a ghost invites to, and notes how it is labelled. */
  async #accept(): Promise<{ roomId: string; ghost: string }> {
    const user = this.#user;
    const { bot } = this.#world.access;
    const { roomId, inviter = '' } = await user.waitForInvite(({ inviter }) => inviter !== bot, patienceMs);
    await user.join(roomId);
    const portal = { roomId, ghost: inviter };
    this.#portal = portal;
    const notice = await user.waitForMessage(roomId, ({ msgtype }) => msgtype === 'm.notice', patienceMs);
    const member = (await user.members(roomId)).find(({ userId }) => userId === inviter);
    const [name, topic] = [
      (await user.roomState(roomId, 'm.room.name'))?.name,
      (await user.roomState(roomId, 'm.room.topic'))?.topic,
    ];
    const ghost = member?.displayName ?? '';
    this.#transcript.rooms.push({
      roomId,
      phone: this.#phone.name,
      label: { chat: String(name ?? ghost), ghost, topic: String(topic ?? ''), firstNotice: notice.body ?? '' },
    });
    return portal;
  }

  async #matrixSide(message: Message): Promise<MatrixSide> {
    const { eventId, sender, encrypted, body, decryptionFailure, shield } = message;
    const devices = await this.#user.client.getCrypto()?.getUserDeviceInfo([sender], true);
    const deviceIds = [...(devices?.get(sender)?.keys() ?? [])];
    const senderDevices = await Promise.all(
      deviceIds.map(async (deviceId) => {
        const { signedByOwner } = await this.#user.deviceTrust(sender, deviceId);
        return { deviceId, crossSigned: signedByOwner };
      }),
    );
    const text = body === undefined ? {} : { text: body };
    const failure = decryptionFailure === undefined ? {} : { decryptionFailure };
    return { eventId, sender, encrypted, ...text, ...failure, shield, senderDevices };
  }

  #record(message: MessageRecord): void {
    this.#transcript.messages.push(message);
  }
}
