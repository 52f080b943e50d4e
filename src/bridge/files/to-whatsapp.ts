// Files from Matrix: fetched, verified, encrypted for WhatsApp and laid into our media host before their message is encrypted.
import { randomBytes } from 'node:crypto';
import type { Ghost } from '../../model/contact.ts';
import { BridgeError } from '../../model/errors.ts';
import type { OutboxId, PortalId } from '../../model/ids.ts';
import type { JsonObject, OutboxRow, OutgoingFile } from '../../model/journal.ts';
import type { FileBytes, MatrixFile, TransferOptions } from '../../model/media.ts';
import type { Portal } from '../../model/portal.ts';
import type { Quoted } from '../../model/reference.ts';
import { passed } from '../../observability/fail-points.ts';
import { capabilities } from '../../translate/capabilities.ts';
import { fileNotSentText, unreadableFile } from '../../translate/media/failures.ts';
import { type FileToWhatsApp, largestThumbnail } from '../../translate/media/types.ts';
import { refusedText, toWhatsApp } from '../../translate/to-whatsapp.ts';
import { type ActiveAccount, type BridgeContext, isActive } from '../context.ts';
import { holdOutgoing } from '../limits/outgoing.ts';
import { parkRow } from '../parked-rows.ts';
import type { Step } from '../workers.ts';
import { metered } from './metered.ts';
import type { TransferSlots } from './slots.ts';

/** How often a file that cannot be carried at the moment is tried, each time later than before: for about a quarter of an hour. */
const mostTries = 20;

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

export class FilesToWhatsApp {
  readonly #context: BridgeContext;
  readonly #slots: TransferSlots;
  readonly #settled: (portal: PortalId) => void;
  readonly #tries = new Map<OutboxId, number>();

  /** `settled` is called when a message need not wait for its file any longer. */
  constructor(context: BridgeContext, slots: TransferSlots, settled: (portal: PortalId) => void) {
    this.#context = context;
    this.#slots = slots;
    this.#settled = settled;
  }

  /** Carries the file of the oldest message of this portal. */
  async carryNext(portalId: PortalId): Promise<Step> {
    const { store, settings, counters } = this.#context;
    const row = await store.outbox.next(portalId);
    if (row?.state.at !== 'transfer') return 'idle';
    const { file } = row.state;
    const portal = await store.portals.get(portalId);
    const account = portal && (await store.accounts.get(portal.account));
    const ghost = portal && (await store.contacts.ghost(portal.contact));
    if (portal === undefined || !isActive(account) || ghost === undefined) return 'idle';
    const media = toWhatsApp(file.type, file.content, capabilities[account.network], file.quoted);
    if (media.kind !== 'media') {
      const text = media.kind === 'refused' ? (media.told ?? refusedText(media.feature)) : unreadableFile;
      await parkRow(this.#context, portal, row, { code: 'not-carried', text });
      return this.#settle(row);
    }
    const limited = await holdOutgoing(this.#context, 'media', { account, portal, row });
    if (limited !== undefined) {
      // What the user is told stands in the chat.
      if (limited.told) this.#settled(portalId);
      return { waitMs: limited.waitMs };
    }
    try {
      const payload = await carry(this.#context, this.#slots, { row, file, account, portal, ghost, media });
      await store.commit([{ change: 'outbox.payload', id: row.id, payload }]);
      passed('MF2-file-recorded');
      counters.file('to-whatsapp', 'carried');
    } catch (error) {
      if (!(error instanceof BridgeError) || this.#mayPass(row, error)) throw error;
      counters.file('to-whatsapp', error.code);
      const sizes = { size: media.size, limit: settings.maxFileBytes };
      await parkRow(this.#context, portal, row, { code: error.code, text: fileNotSentText(error.code, sizes) });
    }
    return this.#settle(row);
  }

  /** Whether the file is tried again before its sender is told. The chat waits for it, so not without end. */
  #mayPass({ id }: OutboxRow, { code, retry, cause }: BridgeError): boolean {
    if (code.startsWith('store.')) return true;
    // Room comes with the days.
    if (retry !== 'later' || code === 'media.host-full') return false;
    // While the homeserver is away, nothing can be said of the file.
    if (cause instanceof BridgeError && cause.code === 'matrix.unreachable') return true;
    const tries = (this.#tries.get(id) ?? 0) + 1;
    this.#tries.set(id, tries);
    return tries < mostTries;
  }

  #settle({ id, portal }: OutboxRow): Step {
    this.#tries.delete(id);
    this.#settled(portal);
    return 'idle';
  }
}

async function carry(
  context: BridgeContext,
  slots: TransferSlots,
  { file, account, ghost, media, row }: Waiting,
): Promise<Uint8Array> {
  const { networkMedia, matrixMedia, mediaHost, settings } = context;
  const maxBytes = settings.maxFileBytes;
  if ((media.size ?? 0) > maxBytes) throw new BridgeError('media.too-large', 'a file is larger than the limit');
  const transfer = async (signal: AbortSignal, passing: (bytes: FileBytes) => FileBytes): Promise<Uint8Array> => {
    const options: TransferOptions = { maxBytes, signal };
    const { source } = media;
    const opened =
      source.kind === 'encrypted'
        ? await matrixMedia.open(ghost.actor, source.file, options)
        : await matrixMedia.openPublic(ghost.actor, source.uri, options);
    const sealing = networkMedia.seal(media.mediaKind, file.mediaKey, passing(opened.bytes));
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
  };
  return metered(context, account, media.size ?? 0, (passing) =>
    slots.run(account.id, (signal) => transfer(signal, passing)),
  );
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
