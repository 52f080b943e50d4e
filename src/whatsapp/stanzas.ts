// What an incoming stanza means: one typed value for each kind of it, and the acknowledgement it gets.
import type { IncomingCall, IncomingMessage, IncomingReceipt, MediaRetry, RetryReceipt } from '../model/interop.ts';
import { formatJid, isUserJid, type UserJid, withoutDevice } from '../model/jid.ts';
import {
  attribute,
  child,
  jidAttribute,
  requireAttribute,
  requireInteger,
  requireJid,
  type Stanza,
  StanzaError,
  stanza,
} from './binary/index.ts';
import { readCall } from './stanzas-call.ts';
import { readMediaRetryNotification } from './stanzas-media-retry.ts';
import { readMessage } from './stanzas-message.ts';
import { readReceipt, readRetryReceipt } from './stanzas-receipt.ts';

/** Why we do not take a stanza, in the network's numbers. */
export const NACK = { malformed: 487, unknownStanza: 488, unhandled: 500 } as const;

/** `ignored` is acknowledged and dropped, `unhandled` is refused. */
export type Incoming =
  | { readonly kind: 'message'; readonly message: IncomingMessage }
  | { readonly kind: 'receipt'; readonly receipt: IncomingReceipt }
  | { readonly kind: 'retry'; readonly retry: RetryReceipt }
  | { readonly kind: 'media-retry'; readonly retry: MediaRetry }
  | { readonly kind: 'call'; readonly call: IncomingCall }
  | { readonly kind: 'identity-changed'; readonly from: UserJid }
  | { readonly kind: 'devices-changed'; readonly from: UserJid }
  | { readonly kind: 'picture-changed'; readonly from: UserJid }
  | { readonly kind: 'pre-keys-low'; readonly count: number }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'unhandled' };

const ACKNOWLEDGED = ['message', 'receipt', 'notification', 'call'];

/** Whether the network keeps this stanza until we acknowledge it. */
export function isAcknowledged({ tag }: Stanza): boolean {
  return ACKNOWLEDGED.includes(tag);
}

/** `now` in milliseconds. Throws StanzaError for anything malformed. */
export function readIncoming(received: Stanza, now: number): Incoming {
  const from = requireJid(received, 'from');
  requireAttribute(received, 'id');
  switch (received.tag) {
    case 'message': {
      const message = isUserJid(from) ? readMessage(received, from) : undefined;
      return message ? { kind: 'message', message } : { kind: 'unhandled' };
    }
    case 'receipt':
      if (!isUserJid(from)) return { kind: 'ignored' };
      return attribute(received, 'type') === 'retry'
        ? { kind: 'retry', retry: readRetryReceipt(received, from) }
        : { kind: 'receipt', receipt: readReceipt(received, from, now) };
    case 'notification':
      return readNotification(received);
    case 'call': {
      const call = isUserJid(from) ? readCall(received, from, now) : undefined;
      return call ? { kind: 'call', call } : { kind: 'ignored' };
    }
    default:
      return { kind: 'ignored' };
  }
}

function readNotification(notification: Stanza): Incoming {
  const type = attribute(notification, 'type');
  if (type === 'devices') return { kind: 'devices-changed', from: withoutDevice(requireUser(notification)) };
  if (type === 'picture') return readPictureNotification(notification);
  if (type === 'mediaretry') {
    return { kind: 'media-retry', retry: readMediaRetryNotification(notification, requireUser(notification)) };
  }
  if (type !== 'encrypt') return { kind: 'ignored' };
  const count = child(notification, 'count');
  if (count) return { kind: 'pre-keys-low', count: requireInteger(count, 'value') };
  if (!child(notification, 'identity')) return { kind: 'ignored' };
  return { kind: 'identity-changed', from: withoutDevice(requireUser(notification)) };
}

/** Groups have pictures, too. */
function readPictureNotification(notification: Stanza): Incoming {
  const from = requireJid(notification, 'from');
  return isUserJid(from) ? { kind: 'picture-changed', from: withoutDevice(from) } : { kind: 'ignored' };
}

function requireUser(notification: Stanza): UserJid {
  const from = requireJid(notification, 'from');
  if (!isUserJid(from)) throw new StanzaError('wrong-attribute', 'from');
  return from;
}

/** Stanzas of one person are handled one after another, whichever of their devices and addresses they come from. */
export function senderOf(received: Stanza): string {
  const from = received.attrs.get('sender_lid') ?? received.attrs.get('from');
  return from === undefined || typeof from === 'string' ? '' : formatJid(withoutDevice(from));
}

/** The plain acknowledgement, which only the network sees; with a code it is a refusal. Undefined where the stanza names no sender. */
export function acknowledgement(received: Stanza, error?: number): Stanza | undefined {
  const from = received.attrs.get('from');
  const id = attribute(received, 'id');
  if (from === undefined || typeof from === 'string' || id === undefined) return undefined;
  return stanza('ack', {
    class: received.tag,
    id,
    to: from,
    type: received.tag === 'message' ? undefined : attribute(received, 'type'),
    participant: addressOrNone(received, 'participant'),
    recipient: addressOrNone(received, 'recipient'),
    error,
  });
}

function addressOrNone(received: Stanza, name: string) {
  return typeof received.attrs.get(name) === 'string' ? undefined : jidAttribute(received, name);
}
