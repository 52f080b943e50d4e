// Moving an installation: every row arrives as it was, row ids go on, and neither side can be mistaken for the other afterwards.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, it, onTestFinished } from 'vitest';
import { type ActorId, newMessageId } from '../../src/model/ids.ts';
import { killVariable } from '../../src/observability/fail-points.ts';
import { type CopyOptions, copyToPostgres } from '../../src/store/copy.ts';
import { openStore } from '../../src/store/open-store.ts';
import { rotateMasterKey } from '../../src/store/rotation.ts';
import { onDisk, source } from '../support/disk-script.ts';
import { createSchema, dropSchema } from '../support/postgres-server.ts';
import { hasSmallDisks } from '../support/small-disk.ts';
import {
  aChat,
  execute,
  masterKey,
  message,
  openTestJournal,
  openTestStore,
  outgoing,
  present,
  temporaryDirectory,
} from '../support/store.ts';

const clock = { now: () => 1_000 };
const actor = 'ghost-1' as ActorId;
/** More than one batch. */
const many = 1_203;

async function target(): Promise<string> {
  const server = inject('postgres');
  if (server === undefined) throw new Error('these tests need a PostgreSQL server');
  const url = await createSchema(server);
  onTestFinished(() => dropSchema(url));
  return url;
}

/** Two files with something in many tables, among it rows that were deleted again. */
async function anInstallation() {
  const directory = temporaryDirectory();
  const [sqlite, crypto] = [join(directory, 'bridge.db'), join(directory, 'crypto.db')];
  const store = await openTestStore({ path: sqlite });
  const { portal, account, contact } = await aChat(store);
  const peer = { account: account.id, contact: contact.id, device: 0 };
  const rows = Array.from({ length: many }, () => message(portal, randomBytes(40)));
  await store.commit(rows.map((row) => ({ change: 'inbox.add', row })));
  const row = outgoing(portal, Buffer.from('quotes " \' \\ { } , and bytes \0 \u{1F600}'));
  await store.commit([
    { change: 'signal.session', peer, record: randomBytes(3_000) },
    { change: 'signal.pre-keys', account: account.id, keys: [{ id: 7, record: randomBytes(0) }] },
    { change: 'outbox.add', row },
    {
      change: 'bot-message.add',
      room: account.managementRoom,
      key: 'a "key", \\with {every} kind of\nsign',
      text: 'hello',
    },
  ]);
  // The last id that was given belongs to no row any more.
  const last = await aChat(store, { account });
  await store.commit([{ change: 'inbox.add', row: message(last.portal, randomBytes(3)) }]);
  const { id: lastId } = present(await store.inbox.next(last.portal.id));
  await store.commit([{ change: 'contact.merge', into: contact.id, from: last.contact.id }]);
  await store.close();
  await execute({ path: sqlite }, `delete from inbox where id = ${lastId}`);
  const journal = await openTestJournal({ path: crypto });
  const storeKey = Buffer.from(await journal.storeKey(actor));
  const put = (n: number) =>
    ({ op: 'put', database: 'd', store: 's', key: Uint8Array.of(n), value: randomBytes(n * 100) }) as const;
  journal.append(actor, [
    { op: 'schema', database: 'd', schema: '{}' },
    ...Array.from({ length: 200 }, (_, n) => put(n)),
  ]);
  journal.setSyncToken(actor, 's1');
  const snapshot = await journal.load(actor);
  await journal.close();
  return { sqlite, crypto, masterKey, portal, peer, lastId, row, storeKey, snapshot };
}

