// The sentences for files that do not arrive. Each says whether trying again helps.
import { type Capabilities, capabilities, type Feature } from '../capabilities.ts';

/** As the limits of servers are counted, in bytes. */
const megabyte = 1024 * 1024;

/** In bytes, as far as they are known. */
export interface Sizes {
  readonly size?: number | undefined;
  readonly limit?: number | undefined;
}

export const unencryptedFile =
  'This was not sent: the file itself is not encrypted, so the servers that it passes could read and change it. Trying again does not help; send it from a client that encrypts files.';

export const unreadableFile =
  'This was not sent: what your client says of the file could not be read. Trying again does not help; send it from another client.';

export const exchangedFile =
  'Your edit was not sent: WhatsApp lets you change the words under a file, not the file itself. Delete it and send the other one instead.';

export const fileWithoutWords =
  'Your edit was not sent: on WhatsApp there are no words under audio, voice notes and stickers. Send them as a message instead.';

/** Why a file of the user was not sent; `code`: that of the BridgeError. */
export function fileNotSentText(code: string, sizes: Sizes = {}): string {
  switch (code) {
    case 'media.too-large':
      return `${tooLarge('The file', sizes)}. Trying again does not help; send a smaller one.`;
    case 'media.gone':
      return 'The file is not on your homeserver any more. Send it again from your device.';
    case 'media.corrupt':
    case 'media.wrong-size':
      return 'The file did not arrive intact. Send it again.';
    case 'media.refused':
      return 'Your homeserver does not give the file to the bridge. Trying again does not help; tell whoever runs this server.';
    case 'media.host-full':
      return 'This server has no room for more files at the moment. Send it again later; a smaller one may fit now.';
    case 'media.host-failed':
      return 'This server could not store the file. Send it again later, or tell whoever runs it.';
    default:
      return 'The file could not be fetched from your homeserver. Send it again later.';
  }
}

/** Instead of a file of a contact; `code`: that of the BridgeError. */
export function fileNotShownText(
  name: string,
  feature: Feature,
  code: string,
  sizes: Sizes = {},
  table: Capabilities = capabilities.whatsapp,
): string {
  return `${name} sent a file that is not shown here (${table[feature].noun}): ${shownReason(name, code, sizes)}`;
}

function shownReason(name: string, code: string, sizes: Sizes): string {
  switch (code) {
    case 'media.too-large':
      return `${tooLarge('it', sizes)}. Trying again does not help; it can be seen on WhatsApp only.`;
    case 'media.gone':
      return `it is not on WhatsApp’s servers any more. Ask ${name} to send it again.`;
    case 'media.corrupt':
    case 'media.wrong-size':
      return `it did not arrive intact. Ask ${name} to send it again.`;
    case 'media.refused':
      return 'it is not on WhatsApp’s servers. Trying again does not help; it can be seen on WhatsApp only.';
    default:
      return `it could not be fetched from WhatsApp’s servers. Ask ${name} to send it again later.`;
  }
}

/** The size is rounded up and the limit down, so that they never read alike. */
function tooLarge(what: string, { size, limit }: Sizes): string {
  const takes = limit === undefined ? '' : `; this server takes files up to ${megabytes(limit, Math.floor)}`;
  return size === undefined ? `${what} is too large${takes}` : `${what} is ${megabytes(size, Math.ceil)}${takes}`;
}

function megabytes(bytes: number, round: (value: number) => number): string {
  const exact = bytes / megabyte;
  return `${exact < 10 ? round(exact * 10) / 10 : round(exact)} MB`;
}
