// What time does, with a clock that is set forward: questions come again, accounts pause and end, and what waits for a decision does not wait for ever.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Document, parse } from 'yaml';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { systemClock } from '../../src/model/clock.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { parkedIn, retryParked } from '../support/queue-command.ts';
import { shiftVariable } from '../support/shifted-clock.ts';
import { World } from '../support/world.ts';

const shiftedClock = new URL('../support/shifted-clock.ts', import.meta.url).href;
const hour = 3_600_000;
const day = 24 * hour;
const statement = 'I am in the European Economic Area.';

interface Provider {
  readonly public_url: string;
  readonly audience: string;
}

interface Person {
  readonly user: MatrixUser;
  /** With the bot. */
  readonly room: string;
}

let world: World;
let messenger: Sandbox;
let directory: string;
/** Answers at once, late, and never. */
let prompt: Person;
let late: Person;
let silent: Person;
let anna: SandboxPhone;
let annasRoom: string;
let cora: SandboxPhone;
let corasRoom: string;
let cleo: SandboxPhone;
let cleosRoom: string;

/** Of the bridge and of the network; the homeserver and everybody's clients have the time of this machine. */
let shift = 0;
const networkClock = { ...systemClock, now: () => Date.now() + shift };

async function setClock(to: number): Promise<void> {
  shift = to;
  await writeFile(join(directory, 'shift'), String(to));
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'deadlines-'));
  await setClock(0);
  world = await World.start({
    networkClock,
    overrides: { 'consent.grace_days': 14, 'consent.end_after_days': 30 },
    environment: { [shiftVariable]: join(directory, 'shift'), NODE_OPTIONS: `--import=${shiftedClock}` },
  });
  const { provider } = parse(await readFile(world.installation.configPath, 'utf8')) as { provider: Provider };
  const discoveryUrl = `${provider.public_url}/.well-known/openid-configuration`;
  messenger = await startSandbox({ provider: { discoveryUrl, audience: provider.audience }, clock: networkClock });
  [prompt, late, silent] = await Promise.all([person('prompt'), person('late'), person('silent')]);
  ({ phone: anna, portal: annasRoom } = await world.chat(late.user, '31612345678', 'Anna'));
  ({ phone: cora, portal: corasRoom } = await world.chat(prompt.user, '31612345679', 'Cora'));
  ({ phone: cleo, portal: cleosRoom } = await world.chat(prompt.user, '31612345680', 'Cleo'));
});
afterAll(async () => {
  await world?.stop();
  await messenger?.close();
  await rm(directory, { recursive: true, force: true });
});

async function person(name: string): Promise<Person> {
  const user = await world.homeserver.login(name, { strict: true });
  return { user, room: await world.optIn(user) };
}

/** The bridge starts again at this time after the beginning, perhaps with another configuration. */
async function at(time: number, change: (config: Document) => void = () => {}): Promise<void> {
  await world.bridge.stop();
  await setClock(time);
  await world.configure(change);
  await world.startBridge();
}

/** Waits until the bot has said something like this for the n-th time. */
async function said({ user, room }: Person, pattern: RegExp, times = 1): Promise<Message> {
  const all = async () => (await user.messages(room)).filter(({ body }) => pattern.test(body ?? ''));
  await expect.poll(async () => (await all()).length, { timeout: 30_000 }).toBe(times);
  const last = (await all()).at(-1);
  if (last === undefined) throw new Error('nothing was said');
  return last;
}

const ask = ({ user, room }: Person, text: string, answer: RegExp) => world.ask(user, room, text, answer);
const bodies = async (user: MatrixUser, room: string) => (await user.messages(room)).map(({ body }) => body);

const available = /Messenger is available on this server, too/;
const changed = /What you agreed to for WhatsApp has changed/;
const stated = /send me this sentence:\n\nI am in the European Economic Area/;
const paused = /nothing is sent or received until/;

test('a new operator, a demand and a new network: everybody is told once, with a date, and goes on', async () => {
  await at(0, (config) => {
    config.setIn(['operator', 'name'], 'A new operator');
    config.setIn(['permissions', 'attestation'], { required: true, valid_days: 60 });
    const { chatUrl, rootPublicKeyHex, enlistmentUrl } = messenger.info;
    config.setIn(['networks', 'messenger'], {
      chat_url: chatUrl,
      root_key: rootPublicKeyHex,
      enlistment_url: enlistmentUrl,
    });
  });
  const until = new Date(Date.now() + 14 * day).toISOString().slice(0, 10);
  for (const one of [prompt, late, silent]) {
    const { body } = await said(one, changed);
    for (const pattern of [available, stated, /Who runs this: A new operator/]) expect(body).toMatch(pattern);
    expect(body).toContain(`nothing is sent or received from ${until} on`);
  }
  await ask(prompt, 'yes', /on record/);
  await ask(prompt, statement, /holds until/);
  await anna.send(late.user.userId, 'in the time of grace');
  await late.user.waitForMessage(annasRoom, ({ body }) => body === 'in the time of grace');
});

