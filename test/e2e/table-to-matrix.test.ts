// The capability table from contacts to Matrix, row by row: sent by the sandbox's phone and by an unmodified client, seen by a Matrix user.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { capabilities, type FeatureIn, unsupportedText } from '../../src/translate/capabilities.ts';
import { openFile } from '../support/matrix-files.ts';
import { contactRows } from '../support/table/contact-rows.ts';
import { beginning, byRow, isSent } from '../support/table/proofs.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';
import { World } from '../support/world.ts';

const table = capabilities.whatsapp;
const features = Object.keys(contactRows) as FeatureIn<'to-matrix'>[];
const sides = ['phone', 'client'] as const;
type Side = (typeof sides)[number];

let world: World;
let alice: MatrixUser;
let anna: SandboxPhone;
let client: WhatsAppClient;
/** Alice, as Anna's client knows her. */
let user: string;
let portal: string;

/** What has been sent, as Alice sees it, by side and row; or why sending failed. */
let seen: ReadonlyMap<string, readonly Message[]>;
const failures = new Map<string, unknown>();

const rowsOf = (side: Side) => features.filter((feature) => isSent<never>(contactRows[feature][side]));

const name = (side: Side, row: string): string => `${row} from the ${side}`;

/** Sends every row, one after the other, with a mark before each. */
async function sendAll(side: Side): Promise<void> {
  const mark = (row: string) => {
    const text = beginning(name(side, row));
    return side === 'phone' ? anna.send(alice.userId, text) : client.send(user, text);
  };
  for (const row of rowsOf(side)) {
    await mark(row);
    await sendRow(side, row).catch((error: unknown) => failures.set(name(side, row), error));
  }
  await mark('end');
  await alice.waitForMessage(portal, ({ body }) => body === beginning(name(side, 'end')), 120_000);
}

async function sendRow(side: Side, row: FeatureIn<'to-matrix'>): Promise<unknown> {
  const { phone: byPhone, client: byClient } = contactRows[row];
  if (side === 'phone') return isSent(byPhone) ? byPhone({ phone: anna, to: alice.userId }) : undefined;
  return isSent(byClient) ? byClient({ client, to: user }) : undefined;
}

beforeAll(async () => {
  world = await World.start();
  alice = await world.homeserver.login('alice', { strict: true });
  anna = await world.phone('31612345678', 'Anna');
  client = await WhatsAppClient.link(world.sandbox, anna);
  await world.optIn(alice);
  await anna.send(alice.userId, 'hello');
  portal = await world.joinPortal(alice);
  await alice.waitForMessage(portal, ({ body }) => body === 'hello');
  await alice.sendText(portal, 'hello Anna');
  user = (await client.waitForText('hello Anna')).key.remoteJid ?? '';
  for (const side of sides) await sendAll(side);
  const names = sides.flatMap((side) => [...rowsOf(side), 'end'].map((row) => name(side, row)));
  seen = byRow(await alice.messages(portal), names, ({ body }) => body);
});
afterAll(async () => {
  await client?.dispose();
  await world?.stop();
});

describe.each(sides)('from the %s', (side) => {
  test.each(rowsOf(side))('%s', async (row) => {
    const failure = failures.get(name(side, row));
    if (failure !== undefined) throw failure;
    const events = seen.get(name(side, row)) ?? [];
    const { support, told = '' } = table[row]['to-matrix'] ?? { support: 'refused' };
    const refusal = { msgtype: 'm.notice', body: unsupportedText('Anna', row) };
    const expected = support === 'refused' ? [refusal] : (contactRows[row].shown ?? []);
    expect(expected).not.toEqual([]);
    expect(events).toMatchObject(expected);
    for (const event of events) {
      expect(event).toMatchObject({ encrypted: true, decryptionFailure: undefined, shield: { color: 'none' } });
      if (support === 'fallback') expect(event.body).toContain(`\n\n(${told})`);
      if (support !== 'refused') expect(event.msgtype).not.toBe('m.notice');
      const { file, info } = event.content;
      if (file !== undefined) expect(info).toMatchObject({ size: (await openFile(alice, file)).length });
    }
  });
});
