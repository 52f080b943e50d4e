// What the bot says, where it is not known whether it has been said: never twice, and not left out for an earlier one in the same words. The store is real.
import { expect, test } from 'vitest';
import { sendNextBotMessage } from '../../src/bridge/bot/bot-messages.ts';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { ActorId, DeviceId, EventId, RoomId, SendId, UserId } from '../../src/model/ids.ts';
import type { JsonObject, MatrixEvent } from '../../src/model/journal.ts';
import type { Homeserver } from '../../src/model/matrix.ts';
import { openTestStore } from '../support/store.ts';

const room = '!management' as RoomId;
const bot = { id: 'bot' as ActorId, user: '@bot:example.org' as UserId, device: 'BOT' as DeviceId };

test.each([
  ['the homeserver refused it', false],
  ['only the answer was lost', true],
])('an answer in the same words as an earlier one, of which %s', async (_, isThere) => {
  const store = await openTestStore();
  const taken = new Map<SendId, JsonObject>();
  let trouble = false;
  const homeserver: Partial<Homeserver> = {
    isEncrypted: async () => false,
    members: async () => new Map([bot.user, '@a:example.org' as UserId].map((user) => [user, 'join'])),
    lastSent: async () =>
      [...taken].map(([id, content]) => ({ event_id: `$${id}`, content }) as unknown as MatrixEvent),
    send: async (_actor, _room, _type, id, content) => {
      if (!trouble || isThere) taken.set(id, content);
      if (trouble) throw new BridgeError('matrix.server-error', 'busy', { retry: 'later' });
      return `$${id}` as EventId;
    },
  };
  const parts: Partial<BridgeContext> = { store, bot, homeserver: homeserver as Homeserver };
  const context = { ...parts, settings: { instanceId: 'i' } } as BridgeContext;
  for (const key of ['first', 'second']) {
    await store.commit([{ change: 'bot-message.add', room, key, text: 'Declined.' }]);
  }
  expect(await sendNextBotMessage(context, room)).toBe('again');
  trouble = true;
  await expect(sendNextBotMessage(context, room)).rejects.toMatchObject({ code: 'matrix.server-error' });
  trouble = false;
  expect(await sendNextBotMessage(context, room)).toBe('again');
  expect(taken.size).toBe(2);
  expect(await store.botMessages.next(room)).toBeUndefined();
});
