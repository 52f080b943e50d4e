// A file that cannot be carried to WhatsApp at the moment holds its chat up, but not without end, and its sender is told.
// The store is real; the homeserver and the media host are played here, at their ports.
import { beforeEach, expect, test } from 'vitest';
import type { BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { TransferSlots } from '../../src/bridge/files/slots.ts';
import { FilesToWhatsApp } from '../../src/bridge/files/to-whatsapp.ts';
import type { Limits } from '../../src/bridge/limits/limits.ts';
import type { Account } from '../../src/model/account.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import type { HostedName, MatrixMedia } from '../../src/model/media.ts';
import type { Portal } from '../../src/model/portal.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { testLimits } from '../support/limits.ts';
import { aChat, openTestStore, outgoing, present } from '../support/store.ts';

const unavailable = (code: string) =>
  new BridgeError('media.unavailable', 'not now', {
    retry: 'later',
    cause: new BridgeError(code, 'not now', { retry: 'later' }),
  });
const clock = { now: () => 5, elapsed: () => 5, sleep: async () => {} };
const content: JsonObject = { body: 'Wave', url: 'mxc://example.org/abc', info: { mimetype: 'image/webp' } };

let store: OpenStore;
let portal: Portal;
let failure: BridgeError;
let settled: number;
let files: FilesToWhatsApp;
let limits: Limits;
let account: Account;

beforeEach(async () => {
  store = await openTestStore();
  ({ account, portal } = await aChat(store));
  limits = testLimits({ store, clock }, { media: { account: 1, young: 1, perMs: 60_000 } });
  const { portal: chat, event, messageId, createdAt } = outgoing(portal, new Uint8Array());
  const file = {
    type: 'm.sticker',
    content,
    quoted: undefined,
    mediaKey: new Uint8Array(32),
    name: 'a'.repeat(43) as HostedName,
  };
  const row = { account: account.id, portal: chat, event, messageId, createdAt, file };
  await store.commit([{ change: 'outbox.add', row }]);
  settled = 0;
  const matrixMedia: Partial<MatrixMedia> = { openPublic: () => Promise.reject(failure) };
  const settings: Partial<BridgeSettings> = { maxFileBytes: 1_000 };
  const parts: Partial<BridgeContext> = {
    store,
    clock,
    limits,
    logger: createLogger({ level: 'silent' }),
    settings: settings as BridgeSettings,
    matrixMedia: matrixMedia as MatrixMedia,
    counters: { delivered: () => {}, retry: () => {}, file: () => {} },
  };
  files = new FilesToWhatsApp(parts as BridgeContext, new TransferSlots(1), () => {
    settled += 1;
  });
});

/** Tries as a worker does. Returns how often it was in vain. */
async function tries(most: number): Promise<number> {
  for (let tried = 0; tried < most; tried += 1) {
    const outcome = await files.carryNext(portal.id).catch((error: unknown) => error);
    if (outcome !== failure) return tried;
  }
  return most;
}

async function told(): Promise<string | undefined> {
  const { state } = present(await store.inbox.next(portal.id));
  return state.at === 'received' && state.body.kind === 'notice' ? state.body.notice.text : undefined;
}

test('that the homeserver does not give is given up after a while', async () => {
  failure = unavailable('matrix.server-error');
  expect(await tries(100)).toBe(19);
  expect(settled).toBe(1);
  expect(await told()).toMatch(/^Not delivered\. .*Send it again later\.$/);
  expect(await store.outbox.next(portal.id)).toBeUndefined();
});

test('is waited for while the homeserver is away', async () => {
  failure = unavailable('matrix.unreachable');
  expect(await tries(100)).toBe(100);
  expect(settled).toBe(0);
  expect(await store.inbox.next(portal.id)).toBeUndefined();
});

test('for which there is no room is given up at once', async () => {
  failure = new BridgeError('media.host-full', 'full', { retry: 'later' });
  expect(await tries(100)).toBe(0);
  expect(settled).toBe(1);
  expect(await told()).toMatch(/no room for more files/);
});

test('beyond the limit waits in its place, and its sender is told once how long', async () => {
  failure = unavailable('matrix.server-error');
  await limits.count('media', { account });
  expect(await files.carryNext(portal.id)).toEqual({ waitMs: 60_000 });
  expect(await files.carryNext(portal.id)).toEqual({ waitMs: 60_000 });
  expect(settled).toBe(1);
  expect(await told()).toMatch(
    /limit for files .* This file waits, .* goes on by itself, in order, in 1 minute \(1970-01-01 00:01 UTC\)/,
  );
  expect((await store.outbox.next(portal.id))?.state.at).toBe('transfer');
});
