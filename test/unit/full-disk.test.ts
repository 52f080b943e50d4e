// A disk that is really full, and one that has room again: what the database, the crypto journal and the log do then.
import { describe, expect, test } from 'vitest';
import { onDisk, source } from '../support/disk-script.ts';
import { hasSmallDisks } from '../support/small-disk.ts';

describe.skipIf(!hasSmallDisks)('on a full disk', () => {
  test('a commit is refused and leaves nothing; reads go on; it is noticed once, and so is its end', async () => {
    const report = await onDisk(
      8 * 1024,
      `
      import { openStore } from ${source('store/open-store.ts')};
      const news = [];
      const back = Promise.withResolvers();
      const store = await openStore({
        path: directory + '/bridge.db', masterKey, clock: { now: () => 1 },
        onAway: (error) => news.push(error.code), onBack: () => { news.push('back'); back.resolve(); },
      });
      const command = (user, command) => ({ change: 'pending-command', user, command });
      await store.commit([command('@before:example.org', 'opt-in')]);
      fill();
      const long = 'x'.repeat(100_000);
      report.refused = [];
      for (let n = 0; n < 50; n++) report.refused.push(await attempt(() => store.commit([command('@a:example.org', long), command('@b' + n + ':example.org', long)])));
      report.writable = store.writable;
      report.read = await store.accounts.pendingCommand('@before:example.org');
      report.half = await store.accounts.pendingCommand('@a:example.org') ?? null;
      free();
      const alive = setInterval(() => {}, 1_000);
      await back.promise;
      clearInterval(alive);
      report.news = news;
      report.after = await attempt(() => store.commit([command('@a:example.org', 'after')]));
      await store.close();
      const again = await openStore({ path: directory + '/bridge.db', masterKey, clock: { now: () => 1 } });
      report.kept = [await again.accounts.pendingCommand('@before:example.org'), await again.accounts.pendingCommand('@a:example.org')];
      await again.close();
      `,
    );
    expect(new Set(report.refused as string[])).toEqual(new Set(['store.unavailable']));
    expect(report).toMatchObject({
      writable: false,
      read: 'opt-in',
      half: null,
      news: ['store.unavailable', 'back'],
      kept: ['opt-in', 'after'],
    });
  });

  test('a database that has become read-only is refused likewise, and taken up again when it is not', async () => {
    const report = await onDisk(
      8 * 1024,
      `
      import { spawnSync } from 'node:child_process';
      import { openStore } from ${source('store/open-store.ts')};
      const command = (command) => ({ change: 'pending-command', user: '@a:example.org', command });
      const store = await openStore({ path: directory + '/bridge.db', masterKey, clock: { now: () => 1 } });
      await store.commit([command('before')]);
      await store.close();
      const remount = (mode) => spawnSync('mount', ['-o', 'remount,' + mode, directory]).status;
      report.remounted = remount('ro');
      const open = () => openStore({ path: directory + '/bridge.db', masterKey, clock: { now: () => 1 } });
      report.opened = await attempt(open);
      remount('rw');
      const again = await open();
      report.command = await again.accounts.pendingCommand('@a:example.org');
      report.written = (await attempt(() => again.commit([command('after')]))) ?? 'yes';
      await again.close();
      `,
    );
    expect(report).toEqual({ remounted: 0, opened: 'store.unavailable', command: 'before', written: 'yes' });
  });

  test('a database whose schema cannot be made says why, and has it once there is room', async () => {
    const report = await onDisk(
      160,
      `
      import { openStore } from ${source('store/open-store.ts')};
      import { spawnSync } from 'node:child_process';
      const open = () => openStore({ path: directory + '/bridge.db', masterKey, clock: { now: () => 1 } });
      report.opened = await attempt(open);
      report.grown = spawnSync('mount', ['-o', 'remount,size=8m', directory]).status;
      report.again = (await attempt(async () => (await open()).close())) ?? 'yes';
      `,
    );
    expect(report).toEqual({ opened: 'store.unavailable', grown: 0, again: 'yes' });
  });

  test('the crypto journal keeps what it could not write, in order, and hands out nothing before it has', async () => {
    const report = await onDisk(
      8 * 1024,
      `
      import { openCryptoJournal } from ${source('store/crypto-journal.ts')};
      let journal = await openCryptoJournal({ path: directory + '/crypto.db', masterKey });
      const put = (key, value) => ({ op: 'put', database: 'd', store: 's', key: Uint8Array.of(key), value: new Uint8Array(100_000).fill(value) });
      journal.append('ghost', [{ op: 'schema', database: 'd', schema: '{}' }, put(1, 1)]);
      await journal.flushed();
      fill();
      journal.append('ghost', [put(1, 2), put(2, 2)]);
      report.flushed = await attempt(() => journal.flushed());
      journal.append('ghost', [put(1, 3), { op: 'delete', database: 'd', store: 's', key: Uint8Array.of(2) }]);
      journal.setSyncToken('ghost', 's9');
      report.load = await attempt(() => journal.load('ghost'));
      report.newKey = await attempt(() => journal.storeKey('another'));
      free();
      report.caughtUp = (await attempt(() => journal.flushed())) ?? 'yes';
      report.rows = (await journal.load('ghost')).rows.map(({ key, value }) => [key[0], value[0], value.length]);
      report.token = await journal.syncToken('ghost');
      await journal.close();
      journal = await openCryptoJournal({ path: directory + '/crypto.db', masterKey });
      report.reopened = (await journal.load('ghost')).rows.map(({ key, value }) => [key[0], value[0]]);
      `,
    );
    expect(report).toEqual({
      flushed: 'store.unavailable',
      load: 'store.unavailable',
      newKey: 'store.unavailable',
      caughtUp: 'yes',
      rows: [[1, 3, 100_000]],
      token: 's9',
      reopened: [[1, 3]],
    });
  });

  test('a log on it loses lines and not the process', async () => {
    const report = await onDisk(
      256,
      `
      import { createLogger } from ${source('observability/logger.ts')};
      const logger = createLogger({ level: 'info' });
      fill();
      for (let n = 0; n < 10_000; n++) logger.info({ n }, 'nowhere to go');
      const before = statSync(directory + '/log').size;
      free();
      while (statSync(directory + '/log').size === before) await settled();
      report.goesOn = true;
      `,
      'disk',
    );
    expect(report).toEqual({ goesOn: true });
  });
});
