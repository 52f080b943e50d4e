// Contacts as Matrix users see them: names and pictures follow WhatsApp's, and nobody passes for somebody else.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let bob: MatrixUser;
let botRoom: string;

/** What the phone's owner is called from now on. */
const rename = (phone: SandboxPhone, name: string) => phone.call('POST', '/phones', { number: phone.number, name });

/** Writes to the user for the first time; returns the chat. */
async function meet(phone: SandboxPhone, user: MatrixUser) {
  await phone.send(user.userId, `hello from ${phone.number}`);
  const room = await world.joinPortal(user);
  const { sender: ghost } = await user.waitForMessage(room, ({ body }) => body === `hello from ${phone.number}`);
  return { room, ghost };
}

/** Writes again, and waits until it is there. */
async function write(phone: SandboxPhone, user: MatrixUser, room: string, text: string): Promise<void> {
  await phone.send(user.userId, text);
  await user.waitForMessage(room, ({ body }) => body === text);
}

/** The homeserver tells the rooms of a new name after it has taken it. */
const patience = { timeout: 10_000 };

/** As the room shows the ghost. */
async function shownName(user: MatrixUser, room: string, ghost: string): Promise<string | undefined> {
  return (await user.members(room)).find(({ userId }) => userId === ghost)?.displayName;
}

/** A picture that nobody can decode: nobody here tries to. */
const picture = (name: string): Buffer => Buffer.concat([Buffer.of(0xff, 0xd8, 0xff, 0xe0), Buffer.from(name)]);
const setPicture = (phone: SandboxPhone, bytes: Buffer) => phone.post('picture', { base64: bytes.toString('base64') });

/** The bytes of the ghost's picture as another user of the server gets them; undefined where it has none. */
async function shownPicture(user: MatrixUser, ghost: string): Promise<string | undefined> {
  const { avatar_url: uri } = await user.client.getProfileInfo(ghost);
  const url = uri && user.client.mxcUrlToHttp(uri, undefined, undefined, undefined, false, true, true);
  if (!url) return undefined;
  const response = await fetch(url, { headers: { authorization: `Bearer ${user.client.getAccessToken()}` } });
  expect(response.headers.get('content-type')).toBe('image/jpeg');
  return Buffer.from(await response.arrayBuffer()).toString('latin1');
}

beforeAll(async () => {
  world = await World.start();
  alice = await world.homeserver.login('alice', { strict: true });
  bob = await world.homeserver.login('bob', { strict: true });
  botRoom = await world.optIn(alice);
  await world.optIn(bob);
});
afterAll(() => world?.stop());

