// Message stanzas: ours as they are stored and sent, theirs as the domain sees them.
import { BridgeError } from '../model/errors.ts';
import type { MessageId } from '../model/ids.ts';
import type { IncomingMessage, MessageStanza, StanzaKind } from '../model/interop.ts';
import { isUserJid, type UserJid, withDevice, withoutDevice } from '../model/jid.ts';
import type { SignalCiphertext } from '../model/signal.ts';
import {
  attribute,
  children,
  requireAttribute,
  requireBytes,
  requireInteger,
  type Stanza,
  StanzaError,
  stanza,
} from './binary/index.ts';
import { encodeOutgoing } from './outgoing.ts';
import { readDeviceIdentity } from './stanzas-keys.ts';

/** Version of the encryption that pairwise Signal messages carry. */
const ENC_VERSION = '2';

const plain: StanzaKind = { type: 'text', hidden: false };

/**
 * The encoded stanza; the same input gives the same bytes. One ciphertext for each device of the contact stands under `participants`;
 * the answer to a retry receipt goes to one device, with the retry's count. Throws BridgeError `interop.no-recipient`.
 */
export function encodeMessage({ id, to, recipients, kind = plain, retryCount }: MessageStanza): Uint8Array {
  const { type, edit } = kind;
  const [first] = recipients;
  if (first === undefined || (retryCount !== undefined && recipients.length !== 1)) {
    throw new BridgeError('interop.no-recipient', 'a message needs a device, the answer to a retry exactly one');
  }
  if (retryCount !== undefined) {
    const attrs = { id, to: withDevice(to, first.device), type, edit, device_fanout: false };
    return encodeOutgoing(stanza('message', attrs, [encNode(first.ciphertext, kind, retryCount)]));
  }
  const participants = recipients.map(({ device, ciphertext }) =>
    stanza('to', { jid: withDevice(to, device) }, [encNode(ciphertext, kind)]),
  );
  const attrs = { id, to: withoutDevice(to), type, edit };
  return encodeOutgoing(stanza('message', attrs, [stanza('participants', {}, participants)]));
}

function encNode({ type, bytes }: SignalCiphertext, { hidden, mediaType }: StanzaKind, count?: number): Stanza {
  const attrs = { v: ENC_VERSION, type, mediatype: mediaType, 'decrypt-fail': hidden ? 'hide' : undefined, count };
  return stanza('enc', attrs, bytes);
}

/** Undefined where the stanza holds nothing for us to decrypt: another kind of encryption, or a placeholder. Throws StanzaError. */
export function readMessage(message: Stanza, from: UserJid): IncomingMessage | undefined {
  const ciphertexts = children(message, 'enc').flatMap((enc): readonly SignalCiphertext[] => {
    const type = attribute(enc, 'type');
    if ((type !== 'pkmsg' && type !== 'msg') || attribute(enc, 'v') !== ENC_VERSION) return [];
    return [{ type, bytes: requireBytes(enc) }];
  });
  if (ciphertexts.length === 0) return undefined;
  return {
    id: requireMessageId(message),
    from: withoutDevice(from),
    device: from.device,
    alternative: otherAddress(message),
    timestamp: requireInteger(message, 't') * 1000,
    pushName: attribute(message, 'notify'),
    ciphertexts,
    deviceIdentity: readDeviceIdentity(message),
    offline: message.attrs.has('offline'),
  };
}

/** Ids are opaque, but not any text: an id of ours (`notice:...`) must never come from outside. Throws StanzaError. */
export function requireMessageId(message: Stanza): MessageId {
  const id = requireAttribute(message, 'id');
  if (!/^[\w.-]{1,128}$/.test(id)) throw new StanzaError('wrong-attribute', 'message.id');
  return id as MessageId;
}

/** A stanza names the sender's other address too: by phone number if it came by hidden id, and the other way round. */
function otherAddress({ attrs }: Stanza): UserJid | undefined {
  const jid = attrs.get('sender_lid') ?? attrs.get('sender_pn');
  return jid !== undefined && typeof jid !== 'string' && isUserJid(jid) ? withoutDevice(jid) : undefined;
}
