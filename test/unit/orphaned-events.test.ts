// Nothing that a user writes is dropped in silence, not even where the bridge has lost what it knew of the other person. The store is real.
import { expect, test } from 'vitest';
import type { CommandEffects } from '../../src/bridge/bot/commands.ts';
import type { BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { handleNextEvent } from '../../src/bridge/matrix-events.ts';
import type { Account } from '../../src/model/account.ts';
import type { EventId, RoomId } from '../../src/model/ids.ts';
import type { MatrixEvent } from '../../src/model/journal.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { aChat, aPlace, execute, openTestStore, present } from '../support/store.ts';

const room = '!chat' as RoomId;

async function aChatWithoutGhost(at: Account['state']['at'] = 'active') {
  const place = await aPlace();
  const before = await openTestStore(place);
  const { account, portal } = await aChat(before);
  await before.commit([
    { change: 'portal.state', portal: portal.id, state: { at: 'open', room, labelled: true } },
    ...(at === 'enlisting' ? [{ change: 'account.put', account: { ...account, state: { at } } } as const] : []),
  ]);
  await before.close();
  await execute(place, 'delete from ghost');
  const store = await openTestStore(place);
  const written = (id: string): MatrixEvent => ({
    event_id: id as EventId,
    room_id: room,
    sender: account.user,
    type: 'm.room.encrypted',
    content: { algorithm: 'm.megolm.v1.aes-sha2' },
    origin_server_ts: 5,
  });
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const settings: Partial<BridgeSettings> = { moderationRoom: undefined };
  const logger = createLogger({ level: 'info', destination });
  const context: Partial<BridgeContext> = { store, logger, settings: settings as BridgeSettings };
  const woken: RoomId[] = [];
  const effects: Partial<CommandEffects> = { wakeBot: (which) => void woken.push(which) };
  const handle = async (id: string) => {
    const transaction = { id, body: {}, events: [written(id)] };
    await store.commit([{ change: 'transaction.store', transaction }]);
    return handleNextEvent(context as BridgeContext, room, new Map(), effects as CommandEffects);
  };
  return { store, account, portal, handle, lines, woken };
}

test('where the ghost is lost, the log names the chat and its user is told once', async () => {
  const { store, account, portal, handle, lines, woken } = await aChatWithoutGhost();
  expect([await handle('$one'), await handle('$two')]).toEqual(['again', 'again']);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { portal: portal.id, reason: 'no-ghost' },
    { portal: portal.id, reason: 'no-ghost' },
  ]);
  const told = present(await store.botMessages.next(account.managementRoom));
  expect(told.text).toMatch(/^A message of yours was not sent/);
  await store.commit([{ change: 'bot-message.done', seq: told.seq }]);
  expect(await store.botMessages.next(account.managementRoom)).toBeUndefined();
  expect(woken).toEqual([account.managementRoom, account.managementRoom]);
});

test('where there is no account in use, the log names the chat', async () => {
  const { store, account, portal, handle, lines } = await aChatWithoutGhost('enlisting');
  expect(await handle('$one')).toBe('again');
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ portal: portal.id, reason: 'no-account' }]);
  expect(await store.botMessages.next(account.managementRoom)).toBeUndefined();
});
