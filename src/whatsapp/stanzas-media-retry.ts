// The stanzas of media re-requests: a receipt that asks a contact's device to upload a file again, a notification that answers.
import type { InteropClient, MediaRetry } from '../model/interop.ts';
import { type UserJid, withoutDevice } from '../model/jid.ts';
import type { MediaRetryAnswer } from '../model/media.ts';
import { child, requireBytes, requireChild, requireInteger, type Stanza, stanza } from './binary/index.ts';
import { sealMediaRetry } from './media/retry.ts';
import { requireMessageId } from './stanzas-message.ts';

/** An ordinary client asks its own phone. A third-party user has none, so the chat's contact is asked (assumed, docs/protocol.md). */
export function mediaRetryReceipt(request: Parameters<InteropClient['sendMediaRetry']>[0]): Stanza {
  const { id, fromMe, mediaKey } = request;
  const to = withoutDevice(request.to);
  const { ciphertext, iv } = sealMediaRetry(mediaKey, id);
  return stanza('receipt', { id, to, type: 'server-error' }, [
    stanza('encrypt', {}, [stanza('enc_p', {}, ciphertext), stanza('enc_iv', {}, iv)]),
    stanza('rmr', { jid: to, from_me: fromMe }),
  ]);
}

/** Throws StanzaError. */
export function readMediaRetryNotification(notification: Stanza, from: UserJid): MediaRetry {
  return { id: requireMessageId(notification), from: withoutDevice(from), answer: readAnswer(notification) };
}

function readAnswer(notification: Stanza): MediaRetryAnswer {
  const error = child(notification, 'error');
  if (error) return { kind: 'error', code: requireInteger(error, 'code') };
  const sealed = requireChild(notification, 'encrypt');
  const ciphertext = requireBytes(requireChild(sealed, 'enc_p'));
  return { kind: 'sealed', ciphertext, iv: requireBytes(requireChild(sealed, 'enc_iv')) };
}
