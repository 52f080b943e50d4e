// What cannot be opened any more: named when it is read, and set aside.
import { type DamagedPlace, DamagedRow } from '../model/damaged-row.ts';
import { BridgeError } from '../model/errors.ts';
import { mustChange, type Steps } from './steps.ts';
import type { Unit } from './unit.ts';

const isDamage = (error: unknown): boolean => error instanceof BridgeError && error.code === 'store.sealed';

/** Opens a row that is next in its journal. Throws DamagedRow. */
export function openedRow<Row>(place: () => DamagedPlace, open: () => Row): Row {
  try {
    return open();
  } catch (error) {
    throw isDamage(error) ? new DamagedRow(place(), error) : error;
  }
}

/** For what can be had anew: damaged is as good as missing. */
export async function unlessDamaged<Value>(value: Promise<Value>): Promise<Value | undefined> {
  try {
    return await value;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** The chat goes on without this row. What is left of it stays, for whoever wants to look into it; the retention time removes it. */
export function* setDamagedAside({ db, now }: Unit, place: DamagedPlace): Steps {
  switch (place.journal) {
    case 'inbox':
    case 'outbox': {
      const columns = { state: 'parked', failure: 'damaged', settled_at: now } as const;
      return yield* mustChange(db.updateTable(place.journal).set(columns).where('id', '=', place.id), 'the row');
    }
    case 'event':
      return yield* mustChange(
        db.updateTable('matrix_event').set({ event: null, settled_at: now }).where('id', '=', place.id),
        'the event',
      );
    case 'transaction':
      return yield* mustChange(
        db.updateTable('homeserver_transaction').set({ body: null, settled_at: now }).where('id', '=', place.id),
        'the transaction',
      );
    case 'bot-message':
      return yield* mustChange(
        db.updateTable('bot_message').set({ text: null, event: null, settled_at: now }).where('id', '=', place.id),
        'the message',
      );
    case 'report':
      return yield* mustChange(
        db.updateTable('report').set({ chosen: null, sending: null, settled_at: now }).where('id', '=', place.id),
        'the report',
      );
  }
}
