// Files fetched from a network's media host over real HTTPS: what is sound arrives, and a hostile or broken host cannot hurt us.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkFile, NetworkMedia, NetworkPicture } from '../../src/model/media.ts';
import type { MediaHosts } from '../../src/whatsapp/media/hosts.ts';
import { createNetworkMedia, type NetworkMediaOptions } from '../../src/whatsapp/media/network-media.ts';
import { seal } from '../../src/whatsapp/media/seal.ts';
import { chunked, collect } from '../support/bytes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { answer, NetworkMediaServer, partHead, rangeStart } from '../support/network-media-server.ts';

const MiB = 1024 * 1024;
const mediaKey = randomBytes(32);
const options = { maxBytes: 100 * MiB, signal: new AbortController().signal };

let server: NetworkMediaServer;
let clock: ManualClock;
let media: NetworkMedia;

beforeAll(async () => {
  server = await NetworkMediaServer.start();
});
afterAll(() => server.stop());
beforeEach(() => {
  clock = new ManualClock();
  media = mediaOf();
  server.requests.length = 0;
  server.connections = 0;
});

function mediaOf(hosts: Partial<MediaHosts> = {}, more: Partial<NetworkMediaOptions> = {}): NetworkMedia {
  const { host, authority } = server;
  const whatsapp = { media: { host, allowed: [], privateAddresses: true, authority, ...hosts } };
  return createNetworkMedia({ endpoints: { whatsapp }, clock, ...more });
}

async function fileWith(original: Uint8Array): Promise<{ file: NetworkFile; encrypted: Buffer }> {
  const { ciphertext, sealed } = seal('image', mediaKey, chunked(original));
  const encrypted = await collect(ciphertext);
  return { encrypted, file: { kind: 'image', url: undefined, directPath: '/v/t62?x=1', mediaKey, ...sealed() } };
}

const open = (file: NetworkFile, on = media) => on.open('whatsapp', file, options);

async function read(file: NetworkFile, on = media): Promise<Buffer> {
  return collect((await open(file, on)).bytes);
}

/** Lets the pauses before further tries pass, as soon as they are made; returns them when `work` is over. */
async function withoutPauses<Result>(work: Promise<Result>): Promise<readonly number[]> {
  const pauses: number[] = [];
  let over = false;
  const ended = work.then(
    () => undefined,
    () => undefined,
  );
  ended.then(() => {
    over = true;
  });
  while (!over) {
    const pause = await Promise.race([clock.sleeping(250, 10_000), ended]);
    if (pause === undefined) break;
    pauses.push(pause);
    clock.advance(pause);
  }
  return pauses;
}

const failure = (code: string, more: object = {}) => expect.objectContaining({ code, ...more });