test('the new network may be opted in to', async () => {
  await ask(prompt, 'opt-in messenger', /people on Messenger/);
  await ask(prompt, 'yes', /You are connected/);
  await ask(prompt, 'status', /WhatsApp: opted in, connected.*\nMessenger: opted in, connected/);
});

test('after a week without an answer the same is asked once more; whoever has answered hears nothing', async () => {
  // Cleo has another key, and Prompt another identity: what is written from now on waits.
  await cleo.post('reset', {});
  await cleo.send(prompt.user.userId, 'a new phone');
  await prompt.user.waitForMessage(cleosRoom, ({ body }) => body === 'a new phone');
  await prompt.user.sendText(cleosRoom, 'waits for Cleo');
  await ask(prompt, 'status', /Waiting to be sent: 1/);
  await prompt.user.resetIdentity();
  const waiting = await cora.send(prompt.user.userId, 'waits for Prompt');
  await prompt.user.sendText(corasRoom, 'waits for Cora');
  await said(prompt, /encryption identity .* has changed/);
  await at(7 * day + hour);
  for (const one of [late, silent]) {
    await said(one, changed, 2);
    await said(one, available);
  }
  expect(await bodies(prompt.user, corasRoom)).not.toContain('waits for Prompt');
  await cora.hasStatus(waiting, 'sent');
  await anna.send(late.user.userId, 'still in the time of grace');
  await late.user.waitForMessage(annasRoom, ({ body }) => body === 'still in the time of grace');
});

test('after the time of grace the account is paused, and an answer lets it go on', async () => {
  await at(14 * day + 2 * hour);
  for (const one of [late, silent]) await said(one, paused);
  await anna.send(late.user.userId, 'sent while paused');
  await late.user.sendText(annasRoom, 'written while paused');
  await ask(late, 'status', /WhatsApp: paused/);
  await ask(late, statement, /holds until/);
  await said(late, /You have not agreed to what has changed/);
  expect(await bodies(late.user, annasRoom)).not.toContain('sent while paused');
  await ask(late, 'yes', /on record/);
  await said(late, /WhatsApp goes on/);
  await late.user.waitForMessage(annasRoom, ({ body }) => body === 'sent while paused');
  await anna.received('written while paused');
});

test('what has waited for a decision for too long is set aside and told; the chats go on', async () => {
  const { user } = prompt;
  const { configPath } = world.installation;
  await said(prompt, /messages have waited for 14 days for a decision of yours/, 2);
  // One of each; which had waited longer is a matter of milliseconds.
  const ids = async () => (await parkedIn(configPath)).map(({ id, reason }) => [id, reason]).sort();
  await expect.poll(ids, { timeout: 20_000 }).toEqual([
    [expect.stringMatching(/^in-/), 'waited-too-long'],
    [expect.stringMatching(/^out-/), 'waited-too-long'],
  ]);
  await cora.send(user.userId, 'afterwards');
  await ask(prompt, 'confirm-identity', /pinned/);
  await user.waitForMessage(corasRoom, ({ body }) => body === 'afterwards');
  const notices = async (room: string) =>
    (await bodies(user, room)).filter((body) => /waited for 14 days/.test(body ?? ''));
  expect(await notices(corasRoom)).toEqual([
    expect.stringMatching(/^This was not carried over: it has waited/),
    expect.stringMatching(/^A message from Cora.*does not see it as delivered/),
  ]);
  expect(await bodies(user, corasRoom)).not.toContain('waits for Prompt');
  expect(await notices(cleosRoom)).toEqual([expect.stringMatching(/^Not delivered\. It has waited/)]);
  const isWarning = ({ content }: Pick<Message, 'content'>) => JSON.stringify(content).includes('"identity-changed"');
  const { eventId } = await user.waitForMessage(cleosRoom, isWarning);
  await user.reply(cleosRoom, eventId, 'accept');
  await user.sendText(cleosRoom, 'decided');
  await cleo.received('decided');
  // The administrator may have them delivered all the same.
  for (const [id] of await ids()) await retryParked(configPath, String(id));
  await user.waitForMessage(corasRoom, ({ body }) => body === 'waits for Prompt');
  await cleo.received('waits for Cleo');
});

test('an account that is paused for too long ends; a statement that ends soon is asked for again', async () => {
  await at(45 * day);
  await said(silent, /was paused for too long and has ended.*Deleted here/s);
  await ask(silent, 'status', /WhatsApp: not opted in/);
  await ask(silent, 'consent', /paused \(\w+\)\n.*ended without you/);
  for (const one of [late, prompt]) await said(one, stated, one === late ? 4 : 2);
  await ask(late, statement, /holds until/);
  await ask(late, 'status', /WhatsApp: opted in/);
  const { body } = await ask(late, 'consent', /on record/);
  expect(body?.match(/you stated that/g)).toHaveLength(2);
  expect(body?.match(/available here/g)).toHaveLength(1);
});
