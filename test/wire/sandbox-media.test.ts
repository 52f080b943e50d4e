import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { attribute, child, requireChild, stanza } from '../../src/whatsapp/binary/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { FileHost } from './file-host.ts';
import { InteropUser, Provider } from './sandbox-client.ts';

let provider: Provider;
let host: FileHost;
let sandbox: Sandbox;
const clock = new ManualClock(Date.now());

beforeAll(async () => {
  provider = await Provider.start();
  host = await FileHost.start();
  const settings = { ...provider.settings, media: { origin: host.url } };
  sandbox = await startSandbox({ clock, provider: settings, limits: { mediaBytes: 1000, mediaMs: 60_000 } });
});
afterAll(async () => {
  await sandbox.close();
  host.stop();
  provider.stop();
});

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly range: string | undefined;
}

/** HTTPS as a client does it that trusts the sandbox's authority and nothing else. */
function call(method: string, path: string, body?: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const { mediaHost, mediaAuthority: ca } = sandbox.info;
  return new Promise((resolve, reject) => {
    const sent = request(`https://${mediaHost}${path}`, { method, ca, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, body: Buffer.concat(chunks), range: headers['content-range'] });
      });
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const nameOf = (file: Buffer): string => createHash('sha256').update(file).digest('base64url');

async function permit(): Promise<string> {
  const user = new InteropUser(sandbox.info, provider, '@media:example.org');
  await user.enlist();
  await user.connect();
  const answer = await user.ask('set', 'w:m', stanza('media_conn'));
  const connection = requireChild(answer, 'media_conn');
  expect(attribute(child(connection, 'host') ?? connection, 'hostname')).toBe(sandbox.info.mediaHost);
  await user.disconnect();
  return attribute(connection, 'auth') ?? '';
}

async function upload(file: Buffer, auth: string, token = nameOf(file)): Promise<Answer> {
  return call('POST', `/mms/image/${token}?auth=${encodeURIComponent(auth)}&token=${token}`, file);
}

describe('the media store', () => {
  it('takes a file with a permit, and gives it whole or in parts to those who know its path', async () => {
    const file = randomBytes(1000);
    const { status, body } = await upload(file, await permit());
    expect(status).toBe(200);
    const { url, direct_path: path } = JSON.parse(body.toString()) as { url: string; direct_path: string };
    expect(url).toBe(`https://${sandbox.info.mediaHost}${path}`);
    const whole = await call('GET', `${path}&hash=abc&mms-type=image`);
    expect([whole.status, whole.body.equals(file)]).toEqual([200, true]);
    const part = await call('GET', path, undefined, { range: 'bytes=16-31' });
    expect([part.status, part.range]).toEqual([206, 'bytes 16-31/1000']);
    expect(part.body.equals(file.subarray(16, 32))).toBe(true);
    expect((await call('GET', path, undefined, { range: 'bytes=2000-' })).status).toBe(416);
    expect((await call('HEAD', path)).status).toBe(200);
    clock.advance(61_000);
    expect((await call('GET', path)).status).toBe(410);
    expect((await call('GET', path)).status).toBe(404);
  });

  it('refuses what has no permit, another hash, too many bytes, or no such name', async () => {
    const auth = await permit();
    const file = randomBytes(10);
    expect((await upload(file, 'nonsense')).status).toBe(401);
    expect((await upload(file, auth.replace(/^\d+/, '9999999999'))).status).toBe(401);
    expect((await upload(file, auth, nameOf(randomBytes(1)))).status).toBe(400);
    expect((await upload(randomBytes(1001), auth)).status).toBe(413);
    for (const path of ['/v/unknown', '/v/..%2f..%2fetc%2fpasswd', '/'])
      expect((await call('GET', path)).status).toBe(404);
    clock.advance(3_601_000);
    expect((await upload(file, auth)).status).toBe(401);
  });
});

describe('the media proxy', () => {
  it('passes on what the provider hosts, whole, in parts, and its refusals', async () => {
    const file = randomBytes(1000);
    host.put('/media/one', file);
    const whole = await call('GET', '/media/one?a=b&hash=c');
    expect([whole.status, whole.body.equals(file)]).toEqual([200, true]);
    const part = await call('GET', '/media/one?a=b', undefined, { range: 'bytes=990-' });
    expect([part.status, part.range, part.body.equals(file.subarray(990))]).toEqual([206, 'bytes 990-999/1000', true]);
    expect((await call('HEAD', '/media/one')).status).toBe(200);
    expect((await call('GET', '/media/none')).status).toBe(404);
    host.put('/media/gone', (_request, response) => response.writeHead(410).end());
    expect((await call('GET', '/media/gone')).status).toBe(410);
    expect(host.asked.slice(-5)).toEqual([
      'GET /media/one?a=b&hash=c',
      'GET /media/one?a=b bytes=990-',
      'HEAD /media/one',
      'GET /media/none',
      'GET /media/gone',
    ]);
  });

  it('asks for nothing outside the provider’s media, follows nobody, and only reads', async () => {
    host.put('/media/elsewhere', (_request, response) => response.writeHead(302, { location: '/media/one' }).end());
    expect((await call('GET', '/media/elsewhere')).status).toBe(502);
    const asked = host.asked.length;
    for (const path of ['/other', '/media/../other', '/media/%2e%2e/other', '//localhost/media/one', '/mediaone'])
      expect((await call('GET', path)).status, path).toBe(404);
    expect((await call('POST', '/media/one', randomBytes(1))).status).toBe(404);
    expect(host.asked.length).toBe(asked);
  });

  it('takes no more than the limit, announced or not, and tells a broken file from a whole one', async () => {
    host.put('/media/long', randomBytes(1001));
    expect((await call('GET', '/media/long')).status).toBe(502);
    host.put('/media/unannounced', (_request, response) => {
      response.write(randomBytes(600));
      response.end(randomBytes(600));
    });
    await expect(call('GET', '/media/unannounced')).rejects.toThrow(/aborted|hang up/);
    host.put('/media/broken', (_request, response) => {
      response.writeHead(200, { 'content-length': 900 }).write(randomBytes(100), () => response.destroy());
    });
    await expect(call('GET', '/media/broken')).rejects.toThrow(/aborted|hang up/);
  });

  it('stops reading from the provider when the client has gone', async () => {
    const gone = new Promise<void>((resolve) => {
      host.put('/media/endless', (_request, response) => {
        response.once('close', resolve);
        response.write(randomBytes(10));
      });
    });
    const { mediaHost, mediaAuthority: ca } = sandbox.info;
    const sent = request(`https://${mediaHost}/media/endless`, { ca, agent: false }, (response) => {
      response.once('data', () => sent.destroy());
    });
    sent.on('error', () => {});
    sent.end();
    await gone;
  });
});