describe('names', () => {
  test('that look like an earlier contact’s are told apart, and are free again once that one has another name', async () => {
    const anna = await world.phone('31612345671', 'Anna');
    const first = await meet(anna, alice);
    await expect.poll(() => shownName(alice, first.room, first.ghost), patience).toBe('Anna (WhatsApp)');
    // With a Cyrillic А, to somebody else.
    const other = await world.phone('31612345672', 'Аnna');
    const second = await meet(other, bob);
    const tag = second.ghost.slice('@wa_'.length, '@wa_'.length + 4);
    await expect.poll(() => shownName(bob, second.room, second.ghost), patience).toBe(`Аnna (WhatsApp · ${tag})`);
    const impostor = await world.phone('31612345673', 'Anna (WhatsАpp) ✔️');
    const third = await meet(impostor, alice);
    await expect
      .poll(() => shownName(alice, third.room, third.ghost), patience)
      .toMatch(/^Anna \(WhatsApp · [0-9a-f]{4}\)$/);

    await rename(anna, 'Annabel');
    await write(anna, alice, first.room, 'I am called Annabel now');
    await expect.poll(() => shownName(alice, first.room, first.ghost), patience).toBe('Annabel (WhatsApp)');
    await write(other, bob, second.room, 'still here');
    await expect.poll(() => shownName(bob, second.room, second.ghost), patience).toBe('Аnna (WhatsApp)');
    await rename(impostor, 'Annabel');
    await write(impostor, alice, third.room, 'So am I');
    await expect
      .poll(() => shownName(alice, third.room, third.ghost), patience)
      .toMatch(/^Annabel \(WhatsApp · [0-9a-f]{4}\)$/);
  });

  test('that are none leave a contact without one, and apart from others without one', async () => {
    const { bot } = world.installation;
    const botName = (await alice.client.getProfileInfo(bot)).displayname ?? '';
    const contacts = [
      await meet(await world.phone('31612345674', botName), alice),
      await meet(await world.phone('31612345675', '@alice:localhost'), alice),
    ];
    const names = await Promise.all(contacts.map(({ room, ghost }) => shownName(alice, room, ghost)));
    for (const name of names) expect(name).toMatch(/^WhatsApp contact \([0-9a-f]{4}\)$/);
    expect(new Set(names).size).toBe(2);
  });

  test('that a user gives are seen by nobody else', async () => {
    const carol = await world.phone('31612345676', 'Carol');
    await world.ask(alice, botRoom, 'chat +31 6 12345676 Aunt Carrie', /invited you/);
    const mine = await world.joinPortal(alice);
    expect(await alice.roomState(mine, 'm.room.name')).toEqual({ name: 'Aunt Carrie (WhatsApp)' });
    const notice = await alice.waitForMessage(mine, ({ body }) => /external chat/.test(body ?? ''));
    expect(notice.body).toContain('Aunt Carrie uses WhatsApp');
    const theirs = await meet(carol, bob);
    expect(await bob.roomState(theirs.room, 'm.room.name')).toBeUndefined();
    await expect.poll(() => shownName(bob, theirs.room, theirs.ghost), patience).toBe('Carol (WhatsApp)');
    await expect.poll(() => shownName(alice, mine, theirs.ghost), patience).toBe('Carol (WhatsApp)');
    const profile = JSON.stringify(await bob.client.getProfileInfo(theirs.ghost));
    expect(profile + JSON.stringify(await bob.client.roomState(theirs.room))).not.toContain('Carrie');

    await world.ask(alice, botRoom, 'chat +31 6 12345676 Carrie', /have a chat with them already/);
    expect(await alice.roomState(mine, 'm.room.name')).toEqual({ name: 'Carrie (WhatsApp)' });
  });
});

describe('pictures', () => {
  const patience = { timeout: 60_000, interval: 100 };
  const shows = (ghost: string, bytes: Buffer | undefined) =>
    expect.poll(() => shownPicture(alice, ghost), patience).toBe(bytes?.toString('latin1'));

  test('come with the first contact, change, and disappear', async () => {
    const dana = await world.phone('31612345677', 'Dana');
    await setPicture(dana, picture('first'));
    const { room, ghost } = await meet(dana, alice);
    await shows(ghost, picture('first'));
    // As the chat shows the ghost, too.
    const { avatar_url: uri } = await alice.client.getProfileInfo(ghost);
    await expect.poll(() => alice.roomState(room, 'm.room.member', ghost), patience).toMatchObject({ avatar_url: uri });
    await setPicture(dana, picture('second'));
    await shows(ghost, picture('second'));
    await dana.call('DELETE', `/phones/${dana.number}/picture`);
    await shows(ghost, undefined);
  });

  test('that change while the bridge is down, or is killed, follow when it is back', async () => {
    const emil = await world.phone('31612345678', 'Emil');
    const { ghost } = await meet(emil, alice);
    await world.bridge.kill();
    await setPicture(emil, picture('meanwhile'));
    await world.startBridge();
    await shows(ghost, picture('meanwhile'));
    await setPicture(emil, picture('at the last moment'));
    await world.bridge.kill();
    await world.startBridge();
    await shows(ghost, picture('at the last moment'));
  });

  test('that are no pictures are not shown', async () => {
    const fay = await world.phone('31612345679', 'Fay');
    const { ghost } = await meet(fay, alice);
    const unfit = [
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
      Buffer.concat([picture('too large'), Buffer.alloc(1024 * 1024)]),
    ];
    for (const bytes of unfit) {
      await setPicture(fay, picture('a picture'));
      await shows(ghost, picture('a picture'));
      await setPicture(fay, bytes);
      await shows(ghost, undefined);
    }
  });

  test('go with the last chat, and so does the name', async () => {
    const gus = await world.phone('31612345680', 'Gus');
    await setPicture(gus, picture('of Gus'));
    const { ghost } = await meet(gus, bob);
    await shows(ghost, picture('of Gus'));
    const room = await world.talkToBot(bob);
    await world.ask(bob, room, 'opt-out', /opt-out .* is complete/);
    await expect(alice.client.getProfileInfo(ghost)).rejects.toMatchObject({ errcode: 'M_NOT_FOUND' });
  });
});
