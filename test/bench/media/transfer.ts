// One measurement of files that pass, in a process that does nothing else: the bridge's own adapters between servers elsewhere.
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClientApi } from '../../../src/matrix/client-api.ts';
import { ClientMedia } from '../../../src/matrix/media/client-media.ts';
import { systemClock } from '../../../src/model/clock.ts';
import type { Actor } from '../../../src/model/contact.ts';
import { type ActorId, type DeviceId, newAccountId, type RoomId, type UserId } from '../../../src/model/ids.ts';
import type { FileBytes, MatrixFile, NetworkFile } from '../../../src/model/media.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import { createMediaHost } from '../../../src/provider/media-host.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { createNetworkMedia } from '../../../src/whatsapp/media/network-media.ts';
import { answer } from '../apart.ts';
import { figuresOf } from '../process-figures.ts';
import type { MediaServers } from './servers.ts';

export type Direction = 'to-matrix' | 'to-whatsapp';

export interface Transfer {
  readonly direction: Direction;
  /** How many at once. */
  readonly together: number;
  readonly servers: MediaServers;
  readonly size: number;
  readonly networkFile: NetworkFile;
  readonly matrixFile: MatrixFile;
}

export interface Measured {
  readonly ms: number;
  readonly cpuMs: number;
  /** By how much resident memory exceeded what the process had before, at most. */
  readonly extraBytes: number;
}

const actor: Actor = { id: 'bench' as ActorId, user: '@wa_bench:localhost' as UserId, device: 'BENCH' as DeviceId };
const piece = 32 * 1024;

/** Measures `work`. On Linux the peak is counted anew from here. */
async function measured(work: () => Promise<void>): Promise<Measured> {
  await writeFile('/proc/self/clear_refs', '5').catch(() => undefined);
  const before = await figuresOf(process.pid);
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  const after = await figuresOf(process.pid);
  return { ms, cpuMs: after.cpuMs - before.cpuMs, extraBytes: after.peakResidentBytes - before.residentBytes };
}

async function transfer({ direction, together, servers, ...files }: Transfer): Promise<Measured> {
  const { networkHost: host, authority, homeserverUrl } = servers;
  const media = { host, allowed: [], privateAddresses: true, authority };
  const network = createNetworkMedia({ endpoints: { whatsapp: { media } }, clock: systemClock });
  const matrix = new ClientMedia({ api: new ClientApi({ homeserverUrl, asToken: 'bench', clock: systemClock }) });
  const { signal } = new AbortController();
  const options = { maxBytes: 4 * 1024 ** 3, signal };
  if (direction === 'to-matrix') {
    return measured(() =>
      each(together, async () => {
        const { size = files.size, bytes } = await network.open('whatsapp', files.networkFile, options);
        await matrix.upload(actor, size, bytes, signal);
      }),
    );
  }
  const hosting = await startHosting();
  try {
    return await measured(() =>
      each(together, async () => {
        const { bytes } = await matrix.open(actor, files.matrixFile, options);
        const { ciphertext } = network.seal('document', randomBytes(32), bytes);
        await hosting.put(files.size, ciphertext);
      }),
    );
  } finally {
    await hosting.stop();
  }
}

async function startHosting() {
  const directory = await mkdtemp(join(tmpdir(), 'bench-media-'));
  const store = await openStore({ path: ':memory:', masterKey: randomBytes(32), clock: systemClock });
  const account = newAccountId();
  await store.commit([
    {
      change: 'account.put',
      account: {
        id: account,
        network: 'whatsapp',
        user: '@bench:localhost' as UserId,
        managementRoom: '!bench:localhost' as RoomId,
        state: { at: 'enlisting' },
        createdAt: 0,
      },
    },
  ]);
  const host = await createMediaHost({
    directory: join(directory, 'hosted'),
    publicUrl: 'https://localhost',
    quotaBytes: 64 * 1024 ** 3,
    keepMs: 60_000,
    files: store.hostedFiles,
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
  });
  return {
    put: (size: number, ciphertext: FileBytes) => host.put(account, host.newName(), size, ciphertext),
    stop: async () => {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function each(count: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, work));
}

/** The same bytes through the same ciphers, from memory to memory; `hashing`: and through the hashes that both networks ask for. */
async function plain({ bytes, hashing }: { bytes: number; hashing: boolean }): Promise<Measured> {
  const input = randomBytes(piece);
  const whatsapp = createDecipheriv('aes-256-cbc', randomBytes(32), randomBytes(16)).setAutoPadding(false);
  const matrix = createCipheriv('aes-256-ctr', randomBytes(32), randomBytes(16));
  const mac = createHmac('sha256', randomBytes(32));
  const hashes = [createHash('sha256'), createHash('sha256'), createHash('sha256')] as const;
  return measured(async () => {
    for (let left = bytes; left > 0; left -= piece) {
      const decrypted = whatsapp.update(input);
      const encrypted = matrix.update(decrypted);
      if (!hashing) continue;
      mac.update(input);
      hashes[0].update(input);
      hashes[1].update(decrypted);
      hashes[2].update(encrypted);
    }
  });
}

const calls = { transfer, plain };
export type TransferCalls = typeof calls;
answer(calls);
