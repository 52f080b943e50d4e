// Consent, from a plain Matrix client: nothing before an explicit yes, nothing after the opt-out, and all of it on record. Measured on the wire.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Document } from 'yaml';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { sendFile } from '../support/matrix-files.ts';
import { World } from '../support/world.ts';

let world: World;
let anna: SandboxPhone;

beforeAll(async () => {
  world = await World.start();
  anna = await world.phone('31612345678', 'Anna');
});
afterAll(() => world?.stop());

/** What has come from this user's account, or about it, to the network. */
const traffic = ({ userId }: MatrixUser): Promise<Readonly<Record<string, number>>> =>
  anna.trafficFrom(userId).catch((error: unknown) => {
    if (/not_reachable/.test(String(error))) return {};
    throw error;
  });

const bodies = async (user: MatrixUser, room: string): Promise<(string | undefined)[]> =>
  (await user.messages(room)).map(({ body }) => body);

describe('opting in', () => {
  let alice: MatrixUser;
  let room: string;

  beforeAll(async () => {
    alice = await world.homeserver.login('alice', { strict: true });
    room = await world.talkToBot(alice);
  });

  test('is off by default: nobody is reached, and nothing is told to the network', async () => {
    await expect(anna.send(alice.userId, 'are you there?')).rejects.toThrow('not_reachable');
    await world.ask(alice, room, 'consent', /Nothing is on record/);
    expect(await traffic(alice)).toEqual({});
  });

  test('begins with an explanation: who runs it, what is shared with whom, where it is decrypted, what works, how to end it', async () => {
    const { body } = await world.ask(alice, room, 'opt-in', /Answer "yes"/);
    for (const part of [
      'The demo on this machine',
      '@admin:localhost',
      'WhatsApp learns your Matrix ID and display name',
      'The people you write with see',
      'Your homeserver, localhost, sees',
      'decrypts and re-encrypts',
      'Works to WhatsApp: text messages',
      'For any other message you are told that it was not carried over',
      'end this at any time with "opt-out"',
    ])
      expect(body).toContain(part);
    expect(await traffic(alice)).toEqual({});
  });

  test('takes no other word for a yes', async () => {
    await world.ask(alice, room, 'yes please, what else?', /send just "yes"/);
    await world.ask(alice, room, 'ok', /I do not know that command/);
    await world.ask(alice, room, 'status', /WhatsApp: not opted in/);
    expect(await traffic(alice)).toEqual({});
  });

  test('happens at an explicit yes, and both steps are on record', async () => {
    await world.ask(alice, room, 'yes', /You are connected/);
    const { body } = await world.ask(alice, room, 'consent', /on record/);
    expect(body).toMatch(
      /UTC.*shown the explanation \(version 1-\w{6}\)\n.*you agreed \(version 1-\w{6}\)\n\nEntries/s,
    );
    expect(await traffic(alice)).toMatchObject({ enlist: 1, login: 1 });
    await expect(anna.send(alice.userId, 'there you are')).resolves.toBeTypeOf('string');
  });
});

interface Chat {
  readonly phone: SandboxPhone;
  readonly portal: string;
}

let numbers = 31_620_000_000;

/** An open chat in which both have written. */
function chat(user: MatrixUser, name: string): Promise<Chat> {
  numbers += 1;
  return world.chat(user, String(numbers), name);
}

/** Begins to fetch a hosted file, and stops reading. */
async function halfFetched(url: string): Promise<IncomingMessage> {
  const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  // Being cut off is what it is there for.
  response.on('error', () => undefined).pause();
  return response;
}

const textsOf = async (phone: SandboxPhone): Promise<(string | undefined)[]> =>
  (await phone.messages()).filter(({ direction }) => direction === 'in').map(({ text }) => text);

test('opting out is possible from any session, and nothing else is', async () => {
  const user = await world.homeserver.login('carol', { strict: true });
  const room = await world.optIn(user);
  const unverified = await world.homeserver.login('carol', { withoutCrossSigning: true });
  await world.ask(unverified, room, 'settings', /This session is not verified/);
  await world.ask(unverified, room, 'opt-out', /You have opted out/);
  await user.waitForMessage(room, ({ body }) => /opt-out .* is complete/.test(body ?? ''));
});

