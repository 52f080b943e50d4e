// How fast messages pass, compared in the same run with what bounds them: Synapse's own sends, and the cryptography by itself.
// Run it with `npm run bench`. The numbers depend on the machine and on what else runs on it; nothing is asserted.
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/model/clock.ts';
import { type AccountId, newAccountId, newContactId } from '../../src/model/ids.ts';
import type { PeerDevice, SignalChange } from '../../src/model/signal.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { CommittedState } from '../support/signal-state.ts';
import { World } from '../support/world.ts';

const messages = 100;
const rows: { what: string; messages: number; 'per second': number; 'ms each': number }[] = [];

async function measure(what: string, count: number, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  rows.push({
    what,
    messages: count,
    'per second': Math.round((count / ms) * 1000),
    'ms each': Number((ms / count).toFixed(2)),
  });
}

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
  await measure('Synapse alone: one sender, one after another', messages, async () => {
    for (let n = 0; n < messages; n += 1) await alice.sendUnencrypted(plain, { msgtype: 'm.custom', body: `${n}` });
  });
  await measure('WhatsApp to Matrix: sent until decrypted', messages, async () => {
    for (let n = 1; n <= messages; n += 1) await phone.send(alice.userId, `in ${n}`);
    await alice.waitForMessage(portal, ({ body }) => body === `in ${messages}`, 120_000);
  });
  await measure('Matrix to WhatsApp: sent until decrypted', messages, async () => {
    for (let n = 1; n <= messages; n += 1) await alice.sendText(portal, `out ${n}`);
    await phone.received(`out ${messages}`, 120_000);
  });
  await measure('a single message, WhatsApp to Matrix', 1, async () => {
    await phone.send(alice.userId, 'alone in');
    await alice.waitForMessage(portal, ({ body }) => body === 'alone in');
  });
  await measure('a single message, Matrix to WhatsApp', 1, async () => {
    await alice.sendText(portal, 'alone out');
    await phone.received('alone out');
  });
} finally {
  await world.stop();
}
await measureSignal();
console.table(rows);

/** Encrypting and decrypting between two accounts of ours, without any network or disk. */
async function measureSignal(): Promise<void> {
  const [alice, bob] = [endpoint(), endpoint()];
  const toBob: PeerDevice = { account: alice.account, contact: newContactId(), device: 0 };
  const toAlice: PeerDevice = { account: bob.account, contact: newContactId(), device: 0 };
  const [preKey] = bob.keys.preKeys;
  await alice.work(toBob, (unit) => unit.start(toBob, { ...bob.keys, preKey }));
  const text = randomBytes(100);
  const count = 1000;
  await measure('Signal alone: encrypt and decrypt 100 bytes', count, async () => {
    for (let n = 0; n < count; n += 1) {
      const sealed = await alice.work(toBob, (unit) => unit.encrypt(toBob, text));
      await bob.work(toAlice, (unit) => unit.decrypt(toAlice, sealed));
    }
  });
}

function endpoint() {
  const account: AccountId = newAccountId();
  const state = new CommittedState();
  const signal = createSignal({ reads: state, clock: systemClock });
  const { keys, changes } = signal.createIdentity(account, 1);
  const commit = (made: readonly SignalChange[]): void => state.commit(made);
  commit(changes);
  return {
    account,
    keys,
    work: <Result>(
      peer: PeerDevice,
      run: (unit: Parameters<Parameters<typeof signal.exclusively>[1]>[0]) => Promise<Result>,
    ) =>
      signal.exclusively([peer], async (unit) => {
        const result = await run(unit);
        commit(unit.changes());
        return result;
      }),
  };
}
