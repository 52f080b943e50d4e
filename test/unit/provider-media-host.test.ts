// Our media host: what may be fetched, by whom and for how long; whole files or none, within the quota, whatever is killed or full.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import express from 'express';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AccountId } from '../../src/model/ids.ts';
import type { FileBytes, HostedFiles, HostedName } from '../../src/model/media.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createMediaHost, type MediaHostOptions } from '../../src/provider/media-host.ts';
import { chunked, sha256 } from '../support/bytes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { anAccount, departure, openTestStore, temporaryDirectory } from '../support/store.ts';

const day = 24 * 60 * 60 * 1000;
const silent = createLogger({ level: 'silent' });

interface Fetched {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

/** Sends the path as it is: no client tidies it up. */
function fetchRaw(port: number, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port, host: '127.0.0.1', path, method, headers, agent: false }, async (response) => {
      const { date: _, ...answered } = response.headers;
      resolve({ status: response.statusCode, headers: answered, body: await buffer(response) });
    });
    sent.once('error', reject).end();
  });
}

async function hosting(over: Partial<MediaHostOptions> = {}, wrap = (files: HostedFiles) => files) {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const parent = temporaryDirectory();
  const directory = join(parent, 'media');
  const store = await openTestStore();
  const account = anAccount();
  await store.commit([{ change: 'account.put', account }]);
  const host = await createMediaHost({
    directory,
    publicUrl: 'https://whatsapp.example.org',
    quotaBytes: 10_000,
    keepMs: 30 * day,
    files: wrap(store.hostedFiles),
    clock,
    logger: silent,
    ...over,
  });
  const app = express().disable('x-powered-by').disable('etag').use(host.router);
  app.use((_request, response) => void response.status(404).json({ error: 'There is nothing here.' }));
  const server = createServer(app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const put = async (bytes: Uint8Array, name = host.newName(), expected = bytes.length): Promise<HostedName> => {
    await host.put(account.id, name, expected, chunked(bytes, [100, 4096]));
    return name;
  };
  return {
    host,
    clock,
    store,
    account,
    directory,
    parent,
    put,
    port,
    get: (path: string, headers?: Record<string, string>, method?: string) => fetchRaw(port, path, headers, method),
    stored: () => readdirSync(directory).sort(),
  };
}

/** Bytes that come when they are let go. */
function gated(bytes: Uint8Array): { readonly bytes: FileBytes; open(): void; readonly asked: Promise<void> } {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  async function* source(): FileBytes {
    yield bytes.subarray(0, 10);
    asked.resolve();
    await gate.promise;
    yield bytes.subarray(10);
  }
  return { bytes: source(), open: gate.resolve, asked: asked.promise };
}

describe('a hosted file', () => {
  it('is fetched whole under its address, and nothing is said of what it is', async () => {
    const { host, put, get, directory } = await hosting();
    const bytes = randomBytes(5000);
    const name = await put(bytes);
    const { url, directPath } = host.addressOf(name);
    expect(url).toBe(`https://whatsapp.example.org/media/${name}`);
    expect(directPath).toMatch(new RegExp(`^/media/${name}\\?.`));
    for (const path of [new URL(url).pathname, directPath, `${directPath}&hash=x&mms-type=image`]) {
      const { status, headers, body } = await get(path);
      expect(status).toBe(200);
      expect(body.equals(bytes)).toBe(true);
      expect(headers).toEqual({
        'accept-ranges': 'bytes',
        'cache-control': 'private, no-store',
        connection: 'close',
        'content-length': '5000',
        'content-type': 'application/octet-stream',
        'x-content-type-options': 'nosniff',
      });
    }
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  });

  it('has an address below whatever path the provider has', async () => {
    const { host } = await hosting({ publicUrl: 'https://example.org/bridges/wa' });
    const name = host.newName();
    const { url, directPath } = host.addressOf(name);
    expect(url).toBe(`https://example.org/bridges/wa/media/${name}`);
    expect(directPath.startsWith(`/bridges/wa/media/${name}?`)).toBe(true);
  });

  it('has a name that nobody can guess', async () => {
    const { host } = await hosting();
    const names = new Set(Array.from({ length: 1000 }, () => host.newName()));
    expect(names.size).toBe(1000);
    for (const name of names) expect(Buffer.from(name, 'base64url').length).toBeGreaterThanOrEqual(16);
  });

  const size = 1000;
  const ranges: [string | undefined, number, [number, number]][] = [
    [undefined, 200, [0, 999]],
    ['bytes=0-', 206, [0, 999]],
    ['bytes=0-0', 206, [0, 0]],
    ['bytes=10-19', 206, [10, 19]],
    ['bytes=990-', 206, [990, 999]],
    ['bytes=999-999', 206, [999, 999]],
    ['bytes=-5', 206, [995, 999]],
    ['bytes=-5000', 200, [0, 999]],
    ['bytes=500-99999', 206, [500, 999]],
    ['bytes=0-1,5-6', 200, [0, 999]],
    ['items=0-5', 200, [0, 999]],
    ['bytes', 200, [0, 999]],
  ];
  it.each(ranges)('answers range %j with %i', async (range, expected, [from, to]) => {
    const { put, get } = await hosting();
    const bytes = randomBytes(size);
    const path = `/media/${await put(bytes)}`;
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await get(path, range === undefined ? {} : { range }, method);
      expect(status).toBe(expected);
      expect(headers['content-length']).toBe(String(to - from + 1));
      expect(headers['content-range']).toBe(expected === 206 ? `bytes ${from}-${to}/${size}` : undefined);
      expect(headers['cache-control']).toBe('private, no-store');
      expect(body.equals(method === 'GET' ? bytes.subarray(from, to + 1) : Buffer.alloc(0))).toBe(true);
    }
  });

  it.each(['bytes=1000-', 'bytes=5000-6000', 'bytes=-0'])(
    'answers range %j, which it does not have, with 416',
    async (range) => {
      const { put, get } = await hosting();
      const { status, headers, body } = await get(`/media/${await put(randomBytes(size))}`, { range });
      expect(status).toBe(416);
      expect(headers['content-range']).toBe('bytes */1000');
      expect(body.length).toBe(0);
    },
  );

  it('that is unknown, expired, lost or unrecorded is answered all the same', async () => {
    const { host, put, get, clock, directory, stored } = await hosting();
    const expired = await put(randomBytes(10));
    clock.advance(30 * day - 1);
    expect((await get(`/media/${expired}`)).status).toBe(200);
    const lost = await put(randomBytes(10));
    unlinkSync(join(directory, lost));
    const unrecorded = host.newName();
    writeFileSync(join(directory, unrecorded), 'rubbish');
    clock.advance(1);
    const answers = await Promise.all([expired, lost, unrecorded, host.newName()].map((name) => get(`/media/${name}`)));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]?.status).toBe(404);
    expect(stored()).toContain(expired);
  });

  it('cannot be found by looking around', async () => {
    const { put, get, directory, parent } = await hosting();
    const name = await put(randomBytes(10));
    writeFileSync(join(parent, 'bridge.db'), 'secret');
    writeFileSync(join(directory, 'secret'), 'secret');
    writeFileSync(join(directory, `${name}.0123456789ab.part`), 'secret');
    const nothing = await get('/media/unknown');
    const paths = [
      '/media',
      '/media/',
      '/media/.',
      '/media/..',
      '/media/../bridge.db',
      '/media/..%2fbridge.db',
      '/media/%2e%2e%2fbridge.db',
      '/media/..\\bridge.db',
      '/media/..%5cbridge.db',
      '/media/%2e%2e/media/secret',
      '/media/secret',
      `/media/${name}.0123456789ab.part`,
      `/media/${name}/..`,
      `/media/${name}%00`,
      `/media/${name}%2f`,
      `/media/${name}x`,
      `/media/${name.slice(1)}`,
      `/media/.${name.slice(1)}`,
      `/media/${directory}/secret`,
      `/media/${encodeURIComponent(join(directory, 'secret'))}`,
      `//media/${name}/../secret`,
    ];
    for (const path of paths) expect({ path, ...(await get(path)) }).toEqual({ path, ...nothing });
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      expect((await get(`/media/${name}`, {}, method)).status).toBe(404);
    }
    expect((await get(`/media/${name}`)).status).toBe(200);
  });

  it('never has its name in the log, also where it cannot be served', async () => {
    const lines: string[] = [];
    const keep = (fields: object, message: string) => void lines.push(JSON.stringify(fields) + message);
    const logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger };
    const ill = { now: false };
    const broken = (files: HostedFiles): HostedFiles => ({
      ...files,
      find: (name) => (ill.now ? Promise.reject(new Error(`no ${name}`)) : files.find(name)),
    });
    const { put, get, directory } = await hosting({ logger }, broken);
    const name = await put(randomBytes(10));
    ill.now = true;
    expect((await get(`/media/${name}`)).status).toBe(503);
    ill.now = false;
    unlinkSync(join(directory, name));
    mkdirSync(join(directory, name));
    expect((await get(`/media/${name}`)).status).not.toBe(200);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.filter((line) => line.includes(name))).toEqual([]);
  });
});

