// What libsignal 0.23.1 keeps in a serialised session but does not tell: the identity key of the other side.
// RecordStructure{ currentSession = 1 }, SessionStructure{ remoteIdentityPublic = 3 }.
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { SessionRecord } from '@signalapp/libsignal-client';

const CURRENT_SESSION = 1;
const REMOTE_IDENTITY = 3;

/** Returns the 33-byte identity key that the current session was made with; undefined where there is no current session. */
export function remoteIdentityOf(record: Uint8Array): Uint8Array | undefined {
  if (!SessionRecord.deserialize(Buffer.from(record)).hasCurrentState()) return undefined;
  const current = bytesField(record, CURRENT_SESSION);
  return current && bytesField(current, REMOTE_IDENTITY);
}

function bytesField(message: Uint8Array, wanted: number): Uint8Array | undefined {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.LengthDelimited) return reader.bytes().slice();
    reader.skip(type, field);
  }
  return undefined;
}
