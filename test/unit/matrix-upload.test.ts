// Uploads to a homeserver: exact, as the actor, at its pace; and nothing that it would keep where the source or the size is wrong.
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ClientApi } from '../../src/matrix/client-api.ts';
import { decryptAttachment } from '../../src/matrix/media/attachment.ts';
import { ClientMedia } from '../../src/matrix/media/client-media.ts';
import type { FileBytes } from '../../src/model/media.ts';
import { chunked, collect, endless } from '../support/bytes.ts';
import { type Answer, actor, json, MediaServer, matrixError } from '../support/media-server.ts';

const never = new AbortController().signal;
const MiB = 1024 * 1024;

/** Takes the headers and not one byte of the body. */
const deaf: Answer = (request) => void request.pause();

describe('an upload', () => {
  it('goes as the actor, with its exact size, encrypted and without a name', async () => {
    const server = await MediaServer.start();
    server.answers.push(server.keep);
    const sizes = [0, 1, 65_536, 3 * MiB + 1];
    for (const [index, size] of sizes.entries()) {
      const bytes = randomBytes(size);
      const file = await server.media().upload(actor, size, chunked(bytes, [10, 10, 70_000, 2 * MiB]), never);
      expect(file.url).toBe(`mxc://example.org/file${index + 1}`);
      const sent = server.whole.at(-1) ?? Buffer.alloc(0);
      expect(size < 8 || !sent.equals(bytes)).toBe(true);
      expect((await collect(decryptAttachment(file, chunked(sent)))).equals(bytes)).toBe(true);
      expect(server.headers.at(-1)).toMatchObject({
        authorization: 'Bearer secret-token',
        'content-type': 'application/octet-stream',
        'content-length': String(size),
      });
      expect(server.headers.at(-1)).not.toHaveProperty('transfer-encoding');
    }
    expect(new Set(server.requests)).toEqual(
      new Set(['POST /_matrix/media/v3/upload?user_id=%40wa_ghost%3Aexample.org']),
    );
  });

  it('of a picture for everybody is what it is', async () => {
    const server = await MediaServer.start();
    server.answers.push(server.keep);
    const uri = await server.media().uploadPublic(actor, Buffer.from('picture'), 'image/png');
    expect(uri).toBe('mxc://example.org/file1');
    expect(server.whole.map(String)).toEqual(['picture']);
    expect(server.headers[0]).toMatchObject({ 'content-type': 'image/png' });
  });

  it.each([
    ['fewer bytes, in one chunk', 100, [], 101],
    ['fewer bytes, in several', 200_000, [70_000, 140_000], 200_001],
    ['no bytes', 0, [], 1],
    ['more bytes', 200_000, [70_000, 199_999], 199_999],
    ['more bytes than none', 1, [], 0],
  ])('of %s than announced is broken off', async (_, length, cuts, size) => {
    const server = await MediaServer.start();
    server.answers.push(server.keep);
    await expect(server.media().upload(actor, size, chunked(randomBytes(length), cuts), never)).rejects.toMatchObject({
      code: 'media.wrong-size',
      retry: 'never',
    });
    if (server.requests.length > 0) await server.cutOff;
    expect(server.whole).toEqual([]);
  });

  it('whose source fails after its last byte is broken off before the homeserver has that', async () => {
    for (const size of [1, 100, 300_000]) {
      const server = await MediaServer.start();
      let received = 0;
      server.answers.push((request, response) => {
        request.on('data', (chunk: Uint8Array) => {
          received += chunk.length;
        });
        return server.keep(request, response);
      });
      const wrong = new Error('its hash does not fit');
      const bytes = randomBytes(size);
      async function* source(): FileBytes {
        yield* chunked(bytes, [100_000, 200_000]);
        // Whatever has been written is on its way by now.
        while (received < Math.min(200_000, size - 100)) await turn();
        for (let turns = 0; turns < 100; turns++) await turn();
        throw wrong;
      }
      await expect(server.media().upload(actor, size, source(), never)).rejects.toBe(wrong);
      if (server.requests.length > 0) await server.cutOff;
      expect(server.whole).toEqual([]);
    }
  });

  it('that is aborted ends with the reason, and leaves nothing', async () => {
    const server = await MediaServer.start();
    server.answers.push(server.keep);
    const abort = new AbortController();
    const reason = new Error('stopping');
    async function* source(): FileBytes {
      yield randomBytes(MiB);
      yield randomBytes(MiB);
      abort.abort(reason);
      yield randomBytes(MiB);
    }
    await expect(server.media().upload(actor, 3 * MiB, source(), abort.signal)).rejects.toBe(reason);
    if (server.requests.length > 0) await server.cutOff;
    expect(server.whole).toEqual([]);
    await expect(server.media().upload(actor, 1, chunked(Buffer.of(1)), abort.signal)).rejects.toBe(reason);
  });

  it('takes no more from its source than the homeserver takes, and a few buffers', async () => {
    let received = 0;
    const slow: Answer = async (request, response) => {
      for await (const chunk of request) {
        received += chunk.length;
        for (let turns = 0; turns < 3; turns++) await turn();
      }
      response.end(JSON.stringify({ content_uri: 'mxc://example.org/slow' }));
    };
    const server = await MediaServer.start(slow);
    let taken = 0;
    let ahead = 0;
    async function* source(): FileBytes {
      for await (const chunk of endless(96 * MiB)) {
        taken += chunk.length;
        ahead = Math.max(ahead, taken - received);
        yield chunk;
      }
    }
    await server.media().upload(actor, 96 * MiB, source(), never);
    expect(received).toBe(96 * MiB);
    expect(ahead).toBeLessThan(24 * MiB);
  });

  it('to a homeserver that stops reading, or never answers, ends', async () => {
    const server = await MediaServer.start(deaf);
    let taken = 0;
    async function* source(): FileBytes {
      for await (const chunk of endless(1024 * MiB)) {
        taken += chunk.length;
        yield chunk;
      }
    }
    const stalled = { code: 'matrix.unreachable', retry: 'later' };
    await expect(server.media({ stallMs: 100 }).upload(actor, 1024 * MiB, source(), never)).rejects.toMatchObject(
      stalled,
    );
    expect(taken).toBeLessThan(24 * MiB);
    const silent: Answer = (request) => void request.resume();
    server.answers.unshift(silent);
    await expect(server.media({ answerMs: 100 }).upload(actor, 1, chunked(Buffer.of(1)), never)).rejects.toMatchObject(
      stalled,
    );
  });

  const refusals: [string, Answer, object][] = [
    ['413', matrixError(413, 'M_TOO_LARGE'), { code: 'media.too-large', retry: 'never', userText: /too large/ }],
    ['413 of a proxy', json('<html>', 413), { code: 'media.too-large' }],
    [
      '429',
      matrixError(429, 'M_LIMIT_EXCEEDED', { retry_after_ms: 1234 }),
      { code: 'matrix.rate-limited', retry: 'later', retryAfterMs: 1234 },
    ],
    ['500', matrixError(500, 'M_UNKNOWN'), { code: 'matrix.server-error', retry: 'later' }],
    ['502 of a proxy', json('<html>', 502), { code: 'matrix.no-homeserver', retry: 'later' }],
    ['403 of a proxy', json('<html>', 403), { code: 'matrix.no-homeserver', retry: 'later' }],
    ['401', matrixError(401, 'M_UNKNOWN_TOKEN'), { code: 'matrix.unauthorised', retry: 'later' }],
    ['403', matrixError(403, 'M_FORBIDDEN'), { code: 'matrix.forbidden', retry: 'never' }],
    ['200 without an address', json({}), { code: 'matrix.server-error', retry: 'later' }],
    ['200 with another address', json({ content_uri: 'mxc://../x' }), { code: 'matrix.server-error' }],
    ['200 that is no JSON', json('ok'), { code: 'matrix.server-error', retry: 'later' }],
    ['a closed connection', (request) => void request.destroy(), { code: 'matrix.unreachable', retry: 'later' }],
  ];
  it.each(refusals)('that is answered with %s says so', async (_, answer, expected) => {
    const server = await MediaServer.start(answer);
    const matching = Object.fromEntries(
      Object.entries(expected).map(([key, value]) => [
        key,
        value instanceof RegExp ? expect.stringMatching(value) : value,
      ]),
    );
    await expect(server.media().upload(actor, 5, chunked(Buffer.from('bytes')), never)).rejects.toMatchObject(matching);
  });

  it('that is answered before its end stops there, also if the homeserver reads no further', async () => {
    const early: Answer = (request, response) => {
      request.pause();
      response.writeHead(413).end(JSON.stringify({ errcode: 'M_TOO_LARGE' }));
    };
    const server = await MediaServer.start(early);
    let taken = 0;
    async function* source(): FileBytes {
      for await (const chunk of endless(1024 * MiB)) {
        taken += chunk.length;
        yield chunk;
      }
    }
    await expect(server.media().upload(actor, 1024 * MiB, source(), never)).rejects.toMatchObject({
      code: 'media.too-large',
    });
    expect(taken).toBeLessThan(24 * MiB);
    server.answers.unshift((request, response) => {
      request.pause();
      response.end(JSON.stringify({ content_uri: 'mxc://example.org/early' }));
    });
    await expect(server.media().upload(actor, 1024 * MiB, endless(1024 * MiB), never)).rejects.toMatchObject({
      code: 'matrix.server-error',
    });
  });

  it('to an address where nobody listens says that', async () => {
    const api = new ClientApi({ homeserverUrl: 'http://127.0.0.1:1', asToken: 'secret-token' });
    await expect(new ClientMedia({ api }).upload(actor, 1, chunked(Buffer.of(1)), never)).rejects.toMatchObject({
      code: 'matrix.unreachable',
      retry: 'later',
    });
  });
});

