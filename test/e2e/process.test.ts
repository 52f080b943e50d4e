// The bridge as a process between stand-ins: one per database, and what is on its way when it is stopped.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Scene, waitUntil } from '../bench/scene.ts';
import { BridgeProcess } from '../support/bridge-process.ts';

const chats = 3;
let scene: Scene;

beforeAll(async () => {
  scene = await Scene.start();
  await scene.addChats(chats);
});
afterAll(() => scene.stop());

const taken = (): Promise<number> => scene.homeserver.call('taken', undefined);

async function send(messages: number): Promise<void> {
  await scene.network.call('write', { count: chats, messages });
  await scene.network.call('send', { count: chats, perSecond: 0 });
}

it('refuses to be a second process on one database, and leaves the first alone', async () => {
  const log = join(scene.directory, 'second.log');
  const second = BridgeProcess.spawn(scene.configPath, log);
  expect(await second.ready).toBe(false);
  expect(await readFile(log, 'utf8')).toMatch(/another process is using/);
  await send(chats);
  await waitUntil(async () => (await taken()) === chats);
});

it('lets what is on its way come to its end when it is stopped, and goes on with the rest when it starts again', async () => {
  const before = await taken();
  await scene.homeserver.call('hold', undefined);
  // All of them are acknowledged to the network, and none is in Matrix.
  await send(30);
  const stopped = scene.bridge.stop();
  await scene.homeserver.call('release', undefined);
  expect(await stopped).toBe(0);
  const drained = (await taken()) - before;
  expect(drained).toBeGreaterThanOrEqual(chats);
  await scene.startBridge();
  await waitUntil(async () => (await taken()) >= before + 30);
  // A message after them shows that no other comes: a chat is strictly in order.
  await send(chats);
  await waitUntil(async () => (await taken()) >= before + 30 + chats);
  expect(await taken()).toBe(before + 30 + chats);
});
