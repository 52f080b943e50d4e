// Whose devices an actor follows is the one list of its store that names people in plain.
import type { JournalOperation, JournalSnapshot } from '../../model/crypto-journal.ts';
import type { UserId } from '../../model/ids.ts';
import { mainDatabase } from './databases.ts';
import { decodeKey } from './indexeddb-codec.ts';

/** Object store of matrix-sdk-indexeddb 0.19, under the Matrix ID itself. Devices and identities stand under hashes, sealed. */
const followedUsers = 'tracked_users';

/** Returns the operations that take this user out of the list, to be appended while the machine is closed. */
export function followedUserRemoval(snapshot: JournalSnapshot, user: UserId): JournalOperation[] {
  return snapshot.rows
    .filter(({ database, store, key }) => {
      return database === mainDatabase && store === followedUsers && String(decodeKey(key)) === user;
    })
    .map(({ database, store, key }) => ({ op: 'delete', database, store, key }));
}
