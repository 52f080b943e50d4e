// Media re-requests: what a contact's device is asked for when the network has dropped a file, and what it answers.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { MessageId } from '../../model/ids.ts';
import type { MediaRetryAnswer, MediaRetryOutcome, SealedForRetry } from '../../model/media.ts';
import { decodeProto } from '../../proto/decode.ts';
import { encodeProto } from '../../proto/encode.ts';
import {
  type MediaRetryNotification,
  MediaRetryNotificationSchema,
  MediaRetryNotification_ResultType as Result,
  ServerErrorReceiptSchema,
} from '../../proto/message_pb.ts';
import { retryKey } from './keys.ts';

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** The error that stands in plain text where a device does not have the file any more. */
const NOT_ON_DEVICE = 2;

/** Encrypted under a key derived from the file's and bound to the message, so that only who knows the file can ask for it. */
export function sealMediaRetry(mediaKey: Uint8Array, id: MessageId): SealedForRetry {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, retryKey(mediaKey), iv).setAAD(Buffer.from(id));
  const request = encodeProto(ServerErrorReceiptSchema, { stanzaId: id });
  const ciphertext = Buffer.concat([cipher.update(request), cipher.final(), cipher.getAuthTag()]);
  return { iv, ciphertext };
}

/** See NetworkMedia.readMediaRetry. */
export function readMediaRetry(mediaKey: Uint8Array, id: MessageId, answer: MediaRetryAnswer): MediaRetryOutcome {
  if (answer.kind === 'error') return { outcome: answer.code === NOT_ON_DEVICE ? 'gone' : 'unreadable' };
  const notification = open(mediaKey, id, answer);
  if (notification?.result === Result.NOT_FOUND) return { outcome: 'gone' };
  if (notification?.result !== Result.SUCCESS || !notification.directPath) return { outcome: 'unreadable' };
  return { outcome: 'found', directPath: notification.directPath };
}

function open(
  mediaKey: Uint8Array,
  id: MessageId,
  { iv, ciphertext }: SealedForRetry,
): MediaRetryNotification | undefined {
  if (iv.length !== IV_BYTES || ciphertext.length < TAG_BYTES) return undefined;
  const end = ciphertext.length - TAG_BYTES;
  try {
    const decipher = createDecipheriv(CIPHER, retryKey(mediaKey), iv, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(id))
      .setAuthTag(ciphertext.subarray(end));
    const plaintext = Buffer.concat([decipher.update(ciphertext.subarray(0, end)), decipher.final()]);
    return decodeProto(MediaRetryNotificationSchema, plaintext);
  } catch {
    // Whatever is wrong with it, it came from outside and cannot be used.
    return undefined;
  }
}
