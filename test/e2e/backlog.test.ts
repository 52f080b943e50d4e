// A backlog each way, against a real Synapse: it drains in order, memory stays what it was, and another chat does not wait for it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { figuresOf } from '../bench/process-figures.ts';
import { hardlyLimited } from '../support/limits.ts';
import { World } from '../support/world.ts';

/** Each way, 2,000 in all: a real Synapse on two cores takes some thirty a second. `npm run bench -- backlog` takes 100,000 each way. */
const backlog = 1_000;
/** Half as much again as the bridge has at such work whatever waits; what holds all of a longer backlog is found by that command. */
const mostResidentBytes = 640 * 1024 ** 2;
const patience = 240_000;

let world: World;
let alice: MatrixUser;
let busy: { readonly phone: SandboxPhone; readonly portal: string };
let quiet: typeof busy;

beforeAll(async () => {
  world = await World.start({ overrides: hardlyLimited });
  alice = await world.homeserver.login('alice', { strict: true });
  await world.optIn(alice);
  busy = await world.chat(alice, '31612345678', 'Anna');
  quiet = await world.chat(alice, '31612345679', 'Ben');
});
afterAll(() => world?.stop());

const numbered = (name: string): string[] => Array.from({ length: backlog }, (_, n) => `${name} ${n + 1}`);
const startsWith = (name: string) => (text: string | undefined) => text?.startsWith(`${name} `) === true;

/** Everything that a phone has received; the sandbox tells it by the page. */
async function received(phone: SandboxPhone): Promise<(string | undefined)[]> {
  const texts: (string | undefined)[] = [];
  let page = await phone.messages();
  while (page.length > 0) {
    texts.push(...page.filter(({ direction }) => direction === 'in').map(({ text }) => text));
    page = await phone.messages(page.at(-1)?.seq);
  }
  return texts;
}

test('what waits on either side arrives in order; what comes for another chat meanwhile does not wait for it', async () => {
  const [incoming, outgoing] = [numbered('in'), numbered('out')];
  await world.bridge.stop();
  let last = '';
  const fromPhone = async () => {
    for (const text of incoming) last = await busy.phone.send(alice.userId, text);
    await busy.phone.hasStatus(last, 'sent', patience);
  };
  const fromMatrix = async () => {
    for (const text of outgoing) await alice.sendText(busy.portal, text);
  };
  await Promise.all([fromPhone(), fromMatrix()]);
  await world.startBridge();
  const id = await quiet.phone.send(alice.userId, 'am I in time?');
  // However long that takes on a busy machine: the backlog is not done by then.
  await quiet.phone.hasStatus(id, 'delivered', patience);
  await alice.sendText(quiet.portal, 'are you?');
  await quiet.phone.received('are you?', patience);
  expect((await busy.phone.message(last, 'delivered', 0)).status).toBe('sent');
  await busy.phone.received(outgoing.at(-1) ?? '', patience);
  await expect
    .poll(async () => (await busy.phone.message(last, 'delivered', 10_000)).status, { timeout: patience })
    .toBe('delivered');
  expect((await figuresOf(world.bridge.pid)).peakResidentBytes).toBeLessThan(mostResidentBytes);
  expect((await received(busy.phone)).filter(startsWith('out'))).toEqual(outgoing);
  const shown = async () => (await alice.messages(busy.portal)).map(({ body }) => body).filter(startsWith('in'));
  await expect.poll(shown, { timeout: 60_000, interval: 1_000 }).toEqual(incoming);
}, 400_000);
