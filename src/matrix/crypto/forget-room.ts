// Destroying the keys of one room in a store that has no word for it: its rows are found by what a new key of that room adds.
import { EncryptionSettings } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { CryptoJournal, JournalOperation, JournalSnapshot } from '../../model/crypto-journal.ts';
import { BridgeError } from '../../model/errors.ts';
import type { ActorId, RoomId } from '../../model/ids.ts';
import { mainDatabase } from './databases.ts';
import { decodeKey } from './indexeddb-codec.ts';
import { type Machine, roomId } from './machine.ts';

/** Object stores of matrix-sdk-indexeddb 0.19: received keys under hash(room), separator, hash(session); own ones under hash(room). */
const receivedKeys = 'inbound_group_sessions3';
const ownKeys = 'outbound_group_sessions';
const separator = '\u001d';

type Row = JournalSnapshot['rows'][number];
type StringKeyed = { readonly text: string; readonly row: Row };

function rowsOf(snapshot: JournalSnapshot, store: string): StringKeyed[] {
  return snapshot.rows
    .filter((row) => row.database === mainDatabase && row.store === store)
    .map((row) => ({ text: String(decodeKey(row.key)), row }));
}

/** Rows that `after` has and `before` had not, or not with this value. */
function changed(before: readonly StringKeyed[], after: readonly StringKeyed[]): StringKeyed[] {
  const old = new Map(before.map(({ text, row }) => [text, row.value]));
  return after.filter(({ text, row }) => Buffer.compare(old.get(text) ?? Buffer.alloc(0), row.value) !== 0);
}

/**
 * Returns the operations that remove every key of `room` from the actor's journal, to be appended once the machine is closed. The row
 * keys are hashes that only the machine can make: so it is made to add a key to the room, shared with nobody.
 */
export async function roomKeyRemoval(
  machine: Machine,
  journal: CryptoJournal,
  actor: ActorId,
  room: RoomId,
): Promise<JournalOperation[]> {
  const before = await journal.load(actor);
  await machine.call((olm) => olm.invalidateGroupSession(roomId(room)));
  const requests = await machine.call((olm) => olm.shareRoomKey(roomId(room), [], new EncryptionSettings()));
  const after = await journal.load(actor);

  const [probe, ...others] = changed(rowsOf(before, receivedKeys), rowsOf(after, receivedKeys));
  const prefix = probe?.text.split(separator)[0];
  if (prefix === undefined || others.length > 0 || requests.length > 0 || !probe?.text.includes(separator)) {
    throw new BridgeError('crypto.forget-failed', 'the layout of the crypto store is not the expected one');
  }
  const received = rowsOf(after, receivedKeys).filter(({ text }) => text.startsWith(prefix + separator));
  const own = changed(rowsOf(before, ownKeys), rowsOf(after, ownKeys));
  return [...received, ...own].map(({ row: { database, store, key } }) => ({ op: 'delete', database, store, key }));
}
