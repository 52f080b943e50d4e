// Downloads from a homeserver that behaves as servers and networks do: old, redirecting, cut off, slow, lying.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encryptAttachment } from '../../src/matrix/media/attachment.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { MatrixFile, MediaUri, OpenedFile } from '../../src/model/media.ts';
import { chunked, collect, endless } from '../support/bytes.ts';
import { type Answer, actor, json, MediaServer, matrixError } from '../support/media-server.ts';

const uri: MediaUri = 'mxc://example.org/abc';
const MiB = 1024 * 1024;
const current = 'GET /_matrix/client/v1/media/download/example.org/abc?user_id=%40wa_ghost%3Aexample.org';
const former = 'GET /_matrix/media/v3/download/example.org/abc?user_id=%40wa_ghost%3Aexample.org';

const options = (maxBytes = 100 * MiB, signal = new AbortController().signal) => ({ maxBytes, signal });

async function attachment(bytes: Uint8Array): Promise<{ readonly data: Buffer; readonly file: MatrixFile }> {
  const { ciphertext, secrets } = encryptAttachment(chunked(bytes));
  const data = await collect(ciphertext);
  return { data, file: { url: uri, ...secrets() } };
}

const whole =
  (data: Uint8Array): Answer =>
  (_request, response) =>
    void response.writeHead(200, { 'content-length': data.length }).end(data);

/** Announces all of `data`, gives `count` bytes of it from where it was asked for, and closes the connection. */
const broken =
  (data: Uint8Array, count: number, { ranges = true } = {}): Answer =>
  (request, response) => {
    const from = ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
    const rest = data.subarray(from);
    if (from === 0) response.writeHead(200, { 'content-length': data.length });
    else {
      const range = `bytes ${from}-${data.length - 1}/${data.length}`;
      response.writeHead(206, { 'content-length': rest.length, 'content-range': range });
    }
    if (count >= rest.length) response.end(rest);
    else response.write(rest.subarray(0, count), () => response.destroy());
  };

async function failure(opened: Promise<OpenedFile>): Promise<unknown> {
  return opened.then(({ bytes }) => collect(bytes)).catch((error: unknown) => error);
}

