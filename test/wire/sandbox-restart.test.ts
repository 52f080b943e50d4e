import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lidJid } from '../../src/model/jid.ts';
import type { SandboxInfo } from '../../src/sandbox/server.ts';
import { attribute } from '../../src/whatsapp/binary/index.ts';
import { AUDIENCE, control, InteropUser, Provider, reached, received } from './sandbox-client.ts';

let provider: Provider;
let directory: string;
const children = new Set<{ kill(signal: 'SIGKILL'): boolean }>();

beforeAll(async () => {
  provider = await Provider.start();
  directory = await mkdtemp(join(tmpdir(), 'sandbox-'));
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  provider.stop();
  await rm(directory, { recursive: true });
});

/** The command in a process of its own. */
async function run(port: number) {
  const args = ['sandbox', '--port', String(port), '--data', directory, '--log-level', 'silent'];
  const settings = ['--provider', provider.url, '--audience', AUDIENCE];
  const child = spawn(process.execPath, ['bin/matrix-appservice-whatsapp.js', ...args, ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  const exited = once(child, 'exit');
  const urlLine = new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const url = /^sandbox\s+(http:\S+)$/.exec(line)?.[1];
      if (url) resolve(url);
    });
    exited.then(() => reject(new Error('the sandbox ended')), reject);
  });
  const url = await urlLine;
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<unknown> => {
    child.kill(signal);
    return (await exited)[0];
  };
  return { url, info: await control<SandboxInfo>(url, '/sandbox/info'), end };
}

describe('a sandbox with a data directory', () => {
  it('goes on in mid-conversation after being killed, with the same keys and addresses', async () => {
    const first = await run(0);
    const port = Number(new URL(first.url).port);
    const anna = { number: '31640000001', name: 'Anna' };
    const before = await control<{ lid: string; identityKey: string }>(first.url, '/sandbox/phones', anna);
    const path = `/sandbox/phones/${anna.number}`;
    const lid = lidJid(before.lid.split('@')[0] ?? '');
    const alice = new InteropUser(first.info, provider, '@alice:example.org');
    await alice.enlist();
    await alice.connect();
    await alice.write(lid, 'before', 'B1');
    await received(first.url, anna.number, 'before');
    const unread = await control<{ id: string }>(first.url, `${path}/messages`, {
      to: alice.identifier,
      text: 'unread',
    });
    await alice.nextTag('message');
    await control(first.url, `${path}/offline`, { offline: true });
    expect((await alice.write(lid, 'while off', 'B2')).attrs.get('error')).toBeUndefined();
    const unsent = await control<{ id: string }>(first.url, `${path}/messages`, {
      to: alice.identifier,
      text: 'unsent',
    });
    await first.end('SIGKILL');
    await alice.nextTag('closed');

    const second = await run(port);
    expect(second.info).toEqual(first.info);
    expect(await control(second.url, path)).toMatchObject({
      lid: before.lid,
      identityKey: before.identityKey,
      offline: true,
    });
    await alice.connect();
    const again = await alice.nextTag('message');
    expect([attribute(again, 'id'), await alice.read(again)]).toEqual([unread.id, 'unread']);
    const { messages } = await control<{ messages: { text: string }[] }>(second.url, `${path}/messages`);
    expect(messages.map(({ text }) => text)).not.toContain('while off');
    await control(second.url, `${path}/offline`, { offline: false });
    await received(second.url, anna.number, 'while off');
    const late = await alice.nextTag('message');
    expect([attribute(late, 'id'), await alice.read(late)]).toEqual([unsent.id, 'unsent']);
    expect((await reached(second.url, anna.number, unsent.id, 'sent')).status).toBe('sent');
    await alice.write(lid, 'after', 'B3');
    await received(second.url, anna.number, 'after');

    expect(await second.end('SIGTERM')).toBe(0);
    expect((await alice.nextTag('stream:error')).attrs.get('code')).toBe('503');
  });
});
