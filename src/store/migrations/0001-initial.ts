// The first schema. A migration that has been released is never changed; the next number is added instead.
import { type ColumnDefinitionBuilder, type CreateTableBuilder, type Kysely, sql } from 'kysely';
import { columnTypes } from './column-types.ts';

const required = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull();
const primary = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull().primaryKey();
const unique = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull().unique();

export async function up(db: Kysely<unknown>): Promise<void> {
  const { bytes, rowId } = columnTypes(db);
  const table = (name: string): CreateTableBuilder<string> => db.schema.createTable(name);
  /** Rows that go with their account, contact or portal. */
  const ownedBy =
    (owner: 'account' | 'contact' | 'portal') =>
    (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder =>
      column.notNull().references(`${owner}.id`).onDelete('cascade');

  const tables = [
    table('setting').addColumn('name', 'text', primary).addColumn('value', 'text', required),
    table('data_key').addColumn('id', 'text', primary).addColumn('wrapped', bytes, required),

    table('account')
      .addColumn('id', 'text', primary)
      .addColumn('network', 'text', required)
      .addColumn('user', 'text', required)
      .addColumn('management_room', 'text', required)
      .addColumn('enlistment', bytes)
      .addColumn('created_at', 'bigint', required)
      .addUniqueConstraint('account_of_user', ['user', 'network']),
    table('departure')
      .addColumn('account', 'text', primary)
      .addColumn('network', 'text', required)
      .addColumn('user', 'text', required)
      .addColumn('management_room', 'text', required)
      .addColumn('interop_account', bytes)
      .addColumn('attempts', 'integer', required),
    table('departing_chat')
      .addColumn('account', 'text', (column) => column.notNull().references('departure.account').onDelete('cascade'))
      .addColumn('room', 'text')
      .addColumn('contact', 'text', required)
      .addPrimaryKeyConstraint('departing_chat_key', ['account', 'contact']),
    table('pending_command').addColumn('user', 'text', primary).addColumn('command', bytes, required),

    table('contact')
      .addColumn('seq', rowId.type, rowId.constraint)
      .addColumn('id', 'text', unique)
      .addColumn('network', 'text', required)
      .addColumn('name', bytes),
    table('contact_address')
      .addColumn('network', 'text', required)
      .addColumn('hash', bytes, required)
      .addColumn('contact', 'text', ownedBy('contact'))
      .addColumn('address', bytes, required)
      .addColumn('position', 'integer', required)
      .addPrimaryKeyConstraint('contact_address_key', ['hash', 'network']),
    table('ghost')
      .addColumn('contact', 'text', (column) => ownedBy('contact')(column).primaryKey())
      .addColumn('actor', 'text', unique)
      .addColumn('user', 'text', unique)
      .addColumn('device', 'text', required)
      .addColumn('ready', 'integer', required)
      .addColumn('display_name', bytes),
    table('portal')
      .addColumn('id', 'text', primary)
      .addColumn('account', 'text', ownedBy('account'))
      .addColumn('contact', 'text', (column) => column.notNull().references('contact.id'))
      .addColumn('room', 'text', (column) => column.unique())
      .addColumn('labelled', 'integer', required)
      .addUniqueConstraint('portal_of_chat', ['account', 'contact']),
    table('user_trust')
      .addColumn('user', 'text', primary)
      .addColumn('master_key', bytes, required)
      .addColumn('seen', bytes),

    table('signal_identity')
      .addColumn('account', 'text', (column) => ownedBy('account')(column).primaryKey())
      .addColumn('key_pair', bytes, required)
      .addColumn('registration_id', 'integer', required)
      .addColumn('next_pre_key_id', 'integer', required),
    table('signal_session')
      .addColumn('contact', 'text', ownedBy('contact'))
      .addColumn('account', 'text', ownedBy('account'))
      .addColumn('device', 'integer', required)
      .addColumn('record', bytes, required)
      .addPrimaryKeyConstraint('signal_session_key', ['contact', 'account', 'device']),
    table('signal_pre_key')
      .addColumn('account', 'text', ownedBy('account'))
      .addColumn('id', 'integer', required)
      .addColumn('record', bytes, required)
      .addPrimaryKeyConstraint('signal_pre_key_key', ['account', 'id']),
    table('signal_signed_pre_key')
      .addColumn('account', 'text', ownedBy('account'))
      .addColumn('id', 'integer', required)
      .addColumn('record', bytes, required)
      .addColumn('created_at', 'bigint', required)
      .addPrimaryKeyConstraint('signal_signed_pre_key_key', ['account', 'id']),
    table('peer_trust')
      .addColumn('contact', 'text', ownedBy('contact'))
      .addColumn('account', 'text', ownedBy('account'))
      .addColumn('device', 'integer', required)
      .addColumn('key', bytes, required)
      .addColumn('seen', bytes)
      .addPrimaryKeyConstraint('peer_trust_key', ['contact', 'account', 'device']),

    table('inbox')
      .addColumn('id', rowId.type, rowId.constraint)
      .addColumn('account', 'text', ownedBy('account'))
      .addColumn('portal', 'text', ownedBy('portal'))
      .addColumn('message_id', 'text', required)
      .addColumn('device', 'integer', required)
      .addColumn('timestamp', 'bigint', required)
      .addColumn('notice', 'integer', required)
      .addColumn('state', 'text', required)
      .addColumn('body', bytes)
      .addColumn('event', bytes)
      .addColumn('event_id', 'text')
      .addColumn('settled_at', 'bigint')
      .addUniqueConstraint('inbox_message', ['portal', 'message_id', 'device']),
    table('decrypt_failure')
      .addColumn('id', rowId.type, rowId.constraint)
      .addColumn('portal', 'text', ownedBy('portal'))
      .addColumn('message_id', 'text', required)
      .addColumn('device', 'integer', required)
      .addColumn('count', 'integer', required)
      .addColumn('settled_at', 'bigint')
      .addUniqueConstraint('decrypt_failure_message', ['portal', 'message_id', 'device']),
    table('outbox')
      .addColumn('id', rowId.type, rowId.constraint)
      .addColumn('account', 'text', ownedBy('account'))
      .addColumn('portal', 'text', ownedBy('portal'))
      .addColumn('event', 'text', unique)
      .addColumn('message_id', 'text', required)
      .addColumn('created_at', 'bigint', required)
      .addColumn('state', 'text', required)
      .addColumn('failure', 'text')
      .addColumn('payload', bytes)
      .addColumn('stanza', bytes)
      .addColumn('waiting_for', 'text', required)
      .addColumn('retries', 'integer', required)
      .addColumn('settled_at', 'bigint')
      .addUniqueConstraint('outbox_message', ['portal', 'message_id']),
    table('homeserver_transaction')
      .addColumn('id', rowId.type, rowId.constraint)
      .addColumn('transaction_id', 'text', unique)
      .addColumn('body', bytes)
      .addColumn('settled_at', 'bigint'),
    table('matrix_event')
      .addColumn('id', rowId.type, rowId.constraint)
      .addColumn('event_id', 'text', unique)
      .addColumn('room', 'text', required)
      .addColumn('event', bytes)
      .addColumn('settled_at', 'bigint'),
    table('bot_message')
      .addColumn('id', rowId.type, rowId.constraint)
      .addColumn('room', 'text', required)
      .addColumn('key', 'text', required)
      .addColumn('released', 'integer', required)
      .addColumn('text', bytes)
      .addColumn('event', bytes)
      .addColumn('settled_at', 'bigint'),
    table('signing_key')
      .addColumn('kid', 'text', primary)
      .addColumn('key', bytes, required)
      .addColumn('created_at', 'bigint', required),
  ];
  for (const each of tables) await each.execute();

  // Partial indexes hold only what is still to be done, so they stay small beside the remembered rows.
  const index = (name: string, on: string, columns: string[]) => db.schema.createIndex(name).on(on).columns(columns);
  const open = {
    inbox: sql<boolean>`state in ('received', 'encrypted')`,
    outbox: sql<boolean>`state in ('ready', 'encrypted')`,
  };
  const indexes = [
    index('departure_of_user', 'departure', ['user', 'network']),
    index('address_of_contact', 'contact_address', ['contact']),
    index('ghost_ready', 'ghost', ['contact']).where(sql<boolean>`ready = 1`),
    index('portal_of_contact', 'portal', ['contact']),
    index('session_of_account', 'signal_session', ['account']),
    index('trust_of_account', 'peer_trust', ['account']),
    index('inbox_of_account', 'inbox', ['account']),
    index('inbox_open', 'inbox', ['portal', 'id']).where(open.inbox),
    index('inbox_receipt', 'inbox', ['account', 'id']).where(sql<boolean>`state = 'accepted' and notice = 0`),
    index('inbox_notice', 'inbox', ['portal', 'event_id']).where(sql<boolean>`notice = 1`),
    index('outbox_of_account', 'outbox', ['account']),
    index('outbox_open', 'outbox', ['portal', 'id']).where(open.outbox),
    index('outbox_kept', 'outbox', ['created_at']).where(sql<boolean>`state = 'acknowledged' and payload is not null`),
    index('transaction_open', 'homeserver_transaction', ['id']).where(sql<boolean>`body is not null`),
    index('event_open', 'matrix_event', ['room', 'id']).where(sql<boolean>`event is not null`),
    index('bot_message_key', 'bot_message', ['key']).unique().where(sql<boolean>`released = 0`),
    index('bot_message_open', 'bot_message', ['room', 'id']).where(sql<boolean>`text is not null`),
    ...['inbox', 'decrypt_failure', 'outbox', 'homeserver_transaction', 'matrix_event', 'bot_message'].map((journal) =>
      index(`${journal}_settled`, journal, ['settled_at']).where(sql<boolean>`settled_at is not null`),
    ),
  ];
  for (const each of indexes) await each.execute();
}