it('carries over every row of every table, and goes on from there', async () => {
  const installation = await anInstallation();
  const { sqlite, crypto, portal, peer, lastId, storeKey, snapshot } = installation;
  const postgres = await target();
  const seen = new Map<string, number>();
  const onProgress = (table: string, rows: number, of: number): void => {
    expect(rows).toBeLessThanOrEqual(of);
    seen.set(table, (seen.get(table) ?? 0) + 1);
  };
  const { outcome, tables: copied } = await copyToPostgres({ ...installation, postgres, onProgress });
  expect(outcome).toBe('copied');
  expect(seen.get('inbox')).toBeGreaterThan(1);

  const inFiles =
    "select name from sqlite_master where type = 'table' and name not like 'sqlite%' and name not like 'kysely%'";
  const names = async (path: string) => (await execute({ path }, inFiles)).map(({ name }) => String(name));
  const pairs = [
    ...(await names(sqlite)).map((name) => ({ path: sqlite, from: name, to: name })),
    ...(await names(crypto)).map((name) => ({ path: crypto, from: name, to: journalNames[name] ?? name })),
  ];
  expect(copied.map(({ table }) => table).sort()).toEqual(pairs.map(({ to }) => to).sort());
  for (const { path, from, to } of pairs) {
    const moved = from === 'setting' ? " where name not like 'moved%'" : '';
    const [source, arrived] = [
      await execute({ path }, `select * from "${from}"${moved}`),
      await execute({ postgres }, `select * from "${to}"`),
    ];
    expect(arrived).toHaveLength(copied.find(({ table }) => table === to)?.rows ?? -1);
    expect(arrived.map(comparable).sort()).toEqual(source.map(comparable).sort());
  }

  const store = await openTestStore({ postgres });
  expect(await store.inbox.waiting(portal.id)).toBe(many);
  expect(await store.signal.session(peer)).toHaveLength(3_000);
  const id = newMessageId();
  await store.commit([{ change: 'inbox.add', row: message(portal, randomBytes(3), id) }]);
  expect(present(await store.inbox.find(portal.id, id)).id).toBe(lastId + 1);
  const journal = await openTestJournal({ postgres });
  expect(await journal.load(actor)).toEqual(snapshot);
  expect(await journal.syncToken(actor)).toBe('s1');
  expect(Buffer.from(await journal.storeKey(actor))).toEqual(storeKey);
});

const journalNames: Readonly<Record<string, string>> = { data_key: 'journal_key', sync_token: 'journal_sync_token' };

/** The same text for the same row, whichever database it comes from. */
const comparable = (row: Record<string, unknown>): string =>
  JSON.stringify(
    Object.entries(row)
      .map(([name, value]) => [
        name,
        Buffer.isBuffer(value) ? value.toString('hex') : value === null ? null : String(value),
      ])
      .sort(),
  );

it('refuses a target that holds rows, a source in use, another key and a missing file; then nothing is copied', async () => {
  const installation = await anInstallation();
  const { sqlite } = installation;
  const postgres = await target();
  const other = await openTestStore({ postgres });
  await expect(copyToPostgres({ ...installation, postgres })).rejects.toMatchObject({ code: 'store.locked' });
  await aChat(other);
  await other.close();
  await expect(copyToPostgres({ ...installation, postgres })).rejects.toMatchObject({ code: 'store.not-empty' });

  const empty = await target();
  const source = await openTestStore({ path: sqlite });
  await expect(copyToPostgres({ ...installation, postgres: empty })).rejects.toMatchObject({ code: 'store.locked' });
  await source.close();
  const wrong = copyToPostgres({ ...installation, postgres: empty, masterKey: randomBytes(32) });
  await expect(wrong).rejects.toMatchObject({ code: 'store.wrong-key' });
  const missing = join(temporaryDirectory(), 'none.db');
  const nothing = copyToPostgres({ ...installation, postgres: empty, crypto: missing });
  await expect(nothing).rejects.toMatchObject({ code: 'store.copy', message: expect.stringContaining(missing) });
  expect(existsSync(missing)).toBe(false);

  // Nothing that failed is in the way of the one that succeeds.
  await copyToPostgres({ ...installation, postgres: empty });
});

it('lets no bridge go on with files whose content lives elsewhere, and copies them once', async () => {
  const installation = await anInstallation();
  const { sqlite } = installation;
  const postgres = await target();
  await copyToPostgres({ ...installation, postgres });
  await expect(openStore({ path: sqlite, masterKey, clock })).rejects.toMatchObject({
    code: 'store.moved',
    message: expect.stringMatching(/copied to postgres:\/\/127\.0\.0\.1[^@]*: set database\.postgres/),
  });
  await expect(copyToPostgres({ ...installation, postgres: await target() })).rejects.toMatchObject({
    code: 'store.moved',
  });
  // Nor is the key replaced that opens the copy.
  await expect(rotateMasterKey({ files: [sqlite] }, masterKey, randomBytes(32))).rejects.toMatchObject({
    code: 'store.moved',
  });
});

type Places = Pick<CopyOptions, 'sqlite' | 'crypto' | 'postgres'>;

/** Copies in a process of its own, which dies when that step has been done. */
async function copyKilledAt(
  step: 'copy-committed' | 'copy-marked',
  { sqlite, crypto, postgres }: Places,
): Promise<void> {
  const code = `
    import { copyToPostgres } from ${source('store/copy.ts')};
    await copyToPostgres({ ...${JSON.stringify({ sqlite, crypto, postgres })}, masterKey: new Uint8Array(32).fill(7) });`;
  const env = { ...process.env, [killVariable]: step };
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { env, stdio: 'inherit' });
  onTestFinished(() => void child.kill('SIGKILL'));
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
}

