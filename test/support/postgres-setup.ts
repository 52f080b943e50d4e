// Starts PostgreSQL once for every test file of a project, and tells them where it is.
import type { TestProject } from 'vitest/node';
import { startPostgres } from './postgres-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The URL of a PostgreSQL server, where the project runs on one. */
    postgres?: string;
    /** In PEM, where it is known: whose certificates that server shows. */
    postgresAuthority?: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres();
  project.provide('postgres', server.url);
  if (server.authority !== undefined) project.provide('postgresAuthority', server.authority);
  return server.stop;
}