describe('a file', () => {
  it.each([0, 1, 65_536, 5 * MiB + 3])('of %d bytes is fetched by its path, and decrypted', async (size) => {
    const original = randomBytes(size);
    const { file, encrypted } = await fileWith(original);
    server.serve(encrypted);
    const opened = await open(file);
    expect(opened.size).toBe(size);
    expect((await collect(opened.bytes)).equals(original)).toBe(true);
    expect(server.requests).toEqual([['/v/t62?x=1', undefined]]);
  });

  it('without a path is fetched from its address, if that is the network’s', async () => {
    const { file, encrypted } = await fileWith(randomBytes(100));
    server.serve(encrypted);
    expect(await read({ ...file, directPath: undefined, url: `https://${server.host}/v/u?y=2` })).toHaveLength(100);
    expect(server.requests).toEqual([['/v/u?y=2', undefined]]);
  });

  it('shares a connection with the one before', async () => {
    const { file, encrypted } = await fileWith(randomBytes(100_000));
    server.serve(encrypted);
    for (let count = 0; count < 3; count++) await read(file);
    expect([server.requests.length, server.connections]).toEqual([3, 1]);
    expect(clock.sleepers).toBe(0);
  });

  it('ends with an error where it is not what its message says', async () => {
    const { file, encrypted } = await fileWith(randomBytes(100_000));
    const changed = Buffer.from(encrypted);
    changed[50_000] = (changed[50_000] ?? 0) ^ 1;
    server.serve(changed);
    await expect(read(file)).rejects.toEqual(failure('media.corrupt', { retry: 'never' }));
    server.serve(encrypted.subarray(0, -16));
    await expect(read(file)).rejects.toEqual(failure('media.corrupt'));
    server.serve(encrypted.subarray(0, -1));
    await expect(open(file)).rejects.toEqual(failure('media.corrupt'));
  });

  it('is given up when the caller says so', async () => {
    const { file, encrypted } = await fileWith(randomBytes(5 * MiB));
    const [closed, abort] = [Promise.withResolvers<void>(), new AbortController()];
    server.handler = (_, response) => {
      response.writeHead(200, { 'content-length': encrypted.length }).write(encrypted.subarray(0, MiB));
      response.once('close', closed.resolve);
    };
    const { bytes } = await media.open('whatsapp', file, { ...options, signal: abort.signal });
    const reading = collect(bytes);
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await closed.promise;
    await expect(media.open('whatsapp', file, { ...options, signal: abort.signal })).rejects.toBe(reason);
  });
});

describe('the size', () => {
  it('is the sender’s claim unless the ciphertext shows that it cannot be', async () => {
    const original = randomBytes(1000);
    const { file, encrypted } = await fileWith(original);
    server.serve(encrypted);
    for (const size of [0, 900, 991, 1008, 5000]) {
      const opened = await open({ ...file, size });
      expect(opened.size).toBeUndefined();
      expect(await collect(opened.bytes)).toEqual(original);
    }
    // Within the padding the ciphertext does not tell; the end does.
    for (const size of [992, 999, 1001, 1007]) {
      const opened = await open({ ...file, size });
      expect(opened.size).toBe(size);
      await expect(collect(opened.bytes)).rejects.toEqual(failure('media.corrupt'));
    }
  });

  it('may be left out by the server', async () => {
    const original = randomBytes(100_000);
    const { file, encrypted } = await fileWith(original);
    server.handler = (_, response) => {
      response.write(encrypted.subarray(0, 1000));
      response.end(encrypted.subarray(1000));
    };
    const opened = await open(file);
    expect(opened.size).toBe(100_000);
    expect(await collect(opened.bytes)).toEqual(original);
  });

  it('may be at most what was allowed', async () => {
    const { file, encrypted } = await fileWith(randomBytes(1000));
    server.serve(encrypted);
    const opened = await media.open('whatsapp', file, { ...options, maxBytes: 1000 });
    expect(await collect(opened.bytes)).toHaveLength(1000);
    const refused = media.open('whatsapp', file, { ...options, maxBytes: 999 });
    await expect(refused).rejects.toEqual(failure('media.too-large', { userText: expect.stringContaining('0.0 MB') }));
    expect(server.requests).toHaveLength(1);
  });

  it('of 10 GB is refused at once, whatever the message claims', async () => {
    const { file } = await fileWith(randomBytes(1000));
    const closed = Promise.withResolvers<void>();
    server.handler = (_, response) => {
      response.writeHead(200, { 'content-length': 10_000_000_000 }).write(randomBytes(1000));
      response.once('close', closed.resolve);
    };
    await expect(open(file)).rejects.toEqual(
      failure('media.too-large', {
        retry: 'never',
        userText: 'The file is too large. It has 9536.7 MB. The limit is 100.0 MB.',
      }),
    );
    await closed.promise;
  });

  it('is measured too: a server that never ends is cut off at the limit', async () => {
    const { file } = await fileWith(randomBytes(1000));
    const [block, closed] = [randomBytes(64 * 1024), Promise.withResolvers<number>()];
    server.handler = (_, response) => {
      let written = 0;
      const more = (): void => {
        do written += block.length;
        while (response.write(block) && !response.destroyed);
      };
      response.on('drain', more).once('close', () => closed.resolve(written));
      more();
    };
    const { bytes } = await media.open('whatsapp', file, { ...options, maxBytes: 3 * MiB });
    let taken = 0;
    const reading = async () => {
      for await (const chunk of bytes) taken += chunk.length;
    };
    await expect(reading()).rejects.toEqual(failure('media.too-large'));
    expect(taken).toBeLessThanOrEqual(3 * MiB);
    expect(await closed.promise).toBeLessThan(32 * MiB);
  });
});

