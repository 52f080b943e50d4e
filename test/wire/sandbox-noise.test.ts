import { once } from 'node:events';
import { connect } from 'node:net';
import makeWASocket, { type ConnectionState, initAuthCreds, WA_CERT_DETAILS } from '@whiskeysockets/baileys';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { parseJid } from '../../src/model/jid.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { type AttributeValue, encodeStanza, stanza } from '../../src/whatsapp/binary/index.ts';
import { control, InteropUser, Provider } from './sandbox-client.ts';

let provider: Provider;
let sandbox: Sandbox;

beforeAll(async () => {
  provider = await Provider.start();
  sandbox = await startSandbox({ provider: provider.settings, tcpPort: 0, limits: { handshakeTimeoutMs: 500 } });
});
afterAll(async () => {
  await sandbox.close();
  provider.stop();
});

const silent = { level: 'silent', child: () => silent, trace() {}, debug() {}, info() {}, warn() {}, error() {} };

describe('Baileys', () => {
  it('completes the handshake unmodified, and reads that its device is unknown', async () => {
    WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(sandbox.info.rootPublicKey, 'base64');
    const socket = makeWASocket({
      waWebSocketUrl: sandbox.info.chatUrl,
      auth: {
        creds: { ...initAuthCreds(), me: { id: '31640000099:1@s.whatsapp.net' } },
        keys: { get: async () => ({}), set: async () => {} },
      },
      logger: silent,
    });
    const ending = await new Promise((resolve) => {
      socket.ev.on('connection.update', ({ connection, lastDisconnect }: Partial<ConnectionState>) => {
        if (connection === 'close') resolve(lastDisconnect?.error);
      });
    });
    expect(ending).toMatchObject({ output: { statusCode: 401 } });
  });
});

describe('whatever is sent', () => {
  const alive = async (): Promise<void> => {
    expect(await control(sandbox.url, '/sandbox/info')).toEqual(sandbox.info);
  };

  it('does not harm the server before the handshake', async () => {
    const intro = fc.constantFrom(
      Buffer.alloc(0),
      Buffer.from('57410603', 'hex'),
      Buffer.from('4544000100000157', 'hex'),
    );
    const noise = fc.tuple(intro, fc.uint8Array({ maxLength: 200 })).map((parts) => Buffer.concat(parts));
    await fc.assert(
      fc.asyncProperty(noise, async (bytes) => {
        const client = new WebSocket(sandbox.info.chatUrl);
        await once(client, 'open');
        client.send(bytes);
        client.close();
        await once(client, 'close');
        const tcp = connect(Number(new URL(sandbox.info.tcpUrl ?? '').port), '127.0.0.1');
        tcp.on('error', () => {}).end(bytes);
        tcp.resume();
        await once(tcp, 'close');
      }),
      { numRuns: 40 },
    );
    const text = new WebSocket(sandbox.info.chatUrl);
    await once(text, 'open');
    text.send('text');
    await once(text, 'close');
    await alive();
  });

  it('does not harm the server after the login', async () => {
    const alice = new InteropUser(sandbox.info, provider, '@alice:example.org');
    await alice.enlist();
    const phone = await SandboxPhone.create(sandbox.url, '31630009999', 'Anna');
    const { lid } = z.object({ lid: z.string() }).parse(await phone.call('GET', `/phones/${phone.number}`));
    const name = fc.constantFrom('id', 'to', 'type', 'xmlns', 'class', 'jid', 'target', 'call-id', 'call-creator');
    const known = fc.constantFrom(...['server-error', 'retry', 'mediaretry', 'subscribe', 'get', 'w:profile:picture']);
    const value: fc.Arbitrary<AttributeValue> = fc.oneof(fc.string(), known, fc.constant(parseJid(lid)));
    const attrs = fc.dictionary(name, value);
    const tags = fc.constantFrom(
      ...['iq', 'message', 'receipt', 'ack', 'ib', 'presence', 'chatstate', 'call', 'notification'],
    );
    const inner = fc.constantFrom(
      'usync',
      'key',
      'registration',
      'rotate',
      'participants',
      'retry',
      'list',
      'query',
      'enc',
      'picture',
      'composing',
      'offer',
      'terminate',
      'rmr',
      'encrypt',
    );
    const stanzas = fc
      .tuple(tags, attrs, fc.array(fc.tuple(inner, attrs, fc.uint8Array({ maxLength: 40 })), { maxLength: 4 }))
      .map(([tag, all, content]) => {
        const parts = content.map(([part, more, bytes]) => stanza(part, more, bytes));
        return encodeStanza(stanza(tag, all, parts));
      });
    const frames = fc.oneof(stanzas, fc.uint8Array({ maxLength: 200 }));
    await fc.assert(
      fc.asyncProperty(fc.array(frames, { minLength: 1, maxLength: 5 }), async (sent) => {
        await alice.connect();
        for (const frame of sent) alice.sendBytes(frame);
        await alice.disconnect();
      }),
      { numRuns: 100 },
    );
    await alive();
    // The phone has had its share of it.
    const other = await SandboxPhone.create(sandbox.url, '31630009998', 'Ben');
    await other.send(phone.number, 'are you well?');
    await phone.received('are you well?');
    expect((await alice.connect()).tag).toBe('success');
  });

  it('is answered on the control API with an error that says what is wrong', async () => {
    await expect(control(sandbox.url, '/sandbox/phones', { number: 'x', name: '' })).rejects.toThrow(
      /^400.*invalid_request/,
    );
    await expect(control(sandbox.url, '/sandbox/phones/1')).rejects.toThrow(/^404.*unknown_phone/);
    await expect(control(sandbox.url, '/nowhere')).rejects.toThrow(/^404.*not_found/);
    await expect(control(sandbox.url, '/sandbox/network', { latencyMs: -1 })).rejects.toThrow(/^400/);
    await expect(control(sandbox.url, '/sandbox/phones', { name: 'a'.repeat(300_000) })).rejects.toThrow(
      /^413.*too_large/,
    );
  });

  it('keeps nobody who says nothing', async () => {
    const idle = new WebSocket(sandbox.info.chatUrl);
    await once(idle, 'open');
    await once(idle, 'close');
    const wrong = new WebSocket(sandbox.info.chatUrl.replace('/ws/chat', '/ws/else'));
    expect((await once(wrong, 'error'))[0]).toMatchObject({ message: expect.stringContaining('404') });
  });
});
