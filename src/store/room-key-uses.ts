// Which messages under each room key of a portal, or of a room with the bot, have been handled, as ranges of their indexes: mostly one for each key, so they need no pruning.
import type { Insertable, Selectable } from 'kysely';
import { z } from 'zod';
import type { PortalId, RoomId } from '../model/ids.ts';
import type { RoomKeyUse } from '../model/matrix.ts';
import type { Store } from '../model/store.ts';
import { built } from './built.ts';
import { first, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

type RowOfPortal = Selectable<Tables['room_key_use']>;

const ofKey = built((db, { portal, session }: Pick<RowOfPortal, 'portal' | 'session'>) =>
  db.selectFrom('room_key_use').select('used').where('portal', '=', portal).where('session', '=', session),
);
const put = built((db, { used, ...key }: Insertable<Tables['room_key_use']>) =>
  db
    .insertInto('room_key_use')
    .values({ ...key, used })
    .onConflict((at) => at.columns(['portal', 'session']).doUpdateSet({ used })),
);

type Range = readonly [from: number, to: number];

const ranges = z.array(z.tuple([z.number(), z.number()]));
const read = (used: string): readonly Range[] => ranges.parse(JSON.parse(used));

const has = (used: readonly Range[], index: number): boolean => used.some(([from, to]) => from <= index && index <= to);

function withIndex(used: readonly Range[], index: number): readonly Range[] {
  if (has(used, index)) return used;
  const merged: [from: number, to: number][] = [];
  for (const [from, to] of [...used, [index, index] as const].sort(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last?.[1] === from - 1) last[1] = to;
    else merged.push([from, to]);
  }
  return merged;
}

/** Of one key; undefined before it was used. */
type Row = { readonly used: string } | undefined;

const isUsed = (row: Row, index: number): boolean => row !== undefined && has(read(row.used), index);
const withUse = (row: Row, index: number): string => JSON.stringify(withIndex(row ? read(row.used) : [], index));

export function* noteRoomKeyUse({ db }: Unit, portal: PortalId, { session, index }: RoomKeyUse): Steps {
  const used = withUse(yield* first(ofKey(db, { portal, session })), index);
  yield* run(put(db, { portal, session, used }));
}

export function* noteCommandKeyUse({ db, now }: Unit, room: RoomId, { session, index }: RoomKeyUse): Steps {
  const earlier = db.selectFrom('command_key_use').select('used').where('room', '=', room);
  const used = withUse(yield* first(earlier.where('session', '=', session)), index);
  yield* run(
    db
      .insertInto('command_key_use')
      .values({ room, session, used, used_at: now })
      .onConflict((at) => at.columns(['room', 'session']).doUpdateSet({ used, used_at: now })),
  );
}

export function roomKeyUseReads({ db }: Reader): Store['roomKeyUses'] {
  return {
    has: async (portal, { session, index }) => {
      return isUsed((await db.executeQuery(ofKey(db, { portal, session }))).rows[0], index);
    },
    of: async (portal) => {
      const rows = await db.selectFrom('room_key_use').selectAll().where('portal', '=', portal).execute();
      return rows.map(({ session, used }) => ({ session, used: read(used) }));
    },
    hasCommand: async (room, { session, index }) => {
      const select = db.selectFrom('command_key_use').select('used').where('room', '=', room);
      return isUsed(await select.where('session', '=', session).executeTakeFirst(), index);
    },
  };
}
