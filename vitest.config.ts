import { defineConfig } from 'vitest/config';

// Unit and wire tests run in parallel; tests that start a homeserver share two cores, so one file at a time.
const project = (name: string, options: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
});

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    projects: [
      project('unit'),
      // Every test of the store again, on PostgreSQL.
      project('postgres', {
        include: ['test/unit/store-*.test.ts', 'test/unit/matrix-crypto-journal.test.ts', 'test/postgres/*.test.ts'],
        globalSetup: './test/support/postgres-setup.ts',
        testTimeout: 30_000,
      }),
      project('wire', { testTimeout: 60_000 }),
      project('e2e', { testTimeout: 120_000, hookTimeout: 600_000, fileParallelism: false, pool: 'forks' }),
      project('chaos', { testTimeout: 120_000, hookTimeout: 600_000, fileParallelism: false, pool: 'forks' }),
    ],
  },
});
