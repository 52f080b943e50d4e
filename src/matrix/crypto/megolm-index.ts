// Which message of its room key an encrypted event is. The library decrypts the same message as often as it is asked, under whatever event id.
import { z } from 'zod';
import type { JsonObject } from '../../model/journal.ts';
import type { RoomKeyUse } from '../../model/matrix.ts';

const megolmEvent = z.object({ session_id: z.string().min(1).max(255), ciphertext: z.string() });

/** Megolm specification, "Message format": version 3, then the index under the tag 0x08, which comes first in all implementations. */
const version = 3;
const indexTag = 8;
const longestIndex = 5;

/** Of content that was decrypted: then its ciphertext is signed by the sender's device, and the index with it. Undefined for another form. */
export function roomKeyUse(content: JsonObject): RoomKeyUse | undefined {
  const parsed = megolmEvent.safeParse(content);
  if (!parsed.success) return undefined;
  const bytes = Buffer.from(parsed.data.ciphertext.slice(0, 12), 'base64');
  if (bytes[0] !== version || bytes[1] !== indexTag) return undefined;
  let index = 0;
  for (const [place, byte] of bytes.subarray(2, 2 + longestIndex).entries()) {
    index += (byte & 0x7f) * 2 ** (7 * place);
    if (byte < 0x80) return index < 2 ** 32 ? { session: parsed.data.session_id, index } : undefined;
  }
  return undefined;
}
