import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';

// All projects share these workers, so that nobody waits for another project to end.
const maxWorkers = Math.max(2, availableParallelism());

const project = (name: string, options: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], maxWorkers, ...options },
});

/** What starts a homeserver; what a file of these has loaded, matrix-js-sdk above all, the next one uses. */
const withHomeserver = { testTimeout: 120_000, hookTimeout: 600_000, pool: 'forks', isolate: false };

export default defineConfig({
  test: {
    maxWorkers,
    reporters: ['default', './test/support/closing-line.ts'],
    sequence: { sequencer: LongestFirst },
    projects: [
      // Limits are for what hangs: on a busy machine everything takes long.
      project('unit', { testTimeout: 30_000 }),
      // Every test of the store again, on PostgreSQL.
      project('postgres', {
        include: ['test/unit/store-*.test.ts', 'test/unit/matrix-crypto-journal.test.ts', 'test/postgres/*.test.ts'],
        globalSetup: './test/support/postgres-setup.ts',
        testTimeout: 30_000,
        // kysely looks at the tables of all schemas, and fails where another file's test drops its own at that moment.
        fileParallelism: false,
      }),
      project('wire', { testTimeout: 60_000 }),
      project('e2e', withHomeserver),
      project('chaos', withHomeserver),
    ],
  },
});
