// Safety numbers: what the user and the contact can compare, so that both know that nobody has come between the bridge and them.
import type { Contact } from '../model/contact.ts';
import { errorCode } from '../model/errors.ts';
import type { NoticePicture } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { PeerDevice, SafetyNumber } from '../model/signal.ts';
import { scannablePicture } from '../translate/scannable-picture.ts';
import { preferredAddress } from './contacts.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { primaryDevice } from './devices.ts';

const uploadTimeoutMs = 30_000;

export interface ChatSafetyNumber extends SafetyNumber {
  /** The digits in groups of five. */
  readonly grouped: string;
  readonly peer: PeerDevice;
  /** The pinned key, which the number is about. */
  readonly key: Uint8Array;
  /** Whether another key waits for a decision. */
  readonly changed: boolean;
}

/** Undefined while one of the keys is not known. */
export async function safetyNumber(
  { store, signal }: BridgeContext,
  account: ActiveAccount,
  portal: Portal,
): Promise<ChatSafetyNumber | undefined> {
  const contact = await store.contacts.get(portal.contact);
  const trust = (await store.trust.ofContact(account.id, portal.contact)).get(primaryDevice);
  const address = contact && shownAddress(contact);
  if (trust === undefined || address === undefined) return undefined;
  const { keys } = await signal.createPreKeys(account.id, 0);
  const own = Uint8Array.of(5, ...keys.identityKey);
  const number = signal.safetyNumber(account.user, own, address.user, trust.key);
  const peer = { account: account.id, contact: portal.contact, device: primaryDevice };
  const grouped = number.digits.replace(/(.{5})(?=.)/g, '$1 ');
  return { ...number, grouped, peer, key: trust.key, changed: trust.state === 'changed' };
}

const shownAddress = (contact: Contact) =>
  contact.addresses.find(({ kind }) => kind === 'phone') ?? preferredAddress(contact);

/** Draws the number as a QR code and uploads it, encrypted, as the ghost. Undefined where that fails: the digits say the same. */
export async function uploadPicture(
  { store, matrixMedia, logger }: BridgeContext,
  portal: Portal,
  { scannable }: SafetyNumber,
): Promise<NoticePicture | undefined> {
  const ghost = await store.contacts.ghost(portal.contact);
  if (ghost === undefined) return undefined;
  const { png, side } = scannablePicture(scannable);
  try {
    const signal = AbortSignal.timeout(uploadTimeoutMs);
    const file = await matrixMedia.upload(ghost.actor, png.length, whole(png), signal);
    return { file, size: png.length, side };
  } catch (error) {
    logger.warn({ portal: portal.id, code: errorCode(error) }, 'the picture of a safety number could not be uploaded');
    return undefined;
  }
}

async function* whole(bytes: Uint8Array) {
  yield bytes;
}
