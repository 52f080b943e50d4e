// Whether an encrypted event counts as said by the user, and what is to be done where it does not. Pure.
import type { MatrixDecryption } from '../model/matrix.ts';
import type { DevicePolicy } from '../model/trust.ts';

export type Decrypted = MatrixDecryption & { readonly outcome: 'decrypted' };
export type DecryptionOrWait = MatrixDecryption | { readonly outcome: 'wait'; readonly waitMs: number };

export interface Evidence {
  readonly decryption: DecryptionOrWait;
  /** The user's pinned master key; undefined: none is pinned yet. */
  readonly pinned: string | undefined;
  readonly devicePolicy: DevicePolicy;
  /** Whether this message under its room key has been handled before, under whatever event. */
  readonly replayed: boolean;
  /** How long the event has stood aside for want of its key, in milliseconds; undefined: it does not. */
  readonly asideMs: number | undefined;
  /** How long it may. */
  readonly asideAtMostMs: number;
}

export type Verdict =
  | { readonly kind: 'counts'; readonly decrypted: Decrypted }
  /** Its key may still come: it holds its room for so long. */
  | { readonly kind: 'wait'; readonly waitMs: number }
  /** The room goes on without it. */
  | { readonly kind: 'aside' }
  /** It stands aside as before. */
  | { readonly kind: 'held' }
  | { readonly kind: 'identity-changed'; readonly seen: string }
  /** `text` is told under it. */
  | { readonly kind: 'refused'; readonly code: string; readonly text: string };

const refused = (code: string, text: string): Verdict => ({
  kind: 'refused',
  code,
  text: `This was not sent: ${text}`,
});

export function verdictOn({ decryption, pinned, devicePolicy, replayed, asideMs, asideAtMostMs }: Evidence): Verdict {
  switch (decryption.outcome) {
    case 'wait':
      return { kind: 'wait', waitMs: decryption.waitMs };
    case 'missing-key':
      if (asideMs === undefined) return { kind: 'aside' };
      if (asideMs < asideAtMostMs) return { kind: 'held' };
      return refused('no-room-key', 'the key to it has not reached the bridge. Send it again.');
    case 'failed':
      return refused('undecryptable', 'the bridge could not decrypt it. Send it again.');
    case 'decrypted':
      break;
  }
  const { masterKey: seen, crossSigned } = decryption;
  if (seen !== undefined && pinned !== undefined && seen !== pinned) return { kind: 'identity-changed', seen };
  if (devicePolicy === 'cross-signed' && !crossSigned) {
    return refused(
      'unverified-device',
      'it comes from a session that you have not verified, so the bridge cannot tell that it is yours. Verify the session, then send it again.',
    );
  }
  if (replayed) {
    return refused(
      'replayed',
      'it is an earlier message once more, under another name. If you have not sent anything just now, the server has repeated it.',
    );
  }
  return { kind: 'counts', decrypted: decryption };
}
