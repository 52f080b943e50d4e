// A message that is deleted while it is on its way: once its deletion follows, nobody gets it again. The store is real, Signal and the network are not.
import { expect, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { redactionChanges } from '../../src/bridge/portal-references.ts';
import { sendNext } from '../../src/bridge/send.ts';
import type { EventId, RoomId } from '../../src/model/ids.ts';
import type { InteropClient } from '../../src/model/interop.ts';
import type { MatrixEvent } from '../../src/model/journal.ts';
import type { SignalWork } from '../../src/model/signal.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';
import { aChat, openTestStore, outgoing, present } from '../support/store.ts';

test('a message that was on its way when its user deleted it is sent, then deleted, and kept for no device', async () => {
  const store = await openTestStore();
  const { account, contact, ghost, portal } = await aChat(store);
  if (account.state.at !== 'active') throw new Error(account.state.at);
  const active = { ...account, state: account.state };
  const written = toWhatsApp('m.room.message', { msgtype: 'm.text', body: 'on second thoughts' });
  if (written.kind !== 'message') throw new Error(written.kind);
  const row = outgoing(portal, written.payload);
  const { event, messageId } = row;
  const reference = { portal: portal.id, messageId, fromUser: true, event, room: '!room' as RoomId, sentAt: 5 };
  const list = { since: 1, checkedAt: 1, devices: [{ device: 0, since: 1, standing: { as: 'primary' } }] } as const;
  await store.commit([
    { change: 'outbox.add', row },
    { change: 'reference.put', reference },
    { change: 'devices.put', account: account.id, contact: contact.id, list },
  ]);
  const { id } = present(await store.outbox.byEvent(event));
  const state = { at: 'encrypted', stanza: Uint8Array.of(1) } as const;
  await store.commit([{ change: 'outbox.state', id, state, waitingFor: [0] }]);

  const unit: Partial<SignalWork> = {
    trust: async () => undefined,
    hasSession: async () => true,
    encrypt: async () => ({ type: 'msg', bytes: Uint8Array.of(2) }),
    changes: () => [],
  };
  const parts = {
    store,
    clock: { now: () => 10, elapsed: () => 10, sleep: async () => {} },
    logger: createLogger({ level: 'silent' }),
    counters: { delivered: () => {} },
    settings: { blocked: [], policyRooms: [] },
    limits: { hold: async () => undefined, count: async () => {} },
    listening: { asked: () => {}, isInVain: () => false },
    network: { encodeMessage: () => Uint8Array.of(3) },
    signal: { exclusively: (_peers: unknown, work: (work: SignalWork) => unknown) => work(unit as SignalWork) },
  };
  const context = parts as unknown as BridgeContext;
  const redaction = { event_id: '$redaction' as EventId, content: { redacts: event } } as unknown as MatrixEvent;
  await store.commit((await redactionChanges(context, { account: active, portal, ghost }, redaction)).changes);
  expect(await store.outbox.byEvent(event)).toMatchObject({ at: 'encrypted', kept: true });

  const client: Partial<InteropClient> = { connected: true, send: async () => ({ accepted: true, timestamp: 1 }) };
  const step = () =>
    sendNext(
      context,
      portal.id,
      () => client as InteropClient,
      () => {},
    );
  await step();
  expect(await store.outbox.byEvent(event)).toMatchObject({ at: 'acknowledged', kept: true });
  await step();
  expect(await store.outbox.byEvent(event)).toMatchObject({ at: 'done', kept: false });
  expect(await store.outbox.next(portal.id)).toBeUndefined();
});
