// A Space of the user's own for their chats, as a Matrix client sees it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { killVariable } from '../../src/observability/fail-points.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let botRoom: string;
let anna: { readonly phone: SandboxPhone; readonly portal: string };
let bert: { readonly phone: SandboxPhone; readonly portal: string };
let space: string;

const patience = { timeout: 20_000 };
const ask = (command: string, answer: RegExp) => world.ask(alice, botRoom, command, answer);

const spaces = (membership: string): string[] =>
  alice.client
    .getRooms()
    .filter((room) => room.isSpaceRoom() && room.getMyMembership() === membership)
    .map(({ roomId }) => roomId);

/** The next invitation to a Space. */
async function invited(): Promise<string> {
  const { roomId } = await alice.waitForInvite(({ roomId: room }) => spaces('invite').includes(room));
  return roomId;
}

/** What a client shows in the Space, in the order in which it shows it. */
async function shown(): Promise<string[]> {
  const { rooms } = await alice.client.getRoomHierarchy(space, 100);
  return rooms.map(({ room_id }) => room_id).filter((room) => room !== space);
}

/** How often the bot has said that the Space is no more. */
async function goodbyes(): Promise<number> {
  return (await alice.messages(botRoom)).filter(({ body }) => /makes another one/.test(body ?? '')).length;
}

/** Leaves a chat; returns when the bridge has taken it out of the Space. Before that, clients do not show it either. */
async function close(portal: string): Promise<void> {
  await alice.leave(portal);
  await expect.poll(() => alice.roomState(space, 'm.space.child', portal), patience).toEqual({});
}

async function talks({ phone, portal }: typeof anna, text: string): Promise<void> {
  await phone.send(alice.userId, text);
  await alice.waitForMessage(portal, ({ body }) => body === text);
}

beforeAll(async () => {
  world = await World.start();
  alice = await world.homeserver.login('alice', { strict: true });
  botRoom = await world.optIn(alice);
  anna = await world.chat(alice, '31654000001', 'Anna');
  bert = await world.chat(alice, '31654000002', 'Bert');
});
afterAll(() => world?.stop());

describe('inbox separate', () => {
  test('makes one Space, also where the bridge is killed when it has just made it, with the chats that there are', async () => {
    await ask('inbox', /are among your other rooms/);
    expect(spaces('invite')).toEqual([]);
    await world.bridge.kill();
    const doomed = world.spawnBridge({ [killVariable]: 'S2-space-made' });
    await doomed.ready;
    await alice.sendText(botRoom, 'inbox separate');
    await doomed.exited;
    await world.startBridge();
    space = await invited();
    await alice.client.joinRoom(space);
    await expect.poll(shown, patience).toEqual([anna.portal, bert.portal]);
    await expect.poll(() => spaces('invite'), patience).toEqual([]);
    expect(spaces('join')).toEqual([space]);
    await ask('status', /Your chats are in a Space of their own/);
  });

  test('puts new chats behind the others, those of people who ask as well, and takes out what is closed', async () => {
    const carl = await world.phone('31654000003', 'Carl');
    await carl.send(alice.userId, 'may I?');
    const { roomId } = await alice.waitForInvite(({ inviter }) => inviter?.startsWith('@wa_') ?? false);
    await expect.poll(shown, patience).toEqual([anna.portal, bert.portal, roomId]);
    await close(roomId);
    expect(await shown()).toEqual([anna.portal, bert.portal]);
    await close(anna.portal);
    expect(await shown()).toEqual([bert.portal]);
    // Written to again, the chat is back in its old place.
    await anna.phone.send(alice.userId, 'still there?');
    anna = { ...anna, portal: await world.joinPortal(alice) };
    await expect.poll(shown, patience).toEqual([anna.portal, bert.portal]);
  });

  test('is a place where nobody can talk, invite or change anything but the bridge', async () => {
    const { client } = alice;
    const stranger = await world.homeserver.login('stranger');
    for (const attempt of [
      () => client.sendTextMessage(space, 'opt-out'),
      () => client.invite(space, stranger.userId),
      () => client.sendStateEvent(space, 'm.space.child' as never, {} as never, bert.portal),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' });
    }
    await ask(`subscribe ${space}`, /is for talking/);
    await talks(bert, 'as before');
  });
});

describe('inbox combined', () => {
  test('takes the Space away and leaves the chats as they are', async () => {
    await ask('inbox combined', /among your other rooms from now on/);
    await alice.waitForMembership(space, alice.userId, ['leave']);
    await ask('status', /Your chats are among your other rooms/);
    await talks(anna, 'no Space any more');
    await talks(bert, 'no Space any more');
  });

  test('is what it means to reject the invitation to a Space, or to leave it', async () => {
    for (const answer of ['reject', 'leave']) {
      await ask('inbox separate', /I invite you/);
      space = await invited();
      if (answer === 'leave') {
        await alice.client.joinRoom(space);
        await expect.poll(shown, patience).toEqual([anna.portal, bert.portal]);
      }
      const before = await goodbyes();
      await alice.leave(space);
      await expect.poll(goodbyes, patience).toBe(before + 1);
      await ask('inbox', /are among your other rooms/);
    }
    await talks(bert, 'after that as well');
  });
});

test('opting out ends the Space with everything else', async () => {
  await ask('inbox separate', /I invite you/);
  space = await invited();
  await alice.client.joinRoom(space);
  await expect.poll(shown, patience).toEqual([anna.portal, bert.portal]);
  await ask('opt-out', /the Space for them goes/);
  await alice.waitForMembership(space, alice.userId, ['leave']);
  await alice.waitForMessage(botRoom, ({ body }) => /is complete/.test(body ?? ''));
  expect([...spaces('join'), ...spaces('invite')]).toEqual([]);
});