describe('storing', () => {
  it('a file again replaces it; several at a time of one name follow each other', async () => {
    const { host, put, get, stored, store } = await hosting();
    const name = host.newName();
    const files = [randomBytes(3000), randomBytes(1000), randomBytes(2000)];
    await Promise.all(files.map((bytes) => put(bytes, name)));
    expect((await get(`/media/${name}`)).body.equals(files[2] ?? Buffer.alloc(0))).toBe(true);
    expect(stored()).toEqual([name]);
    expect(await store.hostedFiles.total()).toBe(2000);
  });

  it('from a source that fails leaves nothing, and says what the source said', async () => {
    const { host, account, get, stored, store } = await hosting();
    const wrong = new Error('its hash does not fit');
    async function* failing(): FileBytes {
      yield randomBytes(5000);
      throw wrong;
    }
    const name = host.newName();
    await expect(host.put(account.id, name, 5000, failing())).rejects.toBe(wrong);
    expect(stored()).toEqual([]);
    expect(await store.hostedFiles.total()).toBe(0);
    expect((await get(`/media/${name}`)).status).toBe(404);
  });

  it('for an account that was erased meanwhile leaves nothing', async () => {
    const { host, account, store, stored } = await hosting();
    const { bytes, open, asked } = gated(randomBytes(100));
    const putting = host.put(account.id, host.newName(), 100, bytes);
    await asked;
    await store.commit([departure(account)]);
    open();
    await expect(putting).rejects.toMatchObject({ code: 'store.gone' });
    expect(stored()).toEqual([]);
  });

  it('under a name that was not made here is refused', async () => {
    const { host, account, parent } = await hosting();
    for (const name of ['../bridge.db', '', 'x'.repeat(33), `${'x'.repeat(30)}/.`]) {
      await expect(host.put(account.id, name as HostedName, 1, chunked(Buffer.of(1)))).rejects.toMatchObject({
        code: 'media.refused',
      });
    }
    expect(readdirSync(parent)).toEqual(['media']);
  });

  it('removes a file and its record, and does not mind if there is none', async () => {
    const { host, put, get, stored, store } = await hosting();
    const name = await put(randomBytes(100));
    await host.remove(name);
    await host.remove(name);
    expect((await get(`/media/${name}`)).status).toBe(404);
    expect(stored()).toEqual([]);
    expect(await store.hostedFiles.total()).toBe(0);
  });
});

