// What libsignal 0.23.1 keeps but does not tell: the identity key of the other side, in a serialised session and in a pre-key message.
// PreKeySignalMessage{ identityKey = 3 } after one byte of version;
// RecordStructure{ currentSession = 1 }, SessionStructure{ remoteIdentityPublic = 3 }.
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { SessionRecord } from '@signalapp/libsignal-client';

const CURRENT_SESSION = 1;
const REMOTE_IDENTITY = 3;
const IDENTITY_IN_MESSAGE = 3;

/** Returns the 33-byte identity key that the current session was made with; undefined where there is no current session. */
export function remoteIdentityOf(record: Uint8Array): Uint8Array | undefined {
  if (!SessionRecord.deserialize(Buffer.from(record)).hasCurrentState()) return undefined;
  const current = bytesField(record, CURRENT_SESSION);
  return current && bytesField(current, REMOTE_IDENTITY);
}

/** Returns the 33-byte identity key that a serialised PreKeySignalMessage names. The message must be one that libsignal could read. */
export function identityInMessage(message: Uint8Array): Uint8Array | undefined {
  return bytesField(message.subarray(1), IDENTITY_IN_MESSAGE);
}

function bytesField(message: Uint8Array, wanted: number): Uint8Array | undefined {
  const reader = new BinaryReader(message);
  let found: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    // The last one counts, as it does for libsignal.
    if (field === wanted && type === WireType.LengthDelimited) found = reader.bytes().slice();
    else reader.skip(type, field);
  }
  return found;
}
