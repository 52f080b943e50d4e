// Which events of a room the homeserver has not pushed.
import { expect, test } from 'vitest';
import { missing } from '../../src/bridge/missed-events.ts';
import type { EventId, RoomId, UserId } from '../../src/model/ids.ts';
import type { MatrixEvent } from '../../src/model/journal.ts';

/** The times are the numbers. */
const events = (...numbers: number[]): MatrixEvent[] =>
  numbers.map((number) => ({
    event_id: `$${number}` as EventId,
    room_id: '!room' as RoomId,
    sender: '@user:example.org' as UserId,
    type: 'm.room.encrypted',
    content: {},
    origin_server_ts: number,
  }));
const latestFirst = events(5, 4, 3, 2, 1);

test.each<[string, { known?: number[]; since?: number }, number[], boolean]>([
  ['all after the last that is known, in their order', { known: [3, 2, 1] }, [4, 5], true],
  ['nothing before something that is known', { known: [4, 1] }, [5], true],
  ['nothing where the last one is known', { known: [5] }, [], true],
  ['nothing that may have been forgotten here', { since: 4 }, [4, 5], true],
  ['all where nothing is known', {}, [1, 2, 3, 4, 5], false],
])('%s', (_, { known = [], since = 0 }, expected, reached) => {
  const ids = new Set(known.map((number) => `$${number}` as EventId));
  expect(missing(latestFirst, ids, since)).toEqual({ events: events(...expected), reached });
});
