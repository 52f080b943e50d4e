// Media retry: somebody cannot get a file any more and asks for it; who has it uploads it again and tells where.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Jid } from '../model/jid.ts';
import {
  MediaRetryNotificationSchema,
  MediaRetryNotification_ResultType as Result,
  ServerErrorReceiptSchema,
} from '../proto/message_pb.ts';
import { attribute, child, requireBytes, requireChild, type Stanza, stanza } from '../whatsapp/binary/index.ts';
import { derived } from './media-cipher.ts';

const IV_BYTES = 12;
const TAG_BYTES = 16;
/** The error in plain text where the message is not known, so that there is no key. */
const NOT_ON_DEVICE = 2;

/** The message that is asked for, from the asking side: in which chat, and whether the asking side wrote it. */
export function askedFor(receipt: Stanza): { readonly chat: Jid | undefined; readonly fromMe: boolean } {
  const rmr = child(receipt, 'rmr');
  const chat = rmr?.attrs.get('jid');
  return { chat: typeof chat === 'string' ? undefined : chat, fromMe: attribute(rmr ?? receipt, 'from_me') === 'true' };
}

/** False where the encrypted part was made with another key or for another message. It may be missing: clients do not need it. */
export function isGenuine(receipt: Stanza, id: string, mediaKey: Uint8Array): boolean {
  const sealed = child(receipt, 'encrypt');
  if (!sealed) return true;
  const bytes = requireBytes(requireChild(sealed, 'enc_p'));
  const iv = requireBytes(requireChild(sealed, 'enc_iv'));
  try {
    const end = bytes.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', keyOf(mediaKey), iv).setAAD(Buffer.from(id));
    decipher.setAuthTag(bytes.subarray(end));
    const plaintext = Buffer.concat([decipher.update(bytes.subarray(0, end)), decipher.final()]);
    return fromBinary(ServerErrorReceiptSchema, plaintext).stanzaId === id;
  } catch {
    return false;
  }
}

/** What became of the request; `directPath` where the file is now. */
export type RetryResult =
  | { readonly result: 'found'; readonly directPath: string }
  | { readonly result: 'not-found' | 'not-genuine' };

const results = {
  found: Result.SUCCESS,
  'not-found': Result.NOT_FOUND,
  'not-genuine': Result.DECRYPTION_ERROR,
} as const;

/** `mediaKey` undefined: the message is not known. */
export function retryAnswer(
  receipt: Stanza,
  id: string,
  mediaKey: Uint8Array | undefined,
  outcome: RetryResult,
): Stanza {
  const rmr = child(receipt, 'rmr');
  const content = mediaKey ? sealed(mediaKey, id, outcome) : stanza('error', { code: NOT_ON_DEVICE });
  const attrs = { to: receipt.attrs.get('from'), id, type: 'mediaretry' };
  return stanza('notification', attrs, [...(rmr ? [rmr] : []), content]);
}

function sealed(mediaKey: Uint8Array, id: string, outcome: RetryResult): Stanza {
  const directPath = outcome.result === 'found' ? outcome.directPath : undefined;
  const notification = create(MediaRetryNotificationSchema, {
    stanzaId: id,
    result: results[outcome.result],
    ...(directPath === undefined ? {} : { directPath }),
  });
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(mediaKey), iv).setAAD(Buffer.from(id));
  const plaintext = toBinary(MediaRetryNotificationSchema, notification);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return stanza('encrypt', {}, [stanza('enc_p', {}, ciphertext), stanza('enc_iv', {}, iv)]);
}

const keyOf = (mediaKey: Uint8Array): Buffer => derived(mediaKey, 'WhatsApp Media Retry Notification', 32);
