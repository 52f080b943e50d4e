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
const ids = (...numbers: number[]) => new Set(numbers.map((number) => `$${number}` as EventId));
const latestFirst = events(5, 4, 3, 2, 1);

test.each<[string, { known?: number[]; pushed?: number[]; since?: number }, number[]]>([
  ['all after the last that is known, in their order', { known: [3, 2, 1] }, [4, 5]],
  ['of those, what comes before what is pushed now', { known: [2, 1], pushed: [4] }, [3]],
  ['nothing where the next one is pushed', { known: [4], pushed: [5] }, []],
  ['all after what is pushed a second time', { known: [2], pushed: [2] }, [3, 4, 5]],
  ['nothing that may have been forgotten here', { since: 4 }, [4, 5]],
  ['nothing before something that is known', { known: [4, 1] }, [5]],
  ['all of a room in which nothing was known', {}, [1, 2, 3, 4, 5]],
])('%s', (_, { known = [], pushed = [], since = 0 }, expected) => {
  const seen = { known: ids(...known), pushed: ids(...pushed), since };
  expect(missing(latestFirst, seen)).toEqual(events(...expected));
});
