// Who is present and who types: stanzas that nobody acknowledges or keeps.
import type { IncomingTyping } from '../model/interop.ts';
import { isUserJid, type UserJid, withoutDevice } from '../model/jid.ts';
import { attribute, child, requireJid, type Stanza, stanza } from './binary/index.ts';

export function typing(to: UserJid, state: 'composing' | 'paused'): Stanza {
  return stanza('chatstate', { to: withoutDevice(to) }, [stanza(state)]);
}

export function presence(state: 'available' | 'unavailable'): Stanza {
  return stanza('presence', { type: state });
}

/** Undefined for groups, and for what says nothing about typing. Throws StanzaError. */
export function readTyping(chatstate: Stanza): IncomingTyping | undefined {
  const from = requireJid(chatstate, 'from');
  if (!isUserJid(from)) return undefined;
  const composing = child(chatstate, 'composing');
  if (composing === undefined && child(chatstate, 'paused') === undefined) return undefined;
  const voice = composing !== undefined && attribute(composing, 'media') === 'audio';
  const state = composing === undefined ? 'paused' : voice ? 'recording' : 'composing';
  return { from: withoutDevice(from), state };
}
