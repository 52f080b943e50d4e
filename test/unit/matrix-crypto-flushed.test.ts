// What a machine has produced leaves the process only when the journal says that what led to it is durable.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { ClientApi } from '../../src/matrix/client-api.ts';
import { MachineCrypto } from '../../src/matrix/crypto/matrix-crypto.ts';
import type { CryptoJournal } from '../../src/model/crypto-journal.ts';
import { botActorId, type DeviceId, type UserId } from '../../src/model/ids.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { openTestJournal } from '../support/store.ts';

const actor = { id: botActorId, user: '@bot:example.org' as UserId, device: 'BOT' as DeviceId };
const answers: readonly [RegExp, object][] = [
  [/\/keys\/upload/, { one_time_key_counts: { signed_curve25519: 50 } }],
  [/\/keys\/query/, { device_keys: {}, failures: {} }],
  [/\/signatures\/upload/, { failures: {} }],
  [/\/sync/, { next_batch: 's1' }],
  [/./, {}],
];

/** A homeserver that has a good answer for everything, and remembers what it was asked. */
async function homeserver() {
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    await buffer(request);
    const path = request.url ?? '';
    requests.push(path);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answers.find(([pattern]) => pattern.test(path))?.[1]));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { requests, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** The journal, whose word that all is durable is given one at a time. */
class HeldJournal {
  readonly journal: CryptoJournal;
  readonly #held: (() => void)[] = [];
  #asked: () => void = () => undefined;

  constructor(journal: CryptoJournal) {
    this.journal = journal;
    journal.flushed = () =>
      new Promise((resolve) => {
        this.#held.push(resolve);
        this.#asked();
      });
  }

  /** Resolves when somebody waits for the word. */
  async asked(): Promise<void> {
    while (this.#held.length === 0) {
      await new Promise<void>((resolve) => {
        this.#asked = resolve;
      });
    }
  }

  release(): void {
    this.#held.shift()?.();
  }
}

function open(url: string, journal: CryptoJournal): MachineCrypto {
  return new MachineCrypto({
    api: new ClientApi({ homeserverUrl: url, asToken: 'token' }),
    journal,
    logger: createLogger({ level: 'silent' }),
    events: { roomKeys: () => undefined, devicesChanged: () => undefined },
    onFatal: (error) => expect.unreachable(String(error)),
    maxOpenMachines: 4,
  });
}

test.each([
  ['publishing an identity', (crypto: MachineCrypto) => crypto.publishIdentity(actor)],
  ['asking for devices', (crypto: MachineCrypto) => crypto.devicesOf(actor, '@user:example.org' as UserId, 'all')],
])('%s: no request and no answer before it', async (_what, work) => {
  const { requests, url } = await homeserver();
  const journal = await openTestJournal();
  const before = open(url, journal);
  await before.publishIdentity(actor);
  await before.close();
  requests.length = 0;
  const held = new HeldJournal(journal);
  const crypto = open(url, held.journal);
  let answered = false;
  const done = work(crypto).then(() => {
    answered = true;
  });
  let released = 0;
  for (;;) {
    const ended = await Promise.race([done.then(() => true), held.asked().then(() => false)]);
    if (ended) break;
    expect(answered).toBe(false);
    expect(requests.length).toBeLessThanOrEqual(released);
    held.release();
    released += 1;
  }
  expect(requests.length).toBeGreaterThan(0);
  // The last word was for the answer itself.
  expect(released).toBe(requests.length + 1);
});
