// What the doctor says of a database on a PostgreSQL server while the bridge is stopped.
import { randomBytes } from 'node:crypto';
import { expect, inject, it, onTestFinished } from 'vitest';
import { databaseChecks, examine } from '../../src/cli/doctor/database.ts';
import { parseConfig } from '../../src/config/config.ts';
import { freePort } from '../../src/demo/synapse.ts';
import type { UserId } from '../../src/model/ids.ts';
import { createSchema, dropSchema, query } from '../support/postgres-server.ts';
import { aChat, masterKey, message, openTestStore } from '../support/store.ts';

const anna = '@anna:example.org' as UserId;

async function place(): Promise<string> {
  const server = inject('postgres');
  if (server === undefined) throw new Error('these tests need a PostgreSQL server');
  const postgres = await createSchema(server);
  onTestFinished(() => dropSchema(postgres));
  return postgres;
}

/** As `doctor` asks where nothing answers at the bridge's port. */
async function examined(postgres: string, key = masterKey) {
  const document = {
    homeserver: { url: 'http://127.0.0.1:1', server_name: 'example.org' },
    appservice: { listen: { port: await freePort() } },
    operator: { name: 'Somebody', contact: '@somebody:example.org' },
    provider: { public_url: 'https://bridge.example.org', audience: 'a' },
    networks: {
      whatsapp: { chat_url: 'wss://a.test/', root_key: 'a'.repeat(64), enlistment_url: 'https://a.test' },
    },
    database: { postgres },
  };
  return examine(parseConfig(document, 'config.yaml'), key);
}

const checks = async (postgres: string) =>
  Object.fromEntries(
    databaseChecks(await examined(postgres)).map(({ name, outcome, found }) => [name, [outcome, found]]),
  );

it('finds a sound database sound, and counts what waits and is parked', async () => {
  const postgres = await place();
  const store = await openTestStore({ postgres });
  const { portal } = await aChat(store);
  const code = 'waited-too-long';
  await store.commit([
    { change: 'inbox.add', row: message(portal, randomBytes(3)) },
    { change: 'inbox.park-received', portal: portal.id, before: 6, code },
    { change: 'inbox.add', row: { ...message(portal, randomBytes(3)), timestamp: Date.now() } },
    { change: 'consent.record', user: anna, event: { what: 'withdrawn', network: 'whatsapp' } },
  ]);
  await store.close();
  expect(await checks(postgres)).toEqual({
    database: ['ok', 'opens with this master key, schema up to date, sound'],
    'consent records': ['ok', '1, all as they were written'],
    'parked messages': ['problem', '1'],
    'waiting messages': ['ok', '1'],
  });
});

it('finds a record of consent that was cut, and says whose', async () => {
  const postgres = await place();
  const store = await openTestStore({ postgres });
  for (const what of ['withdrawn', 'resumed'] as const)
    await store.commit([{ change: 'consent.record', user: anna, event: { what, network: 'whatsapp' } }]);
  await store.close();
  await query(postgres, 'delete from consent_entry where position = (select max(position) from consent_entry)');
  expect((await checks(postgres))['consent records']).toEqual(['problem', `damaged: ${anna} (cut)`]);
});

it('says so where the server takes no writes', async () => {
  const postgres = await place();
  await (await openTestStore({ postgres })).close();
  const readOnly = new URL(postgres);
  const options = readOnly.searchParams.get('options');
  readOnly.searchParams.set('options', `${options} -c default_transaction_read_only=on`);
  await expect(examined(readOnly.href)).rejects.toMatchObject({ code: 'store.unavailable' });
});

it('does not touch one that a bridge has open, that is newer, or whose key is another', async () => {
  const postgres = await place();
  const store = await openTestStore({ postgres });
  await expect(examined(postgres)).rejects.toMatchObject({ code: 'store.locked' });
  await store.close();
  await expect(examined(postgres, randomBytes(32))).rejects.toMatchObject({ code: 'store.wrong-key' });
  await query(postgres, `insert into kysely_migration (name, timestamp) values ('9999-later', '2099-01-01')`);
  await expect(examined(postgres)).rejects.toMatchObject({ code: 'store.newer-schema' });
});
