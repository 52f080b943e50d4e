// Contacts' profiles: which names look alike, names that users have given, pictures.
import { type Kysely, sql } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { bytes, rowId } = columnTypes(db);
  await db.schema
    .createTable('contact_look')
    .addColumn('id', rowId.type, rowId.constraint)
    .addColumn('hash', bytes, (column) => column.notNull())
    .addColumn('contact', 'text', (column) => column.notNull().references('contact.id').onDelete('cascade'))
    .addUniqueConstraint('contact_look_key', ['hash', 'contact'])
    .execute();
  await db.schema.createIndex('look_of_contact').on('contact_look').columns(['contact']).execute();
  await db.schema.alterTable('portal').addColumn('given_name', bytes).execute();
  await db.schema
    .createTable('contact_picture')
    .addColumn('contact', 'text', (column) =>
      column.notNull().primaryKey().references('contact.id').onDelete('cascade'),
    )
    .addColumn('uploaded', bytes)
    .addColumn('shown', 'integer', (column) => column.notNull())
    .addColumn('looked_at', 'bigint')
    .addColumn('due_at', 'bigint')
    .addColumn('failures', 'integer', (column) => column.notNull())
    .execute();
  // Whoever has a name brings it again with their next message, and then it is known what it looks like. A name that a user had
  // given was shown to every user of the server; it is not kept.
  await sql`update contact set name = null`.execute(db);
}
