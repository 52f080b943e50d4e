// Files as a Matrix user's client sends and opens them, by the attachment library that Element uses: the judge of ours.
import { decryptAttachment, encryptAttachment, type IEncryptedFile } from 'matrix-encrypt-attachment';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';

const buffer = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

/** Encrypts and uploads; returns what goes into an event as `file`. */
export async function uploadEncrypted(user: MatrixUser, bytes: Uint8Array): Promise<Record<string, unknown>> {
  const { data, info } = await encryptAttachment(buffer(bytes));
  const type = 'application/octet-stream';
  const { content_uri: url } = await user.client.uploadContent(new Blob([data], { type }), {
    type,
    includeFilename: false,
  });
  return { ...info, url };
}

/** Sends a file as Element does. `content` says what it is; returns the event. */
export async function sendFile(
  user: MatrixUser,
  room: string,
  bytes: Uint8Array,
  content: { readonly msgtype: string; readonly body: string; readonly [key: string]: unknown },
): Promise<string> {
  const { info, ...rest } = content;
  const described = { size: bytes.length, ...(typeof info === 'object' ? info : {}) };
  const file = await uploadEncrypted(user, bytes);
  const event = await user.client.sendEvent(
    room,
    'm.room.message' as never,
    { ...rest, info: described, file } as never,
  );
  return event.event_id;
}

/** Fetches and opens the file of an event's content; throws where its hash does not fit. */
export async function openFile(user: MatrixUser, file: unknown): Promise<Buffer> {
  if (typeof file !== 'object' || file === null || !('url' in file)) throw new Error('there is no encrypted file');
  const url = user.client.mxcUrlToHttp(String(file.url), undefined, undefined, undefined, false, true, true);
  const token = user.client.getAccessToken();
  const response = await fetch(url ?? '', { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`the homeserver answered ${response.status}`);
  return Buffer.from(await decryptAttachment(await response.arrayBuffer(), file as unknown as IEncryptedFile));
}