describe('the upload limit', () => {
  it('is asked for once in ten minutes, by many at a time', async () => {
    const server = await MediaServer.start();
    let asked = 0;
    server.limit = (request, response) => {
      asked += 1;
      json({ 'm.upload.size': asked * 1000 })(request, response);
    };
    const clock = { time: 0, now: () => clock.time, elapsed: () => clock.time, sleep: async () => undefined };
    const media = server.media({}, clock);
    expect(await Promise.all([media.uploadLimit(), media.uploadLimit()])).toEqual([1000, 1000]);
    clock.time = 10 * 60_000 - 1;
    expect(await media.uploadLimit()).toBe(1000);
    clock.time += 1;
    expect(await media.uploadLimit()).toBe(2000);
  });

  it('comes from the former address where the server knows no other, and may be missing', async () => {
    const server = await MediaServer.start();
    for (const unknown of [matrixError(404, 'M_UNRECOGNIZED'), matrixError(404, 'M_NOT_FOUND'), json('<html>', 404)]) {
      server.limit = (request, response) =>
        (request.url?.startsWith('/_matrix/media/v3/config') ? json({ 'm.upload.size': 5 }) : unknown)(
          request,
          response,
        );
      expect(await server.media().uploadLimit()).toBe(5);
    }
    for (const answer of [{}, { 'm.upload.size': null }, { 'm.upload.size': 'much' }, { 'm.upload.size': -1 }]) {
      server.limit = json(answer);
      expect(await server.media().uploadLimit()).toBeUndefined();
    }
  });

  it('is not remembered as unknown because the homeserver was away', async () => {
    const server = await MediaServer.start();
    server.limit = json('<html>', 502);
    const media = server.media();
    await expect(media.uploadLimit()).rejects.toMatchObject({ code: 'matrix.no-homeserver', retry: 'later' });
    server.limit = json({ 'm.upload.size': 7 });
    expect(await media.uploadLimit()).toBe(7);
  });

  it('keeps larger files from being sent at all, and lets them be tried where it is not known', async () => {
    const server = await MediaServer.start();
    server.answers.push(server.keep);
    server.limit = json({ 'm.upload.size': 5 });
    const media = server.media();
    let taken = false;
    async function* source(): FileBytes {
      taken = true;
      yield Buffer.from('sixsix');
    }
    await expect(media.upload(actor, 6, source(), never)).rejects.toMatchObject({ code: 'media.too-large' });
    expect({ taken, requests: server.requests }).toEqual({ taken: false, requests: [] });
    await media.upload(actor, 5, chunked(Buffer.from('five!')), never);
    server.limit = matrixError(500, 'M_UNKNOWN');
    await server.media().upload(actor, 6, source(), never);
    expect(server.whole.map((body) => body.length)).toEqual([5, 6]);
  });
});
