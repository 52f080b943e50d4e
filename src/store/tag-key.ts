// Tags over messages: HMAC-SHA-256 under a key of its own, which stays in here.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { TagKey } from '../model/report.ts';
import type { DataKey } from './sealing.ts';

/** Tells these MACs from any others, and this form of them from a later one. */
const domain = 'matrix-appservice-whatsapp proof 1';

export function tagKey(key: DataKey): TagKey {
  return {
    tag: (fields) => mac(key, fields),
    fits: (fields, tag) => {
      const [expected, given] = [Buffer.from(mac(key, fields)), Buffer.from(tag)];
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
}

/** Each field with its length before it, so that no two lists of fields are the same bytes. */
function mac(key: DataKey, fields: readonly string[]): string {
  const hmac = createHmac('sha256', key);
  for (const field of [domain, ...fields]) {
    const bytes = Buffer.from(field);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hmac.update(length).update(bytes);
  }
  return hmac.digest('base64');
}
