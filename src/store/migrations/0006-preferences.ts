// What users have switched on, how far each side of a portal has read, and marks that are to be set.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('preference')
    .addColumn('account', 'text', (column) => column.primaryKey().references('account.id').onDelete('cascade'))
    .addColumn('read_receipts', 'integer', (column) => column.notNull())
    .addColumn('typing', 'integer', (column) => column.notNull())
    .addColumn('delivery_marks', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('reading')
    .addColumn('portal', 'text', (column) => column.primaryKey().references('portal.id').onDelete('cascade'))
    .addColumn('user_read', 'text')
    .addColumn('confirmed', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('contact_read', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('contact_shown', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  const toConfirm = db.schema.createIndex('reading_to_confirm').on('reading').columns(['portal']);
  await toConfirm.where(sql<boolean>`user_read is not null`).execute();
  const toShow = db.schema.createIndex('reading_to_show').on('reading').columns(['portal']);
  await toShow.where(sql<boolean>`contact_read > contact_shown`).execute();
  await db.schema
    .createTable('delivery_mark')
    .addColumn('portal', 'text', (column) => column.notNull().references('portal.id').onDelete('cascade'))
    .addColumn('event', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('delivery_mark_key', ['portal', 'event'])
    .execute();
  // What was read before anybody could choose is never confirmed.
  await sql`insert into reading (portal, confirmed) select portal, max(id) from message_reference group by portal`.execute(
    db,
  );
}
