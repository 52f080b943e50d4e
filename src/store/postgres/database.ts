// The store's database on a PostgreSQL server.
import { sql } from 'kysely';
import { DEFAULT_MIGRATION_TABLE } from 'kysely/migration';
import type { Database } from '../database.ts';
import { migrateToLatest } from '../migrate.ts';
import { postgresAddress } from './client.ts';
import { openPatiently, openReads } from './reads.ts';
import { LockedSession, type SessionOptions } from './session.ts';
import { PostgresWriter } from './writer.ts';

/** Rejects with BridgeError `store.address`, `store.locked`, `store.refused` or `store.unavailable`. */
export async function openPostgres(
  url: string,
  listeners: Pick<SessionOptions, 'onTakenOver' | 'onRegained'> = {},
): Promise<Database> {
  const address = postgresAddress(url);
  const session = await LockedSession.open({ address, writer: 'store', ...listeners });
  const db = openReads(address);
  const writer = new PostgresWriter(session);
  return {
    name: address.name,
    db,
    writer,
    migrated: async () => {
      const table = await sql<{ found: string | null }>`select to_regclass(${DEFAULT_MIGRATION_TABLE})::text as found`
        .execute(db)
        .then(({ rows }) => rows[0]?.found);
      if (!table) return [];
      const names = await sql<{ name: string }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)}`.execute(db);
      return names.rows.map(({ name }) => name);
    },
    migrate: async () => {
      const patient = openPatiently(address);
      try {
        const schema = await sql<{ name: string }>`select current_schema() as name`.execute(patient);
        await migrateToLatest(patient, schema.rows[0]?.name);
      } finally {
        await patient.destroy();
      }
    },
    // Takes the dead row out of the table's page; what write-ahead logs and backups keep of it is theirs (docs/operations.md).
    scrub: async () => {
      await sql`vacuum data_key`.execute(db).catch(() => undefined);
    },
    compact: async () => {
      await sql`vacuum`.execute(db).catch(() => undefined);
    },
    // The server checks its pages itself; that the schema is there is seen when the database is opened.
    examine: async () => [],
    close: async () => {
      await writer.close();
      await db.destroy();
    },
  };
}