describe('opting out, with messages in flight and waiting in both directions', () => {
  let bob: MatrixUser;
  let room: string;
  let answer: string;
  let answeredAt: number;

  test('takes effect before the next packet, both ways', async () => {
    bob = await world.homeserver.login('bob', { strict: true });
    room = await world.optIn(bob);
    const flowing = await chat(bob, 'Flo');
    const held = await chat(bob, 'Hedi');
    const slow = await chat(bob, 'Slawa');
    const fetching = await chat(bob, 'Fritz');

    // Waiting to be sent: Hedi's key has changed, and Bob has not said anything to that.
    await held.phone.post('reset', {});
    await held.phone.send(bob.userId, 'a new phone');
    await bob.waitForMessage(held.portal, ({ body }) => body === 'a new phone');
    for (const text of ['held 1', 'held 2', 'held 3']) await bob.sendText(held.portal, text);
    // Waiting to be shown: behind a file that comes slowly.
    const file = { type: 'document', content: Buffer.alloc(4_000_000, 1), fileName: 'slow.bin' } as const;
    await slow.phone.sendFile(bob.userId, { ...file, fault: { fault: 'slow', bytesPerSecond: 20_000 } });
    for (const text of ['behind 1', 'behind 2']) await slow.phone.send(bob.userId, text);
    // Waiting to be fetched: a file of Bob's, of which somebody has had the beginning.
    await sendFile(bob, fetching.portal, Buffer.alloc(25_000_000, 2), { msgtype: 'm.file', body: 'large.bin' });
    const { raw } = await fetching.phone.waitForMessage(({ direction, media }) => direction === 'in' && !!media);
    const url = /https?:\/\/[^\s"]+\/media\/[\w-]+/.exec(Buffer.from(raw, 'base64').toString('latin1'))?.[0] ?? '';
    const response = await halfFetched(url);
    await world.ask(bob, room, 'status', /Waiting for you: 3\. Waiting to be sent: 3/);

    // In flight: both write as fast as they can.
    const count = 40;
    const writing = Array.from({ length: count }, (_, n) => [
      bob.sendText(flowing.portal, `out ${n}`),
      flowing.phone.send(bob.userId, `in ${n}`).catch(() => undefined),
    ]).flat();
    await flowing.phone.received('out 0');
    const message = await world.ask(bob, room, 'opt-out', /You have opted out/);
    const { phones, before } = {
      phones: [flowing.phone, held.phone, slow.phone, fetching.phone],
      before: await traffic(bob),
    };
    const received = await Promise.all(phones.map(textsOf));
    answer = message.body ?? '';
    answeredAt = message.timestamp;
    await new Promise<void>((resolve) => response.once('close', () => resolve()).resume());
    expect(response.complete).toBe(false);
    expect((await fetch(url)).status).toBe(404);

    await Promise.all(writing);
    await bob.waitForMessage(room, ({ body }) => /opt-out .* is complete/.test(body ?? ''));
    // All that the network has heard since is that Bob is gone.
    expect(await traffic(bob)).toEqual({ ...before, withdraw: 1 });
    expect(await Promise.all(phones.map(textsOf))).toEqual(received);
    for (const { portal } of [flowing, held, slow, fetching]) {
      const late = (await bob.messages(portal)).filter(
        ({ sender, timestamp }) => sender !== bob.userId && timestamp > answeredAt,
      );
      expect(late).toEqual([]);
    }
    expect(await bodies(bob, slow.portal)).not.toContain('behind 1');
    expect(received[1]).toEqual(['hello Hedi']);
    await expect(flowing.phone.send(bob.userId, 'too late')).rejects.toThrow('not_reachable');
  });

  test('reports what was deleted, with counts', async () => {
    expect(answer).toMatch(
      /Deleted here: 4 chats, \d+ messages that waited for you, \d+ messages that waited to be sent/,
    );
    expect(answer).toMatch(
      /1 file that waited to be fetched, your identity key for WhatsApp with \d+ one-time keys and \d+ encryption sessions\./,
    );
    const [incoming = 0, outgoing = 0] = [...answer.matchAll(/(\d+) messages? that waited/g)].map(([, n]) => Number(n));
    expect(incoming).toBeGreaterThanOrEqual(3);
    expect(outgoing).toBeGreaterThanOrEqual(3);
  });

  test('is on record, also after the account is gone', async () => {
    const { body } = await world.ask(bob, room, 'consent', /on record/);
    expect(body).toMatch(/you agreed.*\n.*you opted out\n\nEntries/);
    await world.ask(bob, room, 'status', /not opted in/);
  });
});

describe('what changes afterwards', () => {
  let erin: MatrixUser;
  let room: string;
  let flora: Chat;

  /** Starts the bridge again with another configuration; answers what had come from Erin by then. */
  async function reconfigured(change: (config: Document) => void): Promise<Readonly<Record<string, number>>> {
    await world.bridge.stop();
    const before = await traffic(erin);
    await world.configure(change);
    await world.startBridge();
    return before;
  }

  const said = (pattern: RegExp) => erin.waitForMessage(room, ({ body }) => pattern.test(body ?? ''));

  beforeAll(async () => {
    erin = await world.homeserver.login('erin', { strict: true });
    room = await world.optIn(erin);
    flora = await chat(erin, 'Flora');
  });

  test('another operator: consent is asked again, and nothing passes before the answer', async () => {
    const before = await reconfigured((config) => {
      config.setIn(['operator', 'name'], 'A new operator');
      config.setIn(['consent', 'grace_days'], 0);
    });
    const { body } = await said(/Who runs this: A new operator/);
    expect(body).toContain('Until you have answered, nothing is sent or received');
    const waiting = await flora.phone.send(erin.userId, 'sent while paused');
    await erin.sendText(flora.portal, 'written while paused');
    await world.ask(erin, room, 'status', /WhatsApp: paused \(explanation\)/);
    await flora.phone.hasStatus(waiting, 'sent');
    expect(await traffic(erin)).toEqual(before);
    expect(await bodies(erin, flora.portal)).not.toContain('sent while paused');

    await world.ask(erin, room, 'yes', /on record/);
    await said(/WhatsApp goes on/);
    await flora.phone.received('written while paused');
    await erin.waitForMessage(flora.portal, ({ body: text }) => text === 'sent while paused');
    await world.ask(erin, room, 'consent', /asked again.*paused \(explanation\).*you agreed.*goes on\n\nEntries/s);
  });

  test('a user whom the operator takes out is paused with a clear word, and goes on when let in again', async () => {
    await reconfigured((config) => config.setIn(['permissions', 'opt_in'], ['@somebody:localhost']));
    await said(/closed the bridge to you/);
    await world.ask(erin, room, 'opt-in', /not opened the bridge to you|already opted in/);
    await flora.phone.send(erin.userId, 'sent while shut out');
    await world.ask(erin, room, 'status', /paused \(permission\)/);
    await reconfigured((config) => config.deleteIn(['permissions']));
    await erin.waitForMessage(flora.portal, ({ body }) => body === 'sent while shut out');
  });

  test('a statement of being in the European Economic Area is asked for where the operator demands it', async () => {
    await reconfigured((config) => config.setIn(['permissions', 'attestation'], { required: true, valid_days: 365 }));
    await said(/I am in the European Economic Area/);
    const fred = await world.homeserver.login('fred', { strict: true });
    const his = await world.talkToBot(fred);
    await world.ask(fred, his, 'opt-in', /send me this sentence/);
    await world.ask(fred, his, 'yes', /not asked you anything/);
    await world.ask(fred, his, 'I am in the European Economic Area.', /holds until \d{4}-\d\d-\d\d/);
    await world.ask(fred, his, 'opt-in', /Answer "yes"/);
    await world.ask(fred, his, 'yes', /You are connected/);
    await world.ask(fred, his, 'consent', /you stated that you are in the European Economic Area/);
  });
});
