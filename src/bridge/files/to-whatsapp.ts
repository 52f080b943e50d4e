// Files from Matrix: fetched, verified, encrypted for WhatsApp and laid into our media host before their message is encrypted.
import { randomBytes } from 'node:crypto';
import type { Ghost } from '../../model/contact.ts';
import { BridgeError } from '../../model/errors.ts';
import type { PortalId } from '../../model/ids.ts';
import type { JsonObject, OutboxRow, OutgoingFile } from '../../model/journal.ts';
import type { MatrixFile, TransferOptions } from '../../model/media.ts';
import type { Portal } from '../../model/portal.ts';
import type { Quoted } from '../../model/reference.ts';
import { passed } from '../../observability/fail-points.ts';
import { capabilities } from '../../translate/capabilities.ts';
import { fileNotSentText, unreadableFile } from '../../translate/media/failures.ts';
import { type FileToWhatsApp, largestThumbnail } from '../../translate/media/types.ts';
import { refusedText, toWhatsApp } from '../../translate/to-whatsapp.ts';
import { type ActiveAccount, type BridgeContext, isActive } from '../context.ts';
import { parkRow } from '../parked-rows.ts';
import type { Step } from '../workers.ts';
import type { TransferSlots } from './slots.ts';

const cipherBlock = 16;
const macBytes = 10;

/** What is kept of a message with a file until that has been carried over. */
export function outgoingFile(
  { mediaHost }: BridgeContext,
  type: string,
  content: JsonObject,
  quoted: Quoted | undefined,
): OutgoingFile {
  return { type, content, quoted, mediaKey: randomBytes(32), name: mediaHost.newName() };
}

interface Waiting {
  readonly row: OutboxRow;
  readonly file: OutgoingFile;
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly ghost: Ghost;
  readonly media: FileToWhatsApp;
}

/** Carries the file of the oldest message of this portal. `settled` is called when the message need not wait for it any longer. */
export async function carryFileToWhatsApp(
  context: BridgeContext,
  slots: TransferSlots,
  portalId: PortalId,
  settled: (portal: PortalId) => void,
): Promise<Step> {
  const row = await context.store.outbox.next(portalId);
  if (row?.state.at !== 'transfer') return 'idle';
  const { file } = row.state;
  const portal = await context.store.portals.get(portalId);
  const account = portal && (await context.store.accounts.get(portal.account));
  const ghost = portal && (await context.store.contacts.ghost(portal.contact));
  if (portal === undefined || !isActive(account) || ghost === undefined) return 'idle';
  const media = toWhatsApp(file.type, file.content, capabilities[account.network], file.quoted);
  if (media.kind !== 'media') {
    const text = media.kind === 'refused' ? (media.told ?? refusedText(media.feature)) : unreadableFile;
    await parkRow(context, portal, row, 'not-carried', text);
    settled(portalId);
    return 'idle';
  }
  try {
    const payload = await carry(context, slots, { row, file, account, portal, ghost, media });
    await context.store.commit([{ change: 'outbox.payload', id: row.id, payload }]);
    passed('MF2-file-recorded');
    context.counters.file('to-whatsapp', 'carried');
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later' || error.code.startsWith('store.')) throw error;
    context.counters.file('to-whatsapp', error.code);
    const sizes = { size: media.size, limit: context.settings.maxFileBytes };
    await parkRow(context, portal, row, error.code, fileNotSentText(error.code, sizes));
  }
  settled(portalId);
  return 'idle';
}

async function carry(
  context: BridgeContext,
  slots: TransferSlots,
  { file, account, ghost, media, row }: Waiting,
): Promise<Uint8Array> {
  const { networkMedia, matrixMedia, mediaHost, settings } = context;
  const maxBytes = settings.maxFileBytes;
  if ((media.size ?? 0) > maxBytes) throw new BridgeError('media.too-large', 'a file is larger than the limit');
  return slots.run(account.id, async (signal) => {
    const options: TransferOptions = { maxBytes, signal };
    const { source } = media;
    const opened =
      source.kind === 'encrypted'
        ? await matrixMedia.open(ghost.actor, source.file, options)
        : await matrixMedia.openPublic(ghost.actor, source.uri, options);
    const sealing = networkMedia.seal(media.mediaKind, file.mediaKey, opened.bytes);
    await mediaHost.put(
      account.id,
      file.name,
      encryptedSize(opened.size ?? media.size ?? maxBytes),
      sealing.ciphertext,
    );
    passed('MF1-file-hosted');
    const thumbnail = media.thumbnail && (await thumbnailOf(context, ghost, media.thumbnail, signal));
    return media.describe({
      ...mediaHost.addressOf(file.name),
      mediaKey: file.mediaKey,
      sealed: sealing.sealed(),
      timestamp: row.createdAt,
      ...(thumbnail === undefined ? {} : { thumbnail }),
    });
  });
}

const encryptedSize = (size: number): number => (Math.floor(size / cipherBlock) + 1) * cipherBlock + macBytes;

/** The sender's client made it. A message goes without where it is not to be had, too large or no JPEG. */
async function thumbnailOf(
  context: BridgeContext,
  ghost: Ghost,
  file: MatrixFile,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  try {
    const { bytes } = await context.matrixMedia.open(ghost.actor, file, { maxBytes: largestThumbnail, signal });
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytes) chunks.push(chunk);
    const picture = Buffer.concat(chunks);
    return isJpeg(picture) ? picture : undefined;
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    context.logger.info({ code: error.code }, 'a thumbnail could not be carried over');
    return undefined;
  }
}

const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
