// One chat with everything real: Synapse, a Matrix client, the sandbox and its phone; and what one client can send to that Synapse.
import { World } from '../../support/world.ts';

/** Messages in a second, one chat. */
export interface SynapseFigures {
  readonly rawSends: number;
  readonly toMatrix: number;
  readonly toWhatsApp: number;
}

const count = 100;

async function rate(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (count / (performance.now() - start)) * 1000;
}

export async function measureSynapse(): Promise<SynapseFigures> {
  const world = await World.start();
  try {
    const alice = await world.homeserver.login('alice', { strict: true });
    await world.optIn(alice);
    const phone = await world.phone('31612345678', 'Anna');
    await phone.send(alice.userId, 'first');
    const portal = await world.joinPortal(alice);
    await alice.waitForMessage(portal, ({ body }) => body === 'first');
    await alice.sendText(portal, 'warm');
    await phone.received('warm');
    const plain = await alice.createDirectRoom(world.installation.bot, { encrypted: false });
    const rawSends = await rate(async () => {
      for (let n = 0; n < count; n += 1) await alice.sendUnencrypted(plain, { msgtype: 'm.custom', body: `${n}` });
    });
    const toMatrix = await rate(async () => {
      for (let n = 1; n <= count; n += 1) await phone.send(alice.userId, `in ${n}`);
      await alice.waitForMessage(portal, ({ body }) => body === `in ${count}`, 120_000);
    });
    const toWhatsApp = await rate(async () => {
      for (let n = 1; n <= count; n += 1) await alice.sendText(portal, `out ${n}`);
      await phone.received(`out ${count}`, 120_000);
    });
    return { rawSends, toMatrix, toWhatsApp };
  } finally {
    await world.stop();
  }
}
