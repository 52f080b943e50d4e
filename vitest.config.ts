import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// As many files at once as there are cores; by itself, vitest leaves one core free.
const sideBySide = { maxWorkers: availableParallelism() };

// Tests that start a homeserver share two cores, so one file at a time, all in one process: that has loaded a
// homeserver and two clients already when the next file needs them.
const oneByOne = { testTimeout: 120_000, hookTimeout: 600_000, fileParallelism: false, isolate: false, pool: 'forks' };

const project = (name: string, options: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
});

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    projects: [
      // Limits are for what hangs: on a busy machine everything takes long.
      project('unit', { ...sideBySide, testTimeout: 30_000 }),
      // Every test of the store again, on PostgreSQL.
      project('postgres', {
        include: ['test/unit/store-*.test.ts', 'test/unit/matrix-crypto-journal.test.ts', 'test/postgres/*.test.ts'],
        globalSetup: './test/support/postgres-setup.ts',
        ...sideBySide,
        testTimeout: 30_000,
      }),
      project('wire', { ...sideBySide, testTimeout: 60_000 }),
      project('e2e', { ...oneByOne, sequence: { groupOrder: 1 } }),
      project('chaos', { ...oneByOne, sequence: { groupOrder: 2 } }),
    ],
  },
});
