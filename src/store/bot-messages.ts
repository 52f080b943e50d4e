// What the bot has to say in management rooms: each key once, the text until it is sent.
import { sql } from 'kysely';
import type { Change } from '../model/change.ts';
import type { BotMessageSeq, RoomId } from '../model/ids.ts';
import type { SealedEvent } from '../model/journal.ts';
import type { Store } from '../model/store.ts';
import { openedRow } from './damaged.ts';
import { gone } from './errors.ts';
import { type Place, seal, sealJson, unsealJson, unsealText } from './sealing.ts';
import { first, mustChange, run, type Steps } from './steps.ts';
import type { Reader, Unit } from './unit.ts';

const hasText = sql<boolean>`text is not null`;

type NewBotMessage = Change & { readonly change: 'bot-message.add' };

const place = (column: 'text' | 'event', row: { readonly room: RoomId; readonly key: string }): Place => [
  'bot_message',
  column,
  row.room,
  row.key,
];

export function* addBotMessage({ db, bridge }: Unit, added: NewBotMessage): Steps {
  const { room, key, text, confidential } = added;
  const row = {
    room,
    key,
    released: 0 as const,
    confidential: confidential ? (1 as const) : (0 as const),
    text: seal(bridge, place('text', { room, key }), text),
  };
  yield* run(
    db
      .insertInto('bot_message')
      .values(row)
      .onConflict((at) => at.doNothing()),
  );
}

export function* encryptBotMessage({ db, bridge }: Unit, seq: BotMessageSeq, event: SealedEvent): Steps {
  const row = yield* first(db.selectFrom('bot_message').select(['room', 'key']).where('id', '=', seq));
  if (!row) throw gone('the bot message');
  const encrypted = { event: sealJson(bridge, place('event', row), event) };
  yield* mustChange(db.updateTable('bot_message').set(encrypted).where('id', '=', seq), 'the bot message');
}

export function* finishBotMessage({ db, now }: Unit, seq: BotMessageSeq): Steps {
  const done = { text: null, event: null, settled_at: now };
  yield* mustChange(db.updateTable('bot_message').set(done).where('id', '=', seq), 'the bot message');
}

/** A message that is still on its way stays on its way. */
export function* releaseBotMessage({ db }: Unit, key: string): Steps {
  yield* run(
    db.updateTable('bot_message').set({ released: 1 }).where('key', '=', key).where(sql<boolean>`released = 0`),
  );
}

export function botMessageReads({ db, bridge }: Reader): Store['botMessages'] {
  const waiting = db.selectFrom('bot_message').where(hasText);
  return {
    next: async (room) => {
      const row = await waiting.selectAll().where('room', '=', room).orderBy('id').limit(1).executeTakeFirst();
      if (!row?.text) return undefined;
      const { id, key, text, event } = row;
      return openedRow(
        () => ({ journal: 'bot-message', id }) as const,
        () => ({
          seq: id,
          room,
          key,
          confidential: row.confidential === 1,
          text: unsealText(bridge, place('text', row), text),
          event: event ? unsealJson<SealedEvent>(bridge, place('event', row), event) : undefined,
        }),
      );
    },
    roomsWithWork: async () => (await waiting.select('room').distinct().execute()).map(({ room }) => room),
  };
}