describe('a transfer that breaks', () => {
  /** Cuts the connection after so many bytes of the file, one cut for each request. */
  function cutting(file: Uint8Array, cuts: readonly number[], ranges = true) {
    let request = 0;
    server.handler = (incoming, response) => {
      const from = ranges ? rangeStart(incoming) : 0;
      const cut = cuts[request++];
      if (cut === undefined || cut >= file.length)
        return answer(ranges ? incoming : withoutRange(incoming), response, file);
      if (from > 0) response.writeHead(206, partHead(file, from));
      else response.writeHead(200, { 'content-length': file.length });
      response.write(file.subarray(from, Math.max(from, cut)), () => response.socket?.destroy());
      response.flushHeaders();
    };
  }
  const withoutRange = (request: IncomingMessage): IncomingMessage => {
    delete request.headers.range;
    return request;
  };

  it.each([1, 9, 16, 1000, 65_536, 299_999])('after %d bytes is taken up again', async (cut) => {
    const original = randomBytes(300_000);
    const { file, encrypted } = await fileWith(original);
    cutting(encrypted, [cut]);
    const reading = read(file);
    expect(await withoutPauses(reading)).toHaveLength(1);
    expect((await reading).equals(original)).toBe(true);
  });

  it('goes on behind what has arrived', async () => {
    let begun: ServerResponse | undefined;
    const original = randomBytes(300_000);
    const { file, encrypted } = await fileWith(original);
    server.handler = (request, response) => {
      if (rangeStart(request) > 0) return answer(request, response, encrypted);
      begun = response;
      return response.writeHead(200, { 'content-length': encrypted.length }).write(encrypted.subarray(0, 150_000));
    };
    let had = 0;
    const reading = (async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of (await open(file)).bytes) {
        chunks.push(chunk);
        had += chunk.length;
        if (had >= 50_000) begun?.socket?.destroy();
      }
      return Buffer.concat(chunks);
    })();
    await withoutPauses(reading);
    expect((await reading).equals(original)).toBe(true);
    const [, [, range] = []] = server.requests;
    expect(Number(/\d+/.exec(range ?? ''))).toBeGreaterThanOrEqual(50_000);
  });

  it('goes on although the server ignores ranges', async () => {
    const original = randomBytes(300_000);
    const { file, encrypted } = await fileWith(original);
    cutting(encrypted, [100_000, 200_000], false);
    const reading = read(file);
    await withoutPauses(reading);
    expect((await reading).equals(original)).toBe(true);
    expect(server.requests).toHaveLength(3);
  });

  it('gives the same bytes wherever it breaks and however it comes', async () => {
    const original = randomBytes(200_000);
    const { file, encrypted } = await fileWith(original);
    const cut = fc.integer({ min: 1, max: encrypted.length - 1 });
    const brokenAt = fc.uniqueArray(cut, { maxLength: 3 }).map((cuts) => cuts.sort((a, b) => a - b));
    await fc.assert(
      fc.asyncProperty(brokenAt, fc.boolean(), async (cuts, ranges) => {
        cutting(encrypted, cuts, ranges);
        const reading = read(file);
        await withoutPauses(reading);
        expect((await reading).equals(original)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it('is tried five times and then left for later, with longer and longer pauses', async () => {
    const { file, encrypted } = await fileWith(randomBytes(300_000));
    cutting(encrypted, [1000, 2000, 3000, 4000, 5000]);
    const reading = read(file);
    const pauses = await withoutPauses(reading);
    await expect(reading).rejects.toEqual(failure('media.unavailable', { retry: 'later' }));
    expect(server.requests).toHaveLength(5);
    expect(pauses.map((pause, index) => pause >= 250 * 2 ** index && pause <= 500 * 2 ** index)).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it('is tried as often as it gets on', async () => {
    const original = randomBytes(3 * MiB);
    const { file, encrypted } = await fileWith(original);
    cutting(
      encrypted,
      Array.from({ length: 11 }, (_, index) => (index + 1) * 270_000),
    );
    const reading = read(file);
    expect(await withoutPauses(reading)).toHaveLength(11);
    expect((await reading).equals(original)).toBe(true);
  });

  it.each([
    ['another part', 206, (file: Uint8Array, from: number) => partHead(file, from + 16)],
    ['a part of another file', 206, (file: Uint8Array, from: number) => partHead(Buffer.concat([file, file]), from)],
    ['a part without saying which', 206, () => ({})],
    ['nothing', 204, () => ({})],
    ['that there is no such part', 416, () => ({})],
  ])('is not mended with %s', async (_, status, head) => {
    const { file, encrypted } = await fileWith(randomBytes(300_000));
    server.handler = (request, response) => {
      const from = rangeStart(request);
      if (from > 0) return response.writeHead(status, { ...head(encrypted, from), connection: 'close' }).end();
      response.writeHead(200, { 'content-length': encrypted.length });
      return response.write(encrypted.subarray(0, 100_000), () => response.socket?.destroy());
    };
    const reading = read(file);
    await withoutPauses(reading);
    await expect(reading).rejects.toEqual(failure('media.unavailable'));
  });
});

describe('an answer other than the file', () => {
  const says = (status: number, headers: Record<string, string> = {}) => {
    server.handler = (_, response) => response.writeHead(status, headers).end('no');
  };

  it.each([403, 404, 410])('%d: the network has dropped it', async (status) => {
    const { file } = await fileWith(randomBytes(10));
    says(status);
    await expect(open(file)).rejects.toEqual(failure('media.gone', { retry: 'never', userText: expect.any(String) }));
    expect(server.requests).toHaveLength(1);
  });

  it.each([400, 401, 451])('%d: refused', async (status) => {
    const { file } = await fileWith(randomBytes(10));
    says(status);
    await expect(open(file)).rejects.toEqual(failure('media.refused', { retry: 'never' }));
    expect(server.requests).toHaveLength(1);
  });

  it.each([429, 500, 502, 503, 204, 206])('%d: tried again, then left for later', async (status) => {
    const { file } = await fileWith(randomBytes(10));
    says(status);
    const opening = open(file);
    await withoutPauses(opening);
    await expect(opening).rejects.toEqual(failure('media.unavailable', { retry: 'later' }));
    expect(server.requests).toHaveLength(5);
  });

  it('a short wait is waited, a long one is passed on', async () => {
    const { file, encrypted } = await fileWith(randomBytes(10));
    server.handler = (request, response) => {
      if (server.requests.length > 1) answer(request, response, encrypted);
      else response.writeHead(429, { 'retry-after': '7' }).end();
    };
    const reading = read(file);
    expect(await withoutPauses(reading)).toEqual([7000]);
    expect(await reading).toHaveLength(10);
    says(503, { 'retry-after': '3600' });
    await expect(open(file)).rejects.toEqual(failure('media.unavailable', { retry: 'later', retryAfterMs: 3_600_000 }));
  });

  it('no connection at all: left for later', async () => {
    const { file } = await fileWith(randomBytes(10));
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as { port: number };
    closed.close();
    const opening = open(file, mediaOf({ host: `localhost:${port}` }));
    expect(await withoutPauses(opening)).toHaveLength(4);
    await expect(opening).rejects.toEqual(failure('media.unavailable'));
  });

  it('a certificate that nobody vouches for: nothing is asked of it', async () => {
    const { file } = await fileWith(randomBytes(10));
    const opening = open(file, mediaOf({ authority: undefined }));
    await withoutPauses(opening);
    await expect(opening).rejects.toEqual(failure('media.unavailable'));
    expect(server.requests).toEqual([]);
  });
});

describe('redirects', () => {
  it('are followed on the network’s hosts', async () => {
    const original = randomBytes(1000);
    const { file, encrypted } = await fileWith(original);
    server.handler = (request, response) => {
      if (request.url === '/moved') answer(request, response, encrypted);
      else response.writeHead(302, { location: '/moved' }).end();
    };
    expect(await read(file)).toEqual(original);
  });

  it.each([
    'https://evil.example/x',
    'http://LOCALHOST/',
    '//evil.example/',
    'file:///etc/passwd',
    'https://',
    undefined,
  ])('to %s are refused', async (location) => {
    const { file } = await fileWith(randomBytes(10));
    server.handler = (_, response) => response.writeHead(307, location === undefined ? {} : { location }).end();
    await expect(open(file)).rejects.toEqual(failure('media.refused'));
    expect(server.requests).toHaveLength(1);
  });

  it('do not go in circles', async () => {
    const { file } = await fileWith(randomBytes(10));
    server.handler = ({ url }, response) => response.writeHead(302, { location: `${url}&again` }).end();
    await expect(open(file)).rejects.toEqual(failure('media.refused'));
    expect(server.requests).toHaveLength(4);
  });
});

describe('an address of somebody else’s', () => {
  it.each([
    [{ url: 'https://evil.example/x' }],
    [{ url: 'http://mmg.whatsapp.net/x' }],
    [{ url: 'https://mmg.whatsapp.net:8443/x' }],
    [{ url: 'https://user:word@mmg.whatsapp.net/x' }],
    [{ url: 'https://whatsapp.net.evil.example/x' }],
    [{ url: 'https://evilwhatsapp.net/x' }],
    [{ url: 'https://127.0.0.1/x' }],
    [{ url: 'file:///etc/passwd' }],
    [{ url: 'nonsense' }],
    [{ url: '' }],
    [{}],
    [{ directPath: '.evil.example/x' }],
    [{ directPath: '@evil.example/x' }],
    [{ directPath: ':443@evil.example/x' }],
  ])('is refused: %j', async (place) => {
    const { file } = await fileWith(randomBytes(10));
    const asked: string[] = [];
    const resolve: NetworkMediaOptions['resolve'] = (name, _, done) => {
      asked.push(name);
      done(new Error('no such name'), []);
    };
    const on = mediaOf({ host: 'mmg.whatsapp.net', allowed: ['*.whatsapp.net'], privateAddresses: false }, { resolve });
    const opening = open({ ...file, directPath: undefined, url: undefined, ...place }, on);
    await expect(opening).rejects.toEqual(failure('media.refused', { retry: 'never', userText: expect.any(String) }));
    expect(asked).toEqual([]);
  });

  it('is refused where the name leads into a private network, or half into one', async () => {
    const { file } = await fileWith(randomBytes(10));
    let asked = 0;
    for (const addresses of [
      ['127.0.0.1'],
      ['93.184.215.14', '127.0.0.1'],
      ['::1'],
      ['::ffff:127.0.0.1'],
      ['10.1.2.3'],
    ]) {
      const resolve: NetworkMediaOptions['resolve'] = (_name, _options, done) => {
        asked += 1;
        done(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        );
      };
      const on = mediaOf({ privateAddresses: false }, { resolve });
      await expect(open(file, on)).rejects.toEqual(failure('media.refused'));
    }
    // Asked once for each connection: there is no second answer that could differ from the one that was checked.
    expect(asked).toBe(5);
    // The system's own resolver, for `localhost`.
    await expect(open(file, mediaOf({ privateAddresses: false }))).rejects.toEqual(failure('media.refused'));
    const literal = mediaOf({ host: server.host.replace('localhost', '127.0.0.1'), privateAddresses: false });
    await expect(open(file, literal)).rejects.toEqual(failure('media.refused'));
    const named = { ...file, directPath: undefined, url: 'https://127.0.0.1/x' };
    const allowing = mediaOf({ allowed: ['127.0.0.1'], privateAddresses: false });
    await expect(open(named, allowing)).rejects.toEqual(failure('media.refused'));
    expect(server.connections).toBe(0);
  });
});

describe('a slow host', () => {
  /** Resolves when somebody waits for so long. */
  const timesOut = async (ms: number): Promise<void> => {
    await clock.sleeping(ms);
    clock.advance(ms);
  };
  const impatient = { tries: 1, connectMs: 20_000, firstByteMs: 40_000, paceMs: 60_000, paceBytes: 100_000 };

  it('that accepts connections and says nothing is not waited for', async () => {
    const { file } = await fileWith(randomBytes(10));
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const opening = open(file, mediaOf({ host: `localhost:${port}` }, { tuning: impatient }));
    await once(silent, 'connection');
    await Promise.all([timesOut(impatient.connectMs), expect(opening).rejects.toEqual(failure('media.unavailable'))]);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('that takes a request and does not answer is not waited for', async () => {
    const { file } = await fileWith(randomBytes(10));
    const on = mediaOf({}, { tuning: impatient });
    server.handler = () => void timesOut(impatient.firstByteMs);
    await expect(open(file, on)).rejects.toEqual(failure('media.unavailable', { retry: 'later' }));
  });

  it('that trickles is cut off, and asked for the rest', async () => {
    const original = randomBytes(300_000);
    const { file, encrypted } = await fileWith(original);
    const on = mediaOf({}, { tuning: { ...impatient, tries: 2 } });
    const tricklings: ServerResponse[] = [];
    server.handler = (request, response) => {
      if (rangeStart(request) > 0) return answer(request, response, encrypted);
      response.writeHead(200, { 'content-length': encrypted.length });
      response.write(encrypted.subarray(0, 150_000));
      return tricklings.push(response);
    };
    const opened = await open(file, on);
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of opened.bytes) chunks.push(chunk);
    })();
    // 150,000 bytes have kept the rule once. Then comes one byte each ten seconds.
    const had = async (bytes: number): Promise<void> => {
      while (chunks.reduce((sum, { length }) => sum + length, 0) < bytes) await setImmediate();
    };
    await had(100_000);
    const [trickling] = tricklings;
    for (let seconds = 0; seconds < 120 && !trickling?.destroyed; seconds += 10) {
      trickling?.write(encrypted.subarray(150_000 + seconds / 10, 150_001 + seconds / 10));
      for (let turn = 0; turn < 20; turn++) await setImmediate();
      clock.advance(10_000);
    }
    await withoutPauses(reading);
    await reading;
    expect(Buffer.concat(chunks).equals(original)).toBe(true);
    expect(trickling?.destroyed).toBe(true);
    expect(server.requests).toHaveLength(2);
  });
});

describe('a slow reader', () => {
  it('is waited for, however long', async () => {
    const original = randomBytes(300_000);
    const { file, encrypted } = await fileWith(original);
    server.serve(encrypted);
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await open(file)).bytes) {
      chunks.push(chunk);
      clock.advance(3_600_000);
    }
    expect(Buffer.concat(chunks).equals(original)).toBe(true);
    expect(server.requests).toHaveLength(1);
  });

  it('makes the host wait, instead of us keeping what it sends', async () => {
    const { file } = await fileWith(randomBytes(10));
    const whole = 64 * MiB + 26;
    let sent = 0;
    server.handler = (_, response) => {
      response.writeHead(200, { 'content-length': whole });
      const block = randomBytes(64 * 1024);
      const more = (): void => {
        while (sent < whole && !response.destroyed) {
          const part = block.subarray(0, whole - sent);
          sent += part.length;
          if (!response.write(part)) break;
        }
      };
      response.on('drain', more);
      more();
    };
    /** Until nothing moves any more. */
    const still = async (): Promise<void> => {
      for (let before = -1; before !== sent; ) {
        before = sent;
        for (let turn = 0; turn < 500; turn++) await setImmediate();
      }
    };
    const { bytes } = await open({ ...file, size: 64 * MiB + 1 });
    let taken = 0;
    for await (const chunk of bytes) {
      if (taken % (8 * MiB) < chunk.length) {
        await still();
        // The most of it is in the kernel's buffers.
        expect(sent - taken).toBeLessThan(16 * MiB);
      }
      taken += chunk.length;
      if (taken > 40 * MiB) break;
    }
  });

  it('who never comes does not keep the connection, and is served all the same', async () => {
    const original = randomBytes(300_000);
    const { file, encrypted } = await fileWith(original);
    const closed = Promise.withResolvers<void>();
    server.handler = (request, response) => {
      response.once('close', closed.resolve);
      if (server.requests.length > 1) answer(request, response, encrypted);
      else response.writeHead(200, { 'content-length': encrypted.length }).write(encrypted.subarray(0, 1000));
    };
    const { bytes } = await open(file);
    await clock.sleeping(30_000);
    clock.advance(30_000);
    await closed.promise;
    const reading = collect(bytes);
    await withoutPauses(reading);
    expect((await reading).equals(original)).toBe(true);
  });
});

describe('a picture', () => {
  const picture = randomBytes(200_000);
  const openPicture = (at: Partial<NetworkPicture>, maxBytes = MiB, on = media) =>
    on.openPicture('whatsapp', { url: undefined, directPath: undefined, ...at }, { ...options, maxBytes });

  it('is fetched as it lies there, by the address that the network names or by the path', async () => {
    server.serve(picture);
    const named = await openPicture({ url: `https://${server.host}/v/named`, directPath: '/v/path' });
    expect(named.size).toBe(picture.length);
    expect((await collect(named.bytes)).equals(picture)).toBe(true);
    expect((await collect((await openPicture({ directPath: '/v/path' })).bytes)).equals(picture)).toBe(true);
    expect(server.requests.map(([path]) => path)).toEqual(['/v/named', '/v/path']);
  });

  it('that is larger than allowed is not taken, whether the host says so or not', async () => {
    server.serve(picture);
    await expect(openPicture({ directPath: '/v/a' }, picture.length - 1)).rejects.toEqual(failure('media.too-large'));
    server.handler = (_, response) => void response.writeHead(200).end(picture);
    const silent = await openPicture({ directPath: '/v/a' }, picture.length - 1);
    await expect(collect(silent.bytes)).rejects.toEqual(failure('media.too-large'));
  });

  it('is fetched from nowhere else', async () => {
    server.serve(picture);
    for (const url of ['https://example.org/v/a', `http://${server.host}/v/a`, 'file:///etc/passwd', '']) {
      await expect(openPicture({ url })).rejects.toEqual(failure('media.refused'));
    }
    await expect(openPicture({})).rejects.toEqual(failure('media.refused'));
    const guarded = mediaOf({ privateAddresses: false });
    await expect(openPicture({ url: 'https://127.0.0.1/v/a' }, MiB, guarded)).rejects.toEqual(failure('media.refused'));
    const unknown = media.openPicture('messenger', { url: undefined, directPath: '/v/a' }, options);
    await expect(unknown).rejects.toEqual(failure('interop.not-configured'));
    expect(server.requests).toEqual([]);
  });
});
