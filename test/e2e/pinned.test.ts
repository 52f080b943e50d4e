// Who belongs into a chat: its user and the contact's ghost. Whoever else gets in stops it, until they are gone or allowed.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let mallory: MatrixUser;
let botRoom: string;
let phone: SandboxPhone;
let room: string;

beforeAll(async () => {
  world = await World.start();
  alice = await world.homeserver.login('alice', { strict: true });
  mallory = await world.homeserver.login('mallory');
  botRoom = await world.optIn(alice);
  phone = await world.phone('31660000001', 'Bob');
  await phone.send(alice.userId, 'before');
  room = await world.joinPortal(alice);
  await shown('before');
  await alice.sendText(room, 'hello Bob');
  await phone.received('hello Bob');
});
afterAll(() => world?.stop());

const shown = (text: string) => alice.waitForMessage(room, ({ body }) => body === text);

/** Does something as the ghost, with the token of the application service: what a homeserver's administrator could do at any time. */
async function asGhost(what: 'invite' | 'kick', user: string): Promise<void> {
  const registration = await readFile(world.installation.registrationPath, 'utf8');
  const [, token] = /^as_token: ["']?([^"'\s]+)/m.exec(registration) ?? [];
  const ghost = (await alice.messages(room)).find(({ body }) => body === 'before')?.sender ?? '';
  const url = `${world.homeserver.synapse.url}/_matrix/client/v3/rooms/${encodeURIComponent(room)}/${what}?user_id=${encodeURIComponent(ghost)}`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ user_id: user }),
  });
  expect(response.status, await response.text()).toBe(200);
}

const warned = (count: number) =>
  expect
    .poll(async () => (await alice.messages(botRoom)).filter(({ body }) => /has been brought into/.test(body ?? '')), {
      timeout: 20_000,
    })
    .toHaveLength(count);

/** What is written on both sides, of which nothing arrives. */
async function nothingArrives(name: string): Promise<void> {
  await phone.send(alice.userId, `${name} from Bob`);
  await alice.sendText(room, `${name} from Alice`);
  // Both wait in the journals.
  await world.ask(alice, botRoom, 'status', /Waiting for you: 1\. /);
  await world.ask(alice, botRoom, 'status', /Somebody else is in 1 of your chats/);
  expect((await alice.messages(room)).map(({ body }) => body)).not.toContain(`${name} from Bob`);
  expect((await phone.messages()).map(({ text }) => text)).not.toContain(`${name} from Alice`);
}

async function bothArrive(name: string): Promise<void> {
  await shown(`${name} from Bob`);
  await phone.received(`${name} from Alice`);
}

test('an invitation of somebody else stops the chat both ways, until they are removed', async () => {
  await asGhost('invite', mallory.userId);
  await warned(1);
  await nothingArrives('first');
  await asGhost('kick', mallory.userId);
  await bothArrive('first');
});

test('it stays stopped over a restart of the bridge, and the user can have them removed', async () => {
  await asGhost('invite', mallory.userId);
  await mallory.join(room);
  await warned(2);
  await world.bridge.kill();
  await world.startBridge();
  await nothingArrives('second');
  await world.ask(alice, botRoom, `remove ${mallory.userId}`, /put out/);
  await bothArrive('second');
});

test('somebody who is allowed holds nothing, and reads nothing either', async () => {
  await asGhost('invite', mallory.userId);
  await mallory.join(room);
  await warned(3);
  await nothingArrives('third');
  await world.ask(alice, botRoom, 'allow @nobody:localhost', /find nobody/);
  await world.ask(alice, botRoom, `allow ${mallory.userId}`, /may stay/);
  await bothArrive('third');
  const unread = await mallory.waitForMessage(room, ({ decryptionFailure }) => decryptionFailure !== undefined);
  expect(unread.encrypted).toBe(true);
  expect((await mallory.messages(room)).map(({ body }) => body)).not.toContain('third from Bob');
});
