// The capability table from Matrix to contacts, row by row: sent by a Matrix user, got by the sandbox's phone and by an unmodified client.
import type { WAMessage } from '@whiskeysockets/baileys';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { PhoneMessage, SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { capabilities, type FeatureIn, refusedText } from '../../src/translate/capabilities.ts';
import { beginning, byRow } from '../support/table/proofs.ts';
import { userRows } from '../support/table/user-rows.ts';
import { textOf, WhatsAppClient } from '../support/whatsapp-client.ts';
import { World } from '../support/world.ts';

const table = capabilities.whatsapp;
const features = Object.keys(userRows) as FeatureIn<'to-whatsapp'>[];
const rows = features.filter((feature) => 'sent' in userRows[feature]);

let world: World;
let alice: MatrixUser;
let anna: SandboxPhone;
let client: WhatsAppClient;
let portal: string;

const sent = new Map<string, string>();
const failures = new Map<string, unknown>();
/** What stands between the marks of two rows: on Anna's phone, in her client, in the room. */
let onPhone: ReadonlyMap<string, readonly PhoneMessage[]>;
let inClient: ReadonlyMap<string, readonly WAMessage[]>;
let room: readonly Message[];

async function send(row: FeatureIn<'to-whatsapp'>): Promise<void> {
  const proof = userRows[row];
  if ('sent' in proof) sent.set(row, await proof.sent(alice, portal));
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
  for (const row of rows) {
    await alice.sendText(portal, beginning(row));
    await send(row).catch((error: unknown) => failures.set(row, error));
  }
  await alice.sendText(portal, beginning('end'));
  await anna.received(beginning('end'), 120_000);
  await client.waitForText(beginning('end'));
  // The bridge has said what it had to say before this comes.
  await anna.send(alice.userId, 'got all of it');
  await alice.waitForMessage(portal, ({ body }) => body === 'got all of it');
  const names = [...rows, 'end'];
  const incoming = (await anna.messages()).filter(({ direction }) => direction === 'in');
  onPhone = byRow(incoming, names, ({ text }) => text);
  const shown = client.messages.filter(({ key, message }) => !key.fromMe && message);
  inClient = byRow(shown, names, textOf);
  room = await alice.messages(portal);
});
afterAll(async () => {
  await client?.dispose();
  await world?.stop();
});

/** The bridge's words under an event. */
const noticesUnder = (event: string | undefined): (string | undefined)[] =>
  room
    .filter(
      ({ msgtype, content }) =>
        msgtype === 'm.notice' && JSON.stringify(content['m.relates_to'])?.includes(`"${event}"`),
    )
    .map(({ body }) => body);

describe('to the phone and the client', () => {
  test.each(rows)('%s', async (row) => {
    if (failures.has(row)) throw failures.get(row);
    const proof = userRows[row];
    const got = 'got' in proof ? proof.got : undefined;
    const { support, told } = table[row]['to-whatsapp'] ?? { support: 'refused' };
    expect(got === undefined).toBe(support === 'refused');
    const [phone, shown] = [onPhone.get(row) ?? [], inClient.get(row) ?? []];
    expect(phone).toMatchObject(got === undefined ? [] : [got.phone]);
    expect(shown.map(({ message }) => message)).toMatchObject(got === undefined ? [] : [got.client]);
    expect(noticesUnder(sent.get(row))).toEqual(got === undefined ? [refusedText(row)] : []);
    if (support === 'fallback') expect(phone[0]?.text).toContain(`\n\n(${told})`);
    const [message] = shown;
    if (got?.bytes === undefined || message === undefined) return;
    expect((await client.download(message)).equals(got.bytes)).toBe(true);
    const id = phone[0]?.id ?? '';
    expect((await anna.fetched(id)).media).toMatchObject({ state: 'verified' });
    expect((await anna.download(id)).equals(got.bytes)).toBe(true);
  });
});
