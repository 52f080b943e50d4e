// Calls: only that somebody calls is read; nothing is answered.
import type { IncomingCall } from '../model/interop.ts';
import { isUserJid, type UserJid, withoutDevice } from '../model/jid.ts';
import {
  attribute,
  child,
  integerAttribute,
  jidAttribute,
  requireAttribute,
  type Stanza,
  StanzaError,
} from './binary/index.ts';

/** Open clients make ids of 32 characters. */
const callId = /^[\w.-]{1,128}$/;

/** Undefined for all that is not the beginning of a call between two people. `now` stands in for a missing time, in milliseconds. Throws StanzaError. */
export function readCall(call: Stanza, from: UserJid, now: number): IncomingCall | undefined {
  const offer = child(call, 'offer') ?? child(call, 'offer_notice');
  if (offer === undefined) return undefined;
  if (attribute(offer, 'type') === 'group' || offer.attrs.has('group-jid')) return undefined;
  const id = requireAttribute(offer, 'call-id');
  if (!callId.test(id)) throw new StanzaError('wrong-attribute', 'call-id');
  const number = jidAttribute(offer, 'caller_pn');
  const seconds = integerAttribute(call, 't');
  return {
    id,
    from: withoutDevice(from),
    alternative: number && isUserJid(number) ? withoutDevice(number) : undefined,
    video: child(offer, 'video') !== undefined || attribute(offer, 'media') === 'video',
    timestamp: seconds === undefined ? now : seconds * 1000,
  };
}
