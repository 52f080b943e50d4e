// Spaces: whether a user's chats are kept apart, which chat began when, and what has been put into the Space.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('preference').addColumn('arrangement', 'text').execute();
  await db.schema
    .alterTable('portal')
    .addColumn('position', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  // Of chats that there are it is not known when they began, but which contact was known first.
  await sql`
    update portal set position = numbered.position from (
      select portal.id as id, row_number() over (partition by portal.account order by contact.seq) as position
      from portal join contact on contact.id = portal.contact
    ) as numbered where numbered.id = portal.id`.execute(db);
  await db.schema
    .createTable('space')
    .addColumn('account', 'text', (column) => column.primaryKey().references('account.id').onDelete('cascade'))
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('room', 'text')
    .execute();
  await db.schema.createIndex('space_room').on('space').columns(['room']).execute();
  await db.schema
    .createTable('space_child')
    .addColumn('account', 'text', (column) => column.notNull().references('space.account').onDelete('cascade'))
    .addColumn('room', 'text', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('put', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('space_child_key', ['account', 'room'])
    .execute();
  await db.schema
    .createTable('departing_space')
    .addColumn('account', 'text', (column) => column.primaryKey().references('departure.account').onDelete('cascade'))
    .addColumn('room', 'text')
    .execute();
}
