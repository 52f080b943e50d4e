// The stanzas that a phone writes.
import { randomBytes } from 'node:crypto';
import { type Jid, SERVER, type UserJid } from '../model/jid.ts';
import { attribute, type Stanza, stanza } from '../whatsapp/binary/index.ts';
import { integerBytes, keyStanza, keysContent, signedKeyStanza } from './key-stanzas.ts';
import type { Envelope } from './phone-envelope.ts';
import type { Ciphertext } from './phone-sessions.ts';
import type { Bundle, DeviceKeys, OneTimeKey } from './pre-keys.ts';

export interface Copy {
  readonly to: UserJid;
  readonly ciphertext: Ciphertext;
}

function question(type: 'get' | 'set', xmlns: string, ...content: Stanza[]): Stanza {
  const id = randomBytes(8).toString('hex').toUpperCase();
  return stanza('iq', { to: SERVER, type, xmlns, id }, content);
}

export const askDigest = (): Stanza => question('get', 'encrypt', stanza('digest'));
export const askCount = (): Stanza => question('get', 'encrypt', stanza('count'));
export const becomeActive = (): Stanza => question('set', 'passive', stanza('active'));

export function uploadKeys(keys: DeviceKeys, oneTimeKeys: readonly OneTimeKey[]): Stanza {
  return question(
    'set',
    'encrypt',
    stanza('registration', {}, integerBytes(keys.registrationId, 4)),
    stanza('type', {}, Uint8Array.of(5)),
    stanza('identity', {}, keys.identityKey),
    stanza(
      'list',
      {},
      oneTimeKeys.map((key) => keyStanza('key', key)),
    ),
    signedKeyStanza(keys.signedPreKey),
  );
}

export function askKeys(peers: readonly UserJid[]): Stanza {
  const users = peers.map((jid) => stanza('user', { jid }));
  return question('get', 'encrypt', stanza('key', {}, users));
}

export function askDevices(people: readonly UserJid[]): Stanza {
  const attrs = { sid: randomBytes(4).toString('hex'), mode: 'query', last: true, index: 0, context: 'message' };
  const query = stanza('query', {}, [stanza('devices', { version: 2 })]);
  const users = people.map((jid) => stanza('user', { jid }));
  const list = stanza('list', {}, users);
  return question('get', 'usync', stanza('usync', attrs, [query, list]));
}

const plain: Envelope = { type: 'text' };

function encStanza({ type, bytes }: Ciphertext, { mediatype, hidden }: Envelope, count?: number): Stanza {
  return stanza('enc', { v: 2, type, mediatype, 'decrypt-fail': hidden ? 'hide' : undefined, count }, bytes);
}

const meta = ({ polltype }: Envelope): Stanza[] => (polltype ? [stanza('meta', { polltype })] : []);

export function messageStanza(id: string, to: UserJid, copies: readonly Copy[], envelope = plain): Stanza {
  const participants = copies.map((copy) => stanza('to', { jid: copy.to }, [encStanza(copy.ciphertext, envelope)]));
  const { type, edit } = envelope;
  return stanza('message', { id, to, type, edit }, [stanza('participants', {}, participants), ...meta(envelope)]);
}

export interface RetriedMessage extends Copy {
  readonly id: string;
  readonly count: number;
  readonly envelope: Envelope;
  /** The chat, for one's own device. */
  readonly recipient: UserJid | undefined;
}

/** The answer to a retry receipt: the same message for one device. */
export function retriedMessage({ id, to, ciphertext, count, envelope, recipient }: RetriedMessage): Stanza {
  const { type, edit } = envelope;
  const attrs = { id, to, type, edit, device_fanout: false, recipient };
  return stanza('message', attrs, [encStanza(ciphertext, envelope, count), ...meta(envelope)]);
}

/** What the primary device tells one of its companions, and no chat shows. */
export function peerMessage(id: string, { to, ciphertext }: Copy): Stanza {
  return stanza('message', { id, to, type: 'text', category: 'peer' }, [encStanza(ciphertext, plain)]);
}

/** `recipient` names the chat where `to` is one's own device. */
export function receiptStanza(
  id: string,
  to: Jid,
  type?: 'read' | 'played' | 'sender' | 'peer_msg',
  recipient?: Jid,
): Stanza {
  return stanza('receipt', { id, to, type, recipient });
}

export function typingStanza(to: Jid, state: 'composing' | 'recording' | 'paused'): Stanza {
  const shown = state === 'recording' ? stanza('composing', { media: 'audio' }) : stanza(state);
  return stanza('chatstate', { to }, [shown]);
}

export interface RetryRequest {
  readonly id: string;
  readonly to: UserJid;
  /** The chat, where the message is a copy from one's own device. */
  readonly recipient: Jid | undefined;
  readonly count: number;
  /** `t` of the message that failed. */
  readonly time: string | undefined;
  readonly registrationId: number;
  readonly keys: Bundle | undefined;
}

export function retryReceipt({ id, to, recipient, count, time, registrationId, keys }: RetryRequest): Stanza {
  const content = [
    stanza('retry', { count, id, t: time, v: 1 }),
    stanza('registration', {}, integerBytes(registrationId, 4)),
    ...(keys ? [stanza('keys', {}, keysContent(keys))] : []),
  ];
  return stanza('receipt', { id, to, type: 'retry', recipient }, content);
}

export function ackStanza(received: Stanza): Stanza {
  const [id, type] = [attribute(received, 'id'), attribute(received, 'type')];
  return stanza('ack', { class: received.tag, id, to: received.attrs.get('from'), type });
}
