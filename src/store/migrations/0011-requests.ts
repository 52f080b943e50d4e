// Whether the user wants a chat, and messages of the bot that name people. Chats from before this was asked are wanted.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  const add = (name: string, type: 'text' | 'integer' | 'bigint', byDefault?: string | number) =>
    db.schema
      .alterTable('portal')
      .addColumn(name, type, (column) => (byDefault === undefined ? column : column.notNull().defaultTo(byDefault)))
      .execute();
  await add('acceptance', 'text', 'accepted');
  await add('request_number', 'integer');
  await add('requested_at', 'bigint');
  await add('asked_again', 'integer', 0);
  await add('dropped', 'integer', 0);
  await db.schema
    .alterTable('bot_message')
    .addColumn('confidential', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  const requests = db.schema.createIndex('portal_requested').on('portal').columns(['account']);
  await requests.where(sql<boolean>`acceptance = 'requested'`).execute();
  const toClose = db.schema.createIndex('portal_to_close').on('portal').columns(['id']);
  await toClose.where(sql<boolean>`acceptance = 'declined' and room is not null`).execute();
}
