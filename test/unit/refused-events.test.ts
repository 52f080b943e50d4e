// What the homeserver does not take: one event that a filter of its own rejects is no lost room. The store is real.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { type DeliveryOptions, deliverNext } from '../../src/bridge/deliver.ts';
import { abandonRoom } from '../../src/bridge/portal-rooms.ts';
import { UserMembership } from '../../src/bridge/user-membership.ts';
import { ClientApi } from '../../src/matrix/client-api.ts';
import { ClientHomeserver } from '../../src/matrix/homeserver.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { EventId, RoomId } from '../../src/model/ids.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import type { Homeserver, MatrixCrypto } from '../../src/model/matrix.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, aContact, message, openTestStore, present } from '../support/store.ts';

const forbidden = () => new BridgeError('matrix.forbidden', 'PUT send: 403 M_FORBIDDEN');
const payloadOf = (body: string): Uint8Array => {
  const written = toWhatsApp('m.room.message', { msgtype: 'm.text', body });
  return written.kind === 'message' ? written.payload : new Uint8Array();
};

/** A chat whose homeserver refuses what `refuses` says of the words. */
async function aRoom(refuses: (body: string) => boolean) {
  const store = await openTestStore();
  const made = aContact();
  const { account, portal, ghost } = await aChat(store, { contact: made });
  if (portal.state.at !== 'open') throw new Error('the chat is not open');
  const { room } = portal.state;
  await store.commit([{ change: 'ghost.put', ghost: { ...ghost, ready: true } }]);
  const is = { in: true, takesInvitations: true, made: undefined as RoomId | undefined };
  const sent: string[] = [];
  const rooms: RoomId[] = [];
  const forgotten: RoomId[] = [];
  const lines: string[] = [];
  const homeserver: Partial<Homeserver> = {
    setDisplayName: async () => undefined,
    members: async () => new Map(is.takesInvitations ? [[account.user, 'join']] : []),
    state: async () => (is.in ? [] : undefined),
    invite: async () => {
      throw forbidden();
    },
    leave: async () => undefined,
    findPortalRoom: async () => is.made,
    createPortalRoom: async () => {
      is.in = true;
      rooms.push(`!another${rooms.length}` as RoomId);
      if (!is.takesInvitations) {
        is.made = rooms.at(-1);
        throw forbidden();
      }
      return present(rooms.at(-1));
    },
    lastSent: async () => [],
    send: async (_actor, _room, _type, _id, content) => {
      const { body } = content.plain as { readonly body: string };
      if (!is.in || refuses(body)) throw forbidden();
      sent.push(body);
      return `$${sent.length}` as EventId;
    },
  };
  const crypto: Partial<MatrixCrypto> = {
    encrypt: async (_actor, _room, _to, _pinned, _policy, type, content: JsonObject) => ({
      outcome: 'encrypted',
      type,
      content: { plain: content },
    }),
    forgetRoom: async (_actor, of) => void forgotten.push(of),
  };
  const clock = new ManualClock();
  const parts = {
    store,
    clock,
    homeserver,
    crypto,
    bot: ghost.actor,
    logger: createLogger({ level: 'warn', destination: { write: (line: string) => void lines.push(line) } }),
    counters: { delivered: () => {}, retry: () => {}, file: () => {} },
    settings: { instanceId: 'test', serverName: 'example.org', blocked: [], policyRooms: [], federatePortals: false },
    network: { now: () => clock.now() },
  };
  const context = parts as unknown as BridgeContext;
  const options: DeliveryOptions = {
    wakeFiles: () => undefined,
    holds: new Map(),
    membership: new UserMembership(context, async () => undefined),
  };
  for (const body of ['one', 'two'])
    await store.commit([{ change: 'inbox.add', row: message(portal, payloadOf(body)) }]);
  /** As the worker does it, which tries again what is to be tried later. */
  const deliverAll = async (): Promise<number | undefined> => {
    for (let steps = 0; steps < 20; steps += 1) {
      const step = await deliverNext(context, portal.id, options).catch((error: unknown) => {
        if (error instanceof BridgeError && error.retry === 'later') return 'again' as const;
        throw error;
      });
      if (step === 'idle') return undefined;
      if (typeof step === 'object') return step.waitMs;
    }
    throw new Error('it does not come to an end');
  };
  const parked = async () => (await store.queue.list({ which: 'parked', limit: 10 })).length;
  return { context, account, portal, ghost, room, is, sent, rooms, forgotten, lines, deliverAll, parked };
}

test('a message that alone is refused is set aside and told; the room stays, and the next one comes', async () => {
  const { sent, rooms, forgotten, deliverAll, parked } = await aRoom((body) => body === 'one');
  await deliverAll();
  expect(sent).toEqual([expect.stringContaining('does not take it (matrix.forbidden)'), 'two']);
  expect([rooms, forgotten, await parked()]).toEqual([[], [], 1]);
});

test('where nothing at all is taken, not even the word about it, each is set aside once and the log says so', async () => {
  const { sent, rooms, lines, deliverAll, parked } = await aRoom(() => true);
  await deliverAll();
  expect([sent, rooms, await parked()]).toEqual([[], [], 2]);
  expect(lines.filter((line) => line.includes('its user could not be told in the room'))).toHaveLength(2);
});

test('a room that the ghost is out of is replaced, and its keys are destroyed', async () => {
  const { is, room, sent, rooms, forgotten, deliverAll, parked } = await aRoom(() => false);
  is.in = false;
  await deliverAll();
  expect(rooms).toEqual(['!another0']);
  expect(forgotten).toEqual([room]);
  expect(sent.slice(-2)).toEqual(['one', 'two']);
  expect(await parked()).toBe(0);
});

test('a room that could be made and its user not be invited is kept, and the chat waits in it', async () => {
  const { is, sent, rooms, context, account, portal, deliverAll } = await aRoom(() => false);
  await context.store.commit([{ change: 'portal.state', portal: portal.id, state: { at: 'wanted' } }]);
  is.takesInvitations = false;
  expect(await deliverAll()).toBe(600_000);
  expect([sent, rooms]).toEqual([[], ['!another0']]);
  expect((await context.store.botMessages.next(account.managementRoom))?.text).toContain('cannot be invited');
  is.takesInvitations = true;
  expect(await deliverAll()).toBeUndefined();
  expect(sent.slice(-2)).toEqual(['one', 'two']);
  expect(rooms).toEqual(['!another0']);
});

test('the keys of a room are kept while the ghost is in it', async () => {
  const { context, ghost, room, forgotten } = await aRoom(() => false);
  const answers: Record<string, readonly [number, unknown]> = {
    leave: [403, { errcode: 'M_FORBIDDEN' }],
    state: [200, [{ type: 'm.room.member', state_key: ghost.actor.user, content: { membership: 'join' } }]],
  };
  const server = createServer((request, response) => {
    const [status, body] = present(answers[/\/(leave|state)\?/.exec(request.url ?? '')?.[1] ?? '']);
    response.writeHead(status).end(JSON.stringify(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const homeserverUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const api = new ClientApi({ homeserverUrl, asToken: 'token' });
  const homeserver = new ClientHomeserver({
    api,
    serviceId: 'whatsapp',
    publishIdentity: async () => undefined,
    hasKeys: async () => true,
  });
  await abandonRoom({ ...context, homeserver }, ghost.actor, room);
  expect(forgotten).toEqual([]);
  answers.state = [403, { errcode: 'M_FORBIDDEN' }];
  await abandonRoom({ ...context, homeserver }, ghost.actor, room);
  expect(forgotten).toEqual([room]);
});
