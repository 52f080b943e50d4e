// What the bot says in management rooms: a durable queue per room, sent in order, each message once.

import { BridgeError } from '../../model/errors.ts';
import type { RoomId, UserId } from '../../model/ids.ts';
import type { BotMessage, JsonObject, SealedEvent } from '../../model/journal.ts';
import { passed } from '../../observability/fail-points.ts';
import type { BridgeContext } from '../context.ts';
import { noticeField } from '../labels.ts';
import { sendId } from '../send-ids.ts';
import { sendAgain } from '../unknown-outcomes.ts';
import type { Step } from '../workers.ts';

export async function sendNextBotMessage(context: BridgeContext, room: RoomId): Promise<Step> {
  const { store, homeserver, bot, logger } = context;
  const message = await store.botMessages.next(room);
  if (message === undefined) return 'idle';
  try {
    if (message.event !== undefined) await sendAgain(context, bot, room, message.event);
    else {
      const event = await finish(context, message);
      // Nobody could read it now; a change of the user's devices wakes this again.
      if (event === undefined) return 'idle';
      await homeserver.send(bot, room, event.type, event.sendId, event.content);
    }
    passed('B2-event-accepted');
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    logger.warn(
      { code: error.code, err: error },
      'the bot may not write into a management room; the message is dropped',
    );
  }
  await store.commit([{ change: 'bot-message.done', seq: message.seq }]);
  passed('B3-event-recorded');
  return 'again';
}

/** Encrypts where the room is encrypted, and stores what will be sent. Undefined: the user has no session to encrypt for. */
async function finish(context: BridgeContext, message: BotMessage): Promise<SealedEvent | undefined> {
  const { store, homeserver, crypto, bot, settings } = context;
  const { room } = message;
  const isEncrypted = await homeserver.isEncrypted(bot, room);
  const body = message.confidential && !isEncrypted ? unencryptedRoom : message.text;
  const id = sendId(settings.instanceId, bot.id, room, `bot:${message.seq}`);
  // The id tells it from an earlier one in the same words, where it is looked for later and the room is not encrypted.
  const content: JsonObject = { msgtype: 'm.notice', body, [noticeField]: { code: 'bot', id } };
  const user = await companion(context, room);
  let event: SealedEvent = { sendId: id, type: 'm.room.message', content };
  if (isEncrypted) {
    // Every session may read the bot, unless it names people: how else would it tell somebody to verify theirs? It never repeats what is
    // said in chats.
    const policy = message.confidential ? settings.devicePolicy : 'all';
    const result = await crypto.encrypt(bot, room, user, undefined, policy, 'm.room.message', content);
    if (result.outcome !== 'encrypted') return undefined;
    event = { sendId: id, type: result.type, content: result.content };
  }
  await store.commit([{ change: 'bot-message.event', seq: message.seq, event }]);
  passed('B1-event-stored');
  return event;
}

const unencryptedRoom = 'This room is not encrypted, so I do not say that here.';

/** The other person in a management room. With anybody else in it the bot says nothing: its words are for one person. */
async function companion(context: BridgeContext, room: RoomId): Promise<UserId> {
  const members = await context.homeserver.members(context.bot, room);
  const [user, ...more] = [...members.keys()].filter((member) => member !== context.bot.user);
  if (user !== undefined && more.length === 0) return user;
  throw new BridgeError('bridge.not-alone', 'the management room does not hold just the bot and one other person');
}