const unfinished = {
  code: 'store.copying',
  retry: 'after-action',
  message: expect.stringMatching(/postgres:.* holds a copy that "db copy" has not finished: run that again/),
};

it('killed before the files are marked, the copy is used by nobody: the bridge may go on with them, and the next copy takes its place', async () => {
  const installation = { ...(await anInstallation()), postgres: await target() };
  const { sqlite, portal, postgres } = installation;
  await copyKilledAt('copy-committed', installation);
  await expect(openStore({ postgres, masterKey, clock })).rejects.toMatchObject(unfinished);
  // The files would be left with a key that nobody has any more.
  await expect(rotateMasterKey({ postgres }, masterKey, randomBytes(32))).rejects.toMatchObject({
    code: 'store.copying',
  });
  const other = { ...(await anInstallation()), postgres };
  await expect(copyToPostgres(other)).rejects.toMatchObject({
    code: 'store.not-empty',
    message: expect.stringContaining('a copy of another installation'),
  });

  const store = await openTestStore({ path: sqlite });
  await store.commit([{ change: 'inbox.add', row: message(portal, randomBytes(3)) }]);
  await store.close();
  expect(await copyToPostgres(installation)).toMatchObject({ outcome: 'again' });
  const copy = await openTestStore({ postgres });
  expect(await copy.inbox.waiting(portal.id)).toBe(many + 1);
  await expect(openStore({ path: sqlite, masterKey, clock })).rejects.toMatchObject({ code: 'store.moved' });
});

it('killed after the files are marked, the next copy finishes it, once', async () => {
  const installation = { ...(await anInstallation()), postgres: await target() };
  const { sqlite, portal, postgres } = installation;
  await copyKilledAt('copy-marked', installation);
  await expect(openStore({ postgres, masterKey, clock })).rejects.toMatchObject(unfinished);
  await expect(openStore({ path: sqlite, masterKey, clock })).rejects.toMatchObject({ code: 'store.moved' });
  expect(await copyToPostgres(installation)).toEqual({ outcome: 'finished', tables: [] });
  const copy = await openTestStore({ postgres });
  expect(await copy.inbox.waiting(portal.id)).toBe(many);
  await copy.close();
  await expect(copyToPostgres(installation)).rejects.toMatchObject({ code: 'store.moved' });
});

it.skipIf(!hasSmallDisks)('files that cannot be marked go on being used, and the copy is not', async () => {
  const postgres = await target();
  const report = await onDisk(
    8 * 1024,
    `
    import { copyToPostgres } from ${source('store/copy.ts')};
    import { openCryptoJournal } from ${source('store/crypto-journal.ts')};
    import { openStore } from ${source('store/open-store.ts')};
    const [sqlite, crypto, postgres] = [directory + '/bridge.db', directory + '/crypto.db', ${JSON.stringify(postgres)}];
    const clock = { now: () => 1 };
    const write = async (command) => {
      const store = await openStore({ path: sqlite, masterKey, clock });
      await store.commit([{ change: 'pending-command', user: '@a:example.org', command }]);
      await store.close();
    };
    await write('before');
    await (await openCryptoJournal({ path: crypto, masterKey })).close();
    let filled = false;
    const onProgress = () => {
      if (!filled) fill();
      filled = true;
    };
    report.said = await copyToPostgres({ sqlite, crypto, postgres, masterKey, onProgress }).catch((error) => error.message);
    free();
    report.copy = await attempt(() => openStore({ postgres, masterKey, clock }));
    report.files = (await attempt(() => write('after'))) ?? 'go on';
    report.again = (await copyToPostgres({ sqlite, crypto, postgres, masterKey })).outcome;
    const store = await openStore({ postgres, masterKey, clock });
    report.copied = await store.accounts.pendingCommand('@a:example.org');
    await store.close();
    `,
  );
  expect(report).toEqual({
    said: expect.stringMatching(
      /bridge\.db cannot be marked as moved: .*SQLITE_FULL.* the bridge may go on with the files/,
    ),
    copy: 'store.copying',
    files: 'go on',
    again: 'again',
    copied: 'after',
  });
});

it('a copy that was not finished is never used once the files were copied elsewhere', async () => {
  const installation = await anInstallation();
  const [first, second] = [await target(), await target()];
  await copyKilledAt('copy-committed', { ...installation, postgres: first });
  await copyToPostgres({ ...installation, postgres: second });
  await expect(copyToPostgres({ ...installation, postgres: first })).rejects.toMatchObject({ code: 'store.moved' });
  await expect(openStore({ postgres: first, masterKey, clock })).rejects.toMatchObject(unfinished);
});