describe('a download', () => {
  it.each([0, 1, 65_537, 5 * MiB])('of %i bytes is fetched as the actor, and decrypted', async (size) => {
    const bytes = randomBytes(size);
    const { data, file } = await attachment(bytes);
    const server = await MediaServer.start(whole(data));
    const opened = await server.media().open(actor, file, options());
    expect(opened.size).toBe(size);
    expect((await collect(opened.bytes)).equals(bytes)).toBe(true);
    expect(server.requests).toEqual([current]);
    expect(server.headers[0]).toMatchObject({ authorization: 'Bearer secret-token', 'accept-encoding': 'identity' });
  });

  it('of a file that everybody may see is what the server has', async () => {
    const server = await MediaServer.start((_request, response) => {
      response.write('stick');
      response.end('er');
    });
    const { size, bytes } = await server.media().openPublic(actor, uri, options());
    expect(size).toBeUndefined();
    expect(String(await collect(bytes))).toBe('sticker');
  });

  it('asks an older server at the former address, and a newer one never', async () => {
    for (const unknown of [
      matrixError(404, 'M_UNRECOGNIZED'),
      matrixError(400, 'M_UNRECOGNIZED'),
      json('<html>', 404),
    ]) {
      const server = await MediaServer.start(unknown, whole(Buffer.from('old')));
      const { bytes } = await server.media().openPublic(actor, uri, options());
      expect(String(await collect(bytes))).toBe('old');
      expect(server.requests).toEqual([current, former]);
    }
    const server = await MediaServer.start(matrixError(404, 'M_NOT_FOUND'));
    await expect(server.media().openPublic(actor, uri, options())).rejects.toMatchObject({ code: 'media.gone' });
    expect(server.requests).toEqual([current]);
    // A file that is not at the former address is no file that is gone: newer servers have none there.
    const away = await MediaServer.start(json('<html>', 502), matrixError(404, 'M_NOT_FOUND'));
    await expect(away.media().openPublic(actor, uri, options())).rejects.toMatchObject({ code: 'media.unavailable' });
  });

  const refusals: [string, Answer, object][] = [
    ['404 M_NOT_FOUND', matrixError(404, 'M_NOT_FOUND'), { code: 'media.gone', retry: 'never' }],
    ['404 M_UNRECOGNIZED everywhere', matrixError(404, 'M_UNRECOGNIZED'), { code: 'media.gone' }],
    ['404 of a proxy', json('<html>', 404), { code: 'media.unavailable', retry: 'later' }],
    ['403 of a proxy', json('<html>', 403), { code: 'media.unavailable', retry: 'later' }],
    [
      '429',
      matrixError(429, 'M_LIMIT_EXCEEDED', { retry_after_ms: 5000 }),
      { code: 'media.unavailable', retry: 'later', retryAfterMs: 5000 },
    ],
    ['504 M_NOT_YET_UPLOADED', matrixError(504, 'M_NOT_YET_UPLOADED'), { code: 'media.unavailable', retry: 'later' }],
    ['502 M_TOO_LARGE of another server', matrixError(502, 'M_TOO_LARGE'), { code: 'media.too-large', retry: 'never' }],
    ['502 of a proxy', json('<html>', 502), { code: 'media.unavailable', retry: 'later' }],
    ['401', matrixError(401, 'M_UNKNOWN_TOKEN'), { code: 'media.unavailable', retry: 'later' }],
    ['403', matrixError(403, 'M_FORBIDDEN'), { code: 'matrix.forbidden', retry: 'never' }],
    ['an error page without end', (_, response) => endlessly(response.writeHead(500)), { code: 'media.unavailable' }],
  ];
  it.each(refusals)('that is answered with %s says so', async (_, answer, expected) => {
    const server = await MediaServer.start(answer);
    await expect(server.media().openPublic(actor, uri, options())).rejects.toMatchObject(expected);
  });

  it('of more than was allowed is refused before and while it is read', async () => {
    const huge: Answer = (_request, response) => {
      response.writeHead(200, { 'content-length': 10_000_000_000 });
      endlessly(response);
    };
    const server = await MediaServer.start(huge);
    await expect(server.media().openPublic(actor, uri, options())).rejects.toMatchObject({
      code: 'media.too-large',
      userText: 'The file is too large. It has 9536.7 MB. The limit is 100.0 MB.',
    });
    server.answers.unshift((_request, response) => endlessly(response));
    const { bytes } = await server.media().openPublic(actor, uri, options(MiB));
    let read = 0;
    const reading = (async () => {
      for await (const chunk of bytes) read += chunk.length;
    })();
    await expect(reading).rejects.toMatchObject({ code: 'media.too-large', retry: 'never' });
    expect(read).toBeLessThanOrEqual(MiB);
    server.answers.unshift(whole(Buffer.alloc(MiB)));
    const fits = await server.media().openPublic(actor, uri, options(MiB));
    expect((await collect(fits.bytes)).length).toBe(MiB);
  });

  it('that is not what its message describes does not end', async () => {
    const { data, file } = await attachment(randomBytes(1000));
    for (const wrong of [randomBytes(1000), data.subarray(1), Buffer.concat([data, Buffer.of(0)]), Buffer.alloc(0)]) {
      const server = await MediaServer.start(whole(wrong));
      expect(await failure(server.media().open(actor, file, options()))).toMatchObject({
        code: 'media.corrupt',
        retry: 'never',
      });
    }
  });

  it.each([true, false])('that breaks is taken up where it was (server with ranges: %s)', async (ranges) => {
    const bytes = randomBytes(500_000);
    const { data, file } = await attachment(bytes);
    const cut = (count: number) => broken(data, count, { ranges });
    const lengths = ranges ? [200_000, 1, 100_000] : [200_000, 199_000, 300_000];
    const server = await MediaServer.start(...lengths.map(cut), cut(data.length));
    const { bytes: read } = await server.media().open(actor, file, options());
    expect((await collect(read)).equals(bytes)).toBe(true);
    const asked = server.headers.map(({ range }) => range);
    expect(asked).toEqual([undefined, ...asked.slice(1).map(() => expect.stringMatching(/^bytes=[1-9]\d*-$/))]);
    expect(asked).toHaveLength(4);
  });

  it('that breaks again and again is given up after a few times, later each time', async () => {
    const { data, file } = await attachment(randomBytes(100_000));
    for (const answer of [broken(data, 1000), broken(data, 0), matrixErrorAfter(broken(data, 1000))]) {
      const server = await MediaServer.start(answer);
      const waits: number[] = [];
      const clock = { now: () => 0, elapsed: () => 0, sleep: async (ms: number) => void waits.push(ms) };
      expect(await failure(server.media({}, clock).open(actor, file, options()))).toMatchObject({
        code: 'media.unavailable',
        retry: 'later',
      });
      expect(server.requests).toHaveLength(6);
      expect(waits).toEqual([250, 500, 1000, 2000, 4000]);
    }
  });

  it('that is gone, limited or another file when it is taken up again, ends at once', async () => {
    const data = randomBytes(100_000);
    for (const [answer, expected] of [
      [matrixError(404, 'M_NOT_FOUND'), { code: 'media.gone' }],
      [matrixError(429, 'M_LIMIT_EXCEEDED', { retry_after_ms: 9 }), { code: 'media.unavailable', retryAfterMs: 9 }],
      [whole(data.subarray(1)), { code: 'media.corrupt' }],
    ] as const) {
      const server = await MediaServer.start(broken(data, 1000), answer);
      expect(await failure(server.media().openPublic(actor, uri, options()))).toMatchObject(expected);
      expect(server.requests).toHaveLength(2);
    }
  });

  it('from a server that answers with another piece than was asked for is not put together wrongly', async () => {
    const data = randomBytes(100_000);
    const other: Answer = (_request, response) => {
      const range = `bytes 50000-${data.length - 1}/${data.length}`;
      response.writeHead(206, { 'content-length': 50_000, 'content-range': range }).end(data.subarray(50_000));
    };
    const server = await MediaServer.start(broken(data, 1000), other, broken(data, data.length));
    const { bytes } = await server.media().openPublic(actor, uri, options());
    expect((await collect(bytes)).equals(data)).toBe(true);
    expect(server.requests).toHaveLength(3);
  });

  it('from a server that gives a byte and then none is given up', async () => {
    const drip: Answer = (_request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('x');
    };
    const server = await MediaServer.start(drip);
    expect(await failure(server.media({ stallMs: 30 }).openPublic(actor, uri, options()))).toMatchObject({
      code: 'media.unavailable',
      retry: 'later',
    });
    expect(server.requests).toHaveLength(6);
    server.answers.unshift(() => undefined);
    await expect(server.media({ answerMs: 30 }).openPublic(actor, uri, options())).rejects.toMatchObject({
      code: 'media.unavailable',
    });
  });

  it('does not run ahead of its reader', async () => {
    let written = 0;
    let read = 0;
    let ahead = 0;
    const fast: Answer = async (_request, response) => {
      response.writeHead(200, { 'content-length': 96 * MiB });
      for await (const chunk of endless(96 * MiB)) {
        written += chunk.length;
        ahead = Math.max(ahead, written - read);
        if (!response.write(chunk)) await once(response, 'drain');
      }
      response.end();
    };
    const server = await MediaServer.start(fast);
    const { bytes } = await server.media().openPublic(actor, uri, options());
    for await (const chunk of bytes) {
      read += chunk.length;
      for (let turns = 0; turns < 3; turns++) await turn();
    }
    expect(read).toBe(96 * MiB);
    expect(ahead).toBeLessThan(24 * MiB);
  });

  it('that nobody reads lets go of its connection, and can still be read', async () => {
    const data = randomBytes(64 * MiB);
    const { promise: letGo, resolve } = Promise.withResolvers<void>();
    const server = await MediaServer.start((request, response) => {
      response.once('close', resolve);
      whole(data)(request, response);
    }, whole(data));
    const { bytes } = await server.media({ stallMs: 200 }).openPublic(actor, uri, options());
    await letGo;
    expect((await collect(bytes)).equals(data)).toBe(true);
  });

  it('that breaks before anybody reads it is taken up all the same', async () => {
    const data = randomBytes(100_000);
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const server = await MediaServer.start((request, response) => {
      response.once('close', resolve);
      broken(data, 1000)(request, response);
    }, whole(data));
    const { bytes } = await server.media().openPublic(actor, uri, options());
    await closed;
    for (let turns = 0; turns < 20; turns++) await turn();
    expect((await collect(bytes)).equals(data)).toBe(true);
  });

  it('that is aborted, or left before its end, closes its connection', async () => {
    for (const way of ['abort', 'leave', 'abort unread'] as const) {
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      const server = await MediaServer.start((_request, response) => {
        response.once('close', resolve);
        endlessly(response);
      });
      const abort = new AbortController();
      const reason = new Error('stopping');
      const { bytes } = await server.media().openPublic(actor, uri, options(1024 * MiB, abort.signal));
      const read = async () => {
        for await (const _ of bytes) {
          if (way === 'leave') break;
          abort.abort(reason);
        }
      };
      if (way === 'abort unread') abort.abort(reason);
      if (way === 'leave') await read();
      else await expect(read()).rejects.toBe(reason);
      await closed;
      expect(server.requests).toHaveLength(1);
    }
    const server = await MediaServer.start(json('never'));
    const over = AbortSignal.abort(new Error('over'));
    await expect(server.media().openPublic(actor, uri, options(1, over))).rejects.toThrow('over');
    expect(server.requests).toEqual([]);
  });

  it('follows redirects, with our token on the homeserver alone', async () => {
    const elsewhere = await MediaServer.start(whole(Buffer.from('from afar')));
    const redirect =
      (location: string, status = 307): Answer =>
      (_request, response) =>
        void response.writeHead(status, { location }).end();
    const away = redirect(`${elsewhere.url}/bucket?signature=1`, 308);
    const server = await MediaServer.start(redirect('/inside?token=1'), away);
    const { bytes } = await server.media().openPublic(actor, uri, options());
    expect(String(await collect(bytes))).toBe('from afar');
    expect(server.requests).toEqual([current, 'GET /inside?token=1']);
    expect(server.headers.map(({ authorization }) => authorization)).toEqual(Array(2).fill('Bearer secret-token'));
    expect(elsewhere.requests).toEqual(['GET /bucket?signature=1']);
    expect(elsewhere.headers[0]).not.toHaveProperty('authorization');

    for (const nowhere of [redirect('/again'), redirect('file:///etc/passwd'), redirect('http://'), redirect('')]) {
      const looping = await MediaServer.start(nowhere);
      await expect(looping.media().openPublic(actor, uri, options())).rejects.toMatchObject({
        code: 'media.unavailable',
      });
      expect(looping.requests.length).toBeLessThanOrEqual(4);
    }
  });
});