describe('the quota', () => {
  const fullness = {
    code: 'media.host-full',
    retry: 'later',
    userText: "This server's storage for files on their way to WhatsApp is full; trying again later helps.",
  };

  it('keeps out what does not fit, before a byte is asked for, until there is room again', async () => {
    const { host, account, put } = await hosting({ quotaBytes: 1000 });
    const first = await put(randomBytes(600));
    await put(randomBytes(400));
    let asked = false;
    async function* source(): FileBytes {
      asked = true;
      yield Buffer.of(1);
    }
    await expect(host.put(account.id, host.newName(), 1, source())).rejects.toMatchObject(fullness);
    expect(asked).toBe(false);
    await host.remove(first);
    await put(randomBytes(600));
  });

  it('makes room by what has expired', async () => {
    const { put, clock, stored } = await hosting({ quotaBytes: 1000 });
    await put(randomBytes(900));
    clock.advance(20 * day);
    const young = await put(randomBytes(100));
    await expect(put(randomBytes(200))).rejects.toMatchObject(fullness);
    clock.advance(10 * day);
    const fits = await put(randomBytes(900));
    expect(stored()).toEqual([young, fits].sort());
  });

  it('counts what is on its way, and gives it back where that fails', async () => {
    const { host, account, put } = await hosting({ quotaBytes: 1000 });
    const wrong = new Error('broken');
    const { bytes, open, asked } = gated(randomBytes(700));
    const putting = host.put(account.id, host.newName(), 700, bytes);
    await asked;
    await expect(put(randomBytes(400))).rejects.toMatchObject(fullness);
    async function* failing(): FileBytes {
      yield Buffer.of(1);
      throw wrong;
    }
    await expect(host.put(account.id, host.newName(), 300, failing())).rejects.toBe(wrong);
    await put(randomBytes(300));
    open();
    await putting;
    await expect(put(Buffer.of(1))).rejects.toMatchObject(fullness);
  });

  it('lets one of two in that do not fit together', async () => {
    let waiting: (() => void)[] = [];
    const together = (files: HostedFiles): HostedFiles => ({
      ...files,
      // Whoever asks at the same time is answered at the same time.
      total: async () => {
        const bytes = await files.total();
        await new Promise<void>((resolve) => {
          if (waiting.push(resolve) > 1) return;
          setImmediate(() => {
            for (const answer of waiting) answer();
            waiting = [];
          });
        });
        return bytes;
      },
    });
    const { put } = await hosting({ quotaBytes: 1000 }, together);
    const results = await Promise.allSettled([put(randomBytes(600)), put(randomBytes(600))]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('holds for files that are larger than was expected', async () => {
    const { host, put, get, stored, store } = await hosting({ quotaBytes: 1000 });
    const name = host.newName();
    await put(randomBytes(800), name, 10);
    expect((await get(`/media/${name}`)).body.length).toBe(800);
    await expect(put(randomBytes(201), host.newName(), 10)).rejects.toMatchObject(fullness);
    expect(stored()).toEqual([name]);
    await put(randomBytes(200), host.newName(), 10);
    expect(await store.hostedFiles.total()).toBe(1000);
  });
});

describe('a sweep', () => {
  it('removes what has expired, what no record names and what was being written, and nothing else', async () => {
    const { host, put, clock, directory, stored, store } = await hosting({ quotaBytes: 1_000_000 });
    const old: HostedName[] = [];
    for (let n = 0; n < 250; n++) old.push(await put(randomBytes(10)));
    clock.advance(30 * day - 1);
    const young = await put(randomBytes(10));
    clock.advance(1);
    const rubbish = host.newName();
    writeFileSync(join(directory, rubbish), 'left by a crash');
    writeFileSync(join(directory, `${rubbish}.0123456789ab.part`), 'left by a crash');
    writeFileSync(join(directory, 'notes.txt'), 'not ours');
    expect(stored()).toHaveLength(254);
    await Promise.all([host.sweep(), host.sweep()]);
    expect(stored()).toEqual([young, 'notes.txt'].sort());
    expect(await store.hostedFiles.known([...old, young])).toEqual(new Set([young]));
  });

  it('leaves alone what is being stored, at every moment of it', async () => {
    const moments: (() => Promise<void>)[] = [];
    const watched = (files: HostedFiles): HostedFiles => ({
      ...files,
      // The file has its name by now, and no record.
      put: async (file) => {
        for (const moment of moments) await moment();
        await files.put(file);
      },
    });
    const { host, account, get } = await hosting({}, watched);
    moments.push(() => host.sweep());
    const bytes = randomBytes(5000);
    const { bytes: source, open, asked } = gated(bytes);
    const name = host.newName();
    const putting = host.put(account.id, name, 5000, source);
    await asked;
    await host.sweep();
    open();
    await putting;
    await host.sweep();
    expect(sha256((await get(`/media/${name}`)).body)).toEqual(sha256(bytes));
  });

  it('leaves alone what was recorded while it looked', async () => {
    const stored = Promise.withResolvers<void>();
    const named = Promise.withResolvers<void>();
    const record = Promise.withResolvers<void>();
    const watched = (files: HostedFiles): HostedFiles => ({
      ...files,
      put: async (file) => {
        named.resolve();
        await record.promise;
        await files.put(file);
      },
      known: async (names) => {
        const known = await files.known(names);
        record.resolve();
        await stored.promise;
        return known;
      },
    });
    const { host, put, get } = await hosting({}, watched);
    const name = host.newName();
    const putting = put(randomBytes(100), name).then(() => stored.resolve());
    await named.promise;
    await host.sweep();
    await putting;
    expect((await get(`/media/${name}`)).status).toBe(200);
  });

  it('removes the files of an erased account', async () => {
    const { host, put, account, store, stored } = await hosting();
    await put(randomBytes(10));
    const other = anAccount();
    await store.commit([{ change: 'account.put', account: other }, departure(account)]);
    const kept = host.newName();
    await host.put(other.id as AccountId, kept, 10, chunked(randomBytes(10)));
    await host.sweep();
    expect(stored()).toEqual([kept]);
  });

  it('goes on where one file cannot be removed', async () => {
    const { host, put, clock, directory, stored } = await hosting();
    const stuck = await put(randomBytes(10));
    await put(randomBytes(10));
    unlinkSync(join(directory, stuck));
    mkdirSync(join(directory, stuck));
    clock.advance(30 * day);
    await host.sweep();
    expect(stored()).toEqual([stuck]);
  });
});

describe('the directory', () => {
  it.each([0o755, 0o750, 0o701])('is refused with mode %o, because others could look into it', async (mode) => {
    const directory = join(temporaryDirectory(), 'media');
    mkdirSync(directory, { mode });
    const store = await openTestStore();
    const opening = createMediaHost({
      directory,
      publicUrl: 'https://example.org',
      quotaBytes: 1,
      keepMs: 1,
      files: store.hostedFiles,
      clock: new ManualClock(),
      logger: silent,
    });
    await expect(opening).rejects.toMatchObject({
      code: 'media.directory',
      message: expect.stringMatching(/chmod 700/),
    });
  });

  it('is refused where it is none', async () => {
    const file = join(temporaryDirectory(), 'media');
    writeFileSync(file, 'x');
    await expect(hosting({ directory: file })).rejects.toMatchObject({ code: 'media.directory' });
    expect(readFileSync(file, 'utf8')).toBe('x');
  });
});
