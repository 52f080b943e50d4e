// A ghost's profile follows the contact's on the network, in the background: no message ever waits for it.
import type { Contact, ContactPicture, Ghost, UploadedPicture } from '../model/contact.ts';
import { BridgeError, errorCode } from '../model/errors.ts';
import type { ContactId } from '../model/ids.ts';
import type { InteropClient } from '../model/interop.ts';
import type { UserJid } from '../model/jid.ts';
import type { NetworkPicture } from '../model/media.ts';
import { pictureType } from '../translate/picture-type.ts';
import { preferredAddress } from './contacts.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { showName } from './portal-rooms.ts';
import type { Step } from './workers.ts';

/** Without a word from the network, no contact's picture is asked for more often. */
const freshMs = 24 * 60 * 60 * 1000;
const firstRetryMs = 15 * 60 * 1000;
const largestPicture = 1024 * 1024;
const transferTimeoutMs = 60_000;

/** Errors that say something of the picture, not of the moment: it is not shown. */
const unshowable: readonly string[] = ['media.too-large', 'media.refused', 'matrix.too-large'];

export interface ProfileOptions {
  client(account: ActiveAccount): InteropClient | undefined;
  /** Breaks off what is on its way. */
  readonly stopping: AbortSignal;
}

/** Sets the ghost's name and picture as far as they have changed; asks for the picture when it is due. */
export async function followProfile(context: BridgeContext, id: ContactId, options: ProfileOptions): Promise<Step> {
  const { store, clock, settings } = context;
  const contact = await store.contacts.get(id);
  const ghost = contact && (await store.contacts.ghost(id));
  if (contact === undefined || ghost === undefined || !ghost.ready) return 'idle';
  await showName(context, contact, ghost);
  if (!settings.pictures) return 'idle';
  const now = clock.now();
  const picture = await store.pictures.get(id);
  if (picture === undefined || (picture.dueAt === undefined && now >= (picture.lookedAt ?? 0) + freshMs)) {
    await store.commit([{ change: 'picture.due', contact: id, at: now }]);
    return 'again';
  }
  if (picture.dueAt === undefined) return 'idle';
  if (picture.dueAt > now) return { waitMs: picture.dueAt - now };
  const way = await wayTo(context, contact, options);
  // The next connection wakes this again.
  return way === undefined ? 'idle' : look(context, contact, ghost, picture, way);
}

interface Way {
  readonly client: InteropClient;
  readonly address: UserJid;
  readonly stopping: AbortSignal;
}

/** Whoever wants a chat with the contact, and has a connection, may ask. */
async function wayTo(
  { store }: BridgeContext,
  contact: Contact,
  { client: clientOf, stopping }: ProfileOptions,
): Promise<Way | undefined> {
  const address = preferredAddress(contact);
  if (address === undefined) return undefined;
  for (const { account: id, acceptance } of await store.portals.ofContact(contact.id)) {
    if (acceptance.at !== 'accepted') continue;
    const account = await store.accounts.get(id);
    const client = isActive(account) ? clientOf(account) : undefined;
    if (client?.connected) return { client, address, stopping };
  }
  return undefined;
}

async function look(
  context: BridgeContext,
  contact: Contact,
  ghost: Ghost,
  before: ContactPicture,
  way: Way,
): Promise<Step> {
  const { store, clock, homeserver } = context;
  const handled = before.dueAt;
  let picture = before;
  try {
    const uploaded = await currentPicture(context, contact, ghost, before, way);
    if (uploaded !== before.uploaded) {
      // Stored before it is shown: it is not uploaded again, whatever happens next.
      picture = { ...before, uploaded, shown: false };
      await store.commit([{ change: 'picture.put', picture, handled }]);
    }
    if (!picture.shown) await homeserver.setAvatar(ghost.actor, uploaded?.uri);
    picture = { ...picture, shown: true, lookedAt: clock.now(), dueAt: undefined, failures: 0 };
  } catch (error) {
    const code = errorCode(error);
    if (code.startsWith('store.')) throw error;
    // Taken up again at the next start or connection.
    if (way.stopping.aborted || code === 'interop.offline') return 'idle';
    const failures = before.failures + 1;
    const askedToWait = (error instanceof BridgeError && error.retryAfterMs) || 0;
    const waitMs = Math.max(askedToWait, Math.min(freshMs, firstRetryMs * 2 ** (failures - 1)));
    context.logger.warn({ contact: contact.id, code, failures, waitMs, err: error }, 'a picture could not be fetched');
    picture = { ...picture, dueAt: clock.now() + waitMs, failures };
  }
  await store.commit([{ change: 'picture.put', picture, handled }]);
  return 'again';
}

/** The contact's picture as the homeserver has it, uploaded if it is a new one; undefined where there is none to show. */
async function currentPicture(
  context: BridgeContext,
  contact: Contact,
  ghost: Ghost,
  { uploaded }: ContactPicture,
  { client, address, stopping }: Way,
): Promise<UploadedPicture | undefined> {
  const found = await client.picture(address, uploaded?.id);
  if (found.outcome === 'unchanged') return uploaded;
  if (found.outcome === 'none') return undefined;
  try {
    const bytes = await fetchPicture(context, contact, found, stopping);
    const type = pictureType(bytes);
    if (type !== undefined)
      return { id: found.id, uri: await context.matrixMedia.uploadPublic(ghost.actor, bytes, type) };
    context.logger.info({ contact: contact.id }, 'a picture is in a format that is not shown');
  } catch (error) {
    if (!unshowable.includes(errorCode(error))) throw error;
    context.logger.info({ contact: contact.id, code: errorCode(error) }, 'a picture is not shown');
  }
  return undefined;
}

async function fetchPicture(
  context: BridgeContext,
  { network }: Contact,
  at: NetworkPicture,
  stopping: AbortSignal,
): Promise<Uint8Array> {
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(transferTimeoutMs)]);
  const { bytes } = await context.networkMedia.openPicture(network, at, { maxBytes: largestPicture, signal });
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}