describe('an address', () => {
  it.each([
    'mxc://../../_matrix/client/v3/sync',
    'mxc://../x',
    'mxc://example.org/..',
    'mxc://example.org/../x',
    'mxc://example.org/%2e%2e',
    'mxc://example.org/a?b',
    'mxc://example.org/',
    'mxc:///a',
    'mxc://example.org',
    'https://example.org/a',
    '',
  ])('%j that is none is refused before anything is sent', async (text) => {
    const server = await MediaServer.start(json('never'));
    await expect(server.media().openPublic(actor, text as MediaUri, options())).rejects.toMatchObject({
      code: 'media.refused',
      retry: 'never',
    });
    expect(server.requests).toEqual([]);
  });

  it('of any kind leads to the media of one server, or nowhere', async () => {
    const server = await MediaServer.start(json('x'));
    const media = server.media();
    const part = fc.oneof(fc.string(), fc.constantFrom('..', '.', 'a', 'example.org', '[::1]:80', '%2e%2e'));
    await fc.assert(
      fc.asyncProperty(part, part, async (host, id) => {
        server.requests.length = 0;
        try {
          const { bytes } = await media.openPublic(actor, `mxc://${host}/${id}`, options());
          await collect(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(BridgeError);
        }
        for (const request of server.requests) {
          expect(request).toMatch(/^GET \/_matrix\/client\/v1\/media\/download\/[^/?]+\/[\w-]+\?user_id=[^&]+$/);
        }
      }),
    );
  });

  it('of a server with a port, or by number, is asked for as it is', async () => {
    const server = await MediaServer.start(json('x'));
    for (const host of ['example.org:8448', '[2001:db8::1]:8448', '192.0.2.1']) {
      await server.media().openPublic(actor, `mxc://${host}/a-b_C9`, options());
      expect(server.requests.at(-1)).toContain(`/download/${encodeURIComponent(host)}/a-b_C9?`);
    }
  });
});

function endlessly(response: ServerResponse): void {
  const block = randomBytes(64 * 1024);
  const more = (): void => {
    while (!response.destroyed && response.write(block));
  };
  response.on('drain', more);
  more();
}

/** The first time as `answer` does it; the server is ill from then on. */
function matrixErrorAfter(answer: Answer): Answer {
  let first = true;
  return (request, response) => {
    const now = first ? answer : matrixError(500, 'M_UNKNOWN');
    first = false;
    now(request, response);
  };
}
