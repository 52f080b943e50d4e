// Who may administrate: whoever can read the master key. The token follows from it, so there is nothing more to configure or to lose.
import { createHash, hkdfSync, timingSafeEqual } from 'node:crypto';

export function adminToken(masterKey: Uint8Array): string {
  const label = 'matrix-appservice-whatsapp admin';
  return Buffer.from(hkdfSync('sha256', masterKey, new Uint8Array(), label, 32)).toString('base64url');
}

/** In the same time, whatever was given. */
export function isToken(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
