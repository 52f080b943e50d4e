// Files from WhatsApp: fetched, verified and uploaded before their message is shown. The chat waits for its file, within bounds.
import type { Contact, Ghost } from '../../model/contact.ts';
import { BridgeError, errorCode } from '../../model/errors.ts';
import type { InboxId, PortalId } from '../../model/ids.ts';
import type { InteropClient, MediaRetry } from '../../model/interop.ts';
import type { InboxRow, IncomingFile } from '../../model/journal.ts';
import type { FileBytes, MatrixFile, NetworkFile, OpenedFile } from '../../model/media.ts';
import type { Portal } from '../../model/portal.ts';
import { passed } from '../../observability/fail-points.ts';
import { fileNotShownText } from '../../translate/media/failures.ts';
import type { FileToMatrix } from '../../translate/media/types.ts';
import { type Holds, holdLeft } from '../awaited.ts';
import { preferredAddress } from '../contacts.ts';
import { type ActiveAccount, type BridgeContext, isActive } from '../context.ts';
import { contactName } from '../labels.ts';
import type { Hold } from '../limits/limits.ts';
import { reasonText, untilText } from '../limits/words.ts';
import { readable } from '../shown.ts';
import type { Step } from '../workers.ts';
import { fileLimit } from './limit.ts';
import { metered } from './metered.ts';
import type { TransferSlots } from './slots.ts';

/** How long a chat waits for a file that the sender was asked for again, in milliseconds. */
export const askedWaitMs = 60_000;

/** How often a file that the network does not give at the moment is tried, each time later than before. */
const mostTries = 8;

interface Waiting {
  readonly row: InboxRow;
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly contact: Contact;
  readonly ghost: Ghost;
  readonly media: FileToMatrix;
}

export interface FilesToMatrixOptions {
  readonly context: BridgeContext;
  readonly slots: TransferSlots;
  readonly client: (account: ActiveAccount) => InteropClient | undefined;
  /** Called when a message need not wait for its file any longer. */
  readonly wakeInbox: (portal: PortalId) => void;
}

export class FilesToMatrix {
  readonly #context: BridgeContext;
  readonly #slots: TransferSlots;
  readonly #client: (account: ActiveAccount) => InteropClient | undefined;
  readonly #wakeInbox: (portal: PortalId) => void;
  readonly #tries = new Map<InboxId, number>();
  /** For files that were asked for again. */
  readonly #asked: Holds = new Map();

  constructor({ context, slots, client, wakeInbox }: FilesToMatrixOptions) {
    this.#context = context;
    this.#slots = slots;
    this.#client = client;
    this.#wakeInbox = wakeInbox;
  }

  /** Carries the file of the oldest message of this portal. */
  async carryNext(portal: PortalId): Promise<Step> {
    const waiting = await this.#next(portal);
    if (waiting === undefined) return 'idle';
    const { row } = waiting;
    if (row.file?.at === 'asked') {
      const left = holdLeft(this.#context.clock, this.#asked, row.id, row.file.since, askedWaitMs);
      if (left > 0) return { waitMs: left };
      this.#asked.delete(row.id);
      return this.#fail(waiting, 'media.gone');
    }
    this.#asked.delete(row.id);
    const wait = await this.#context.limits.hold(portal, 'media', { account: waiting.account });
    if (wait !== undefined) return this.#waitForLimit(waiting, wait);
    try {
      return await this.#settle(row, await this.#carry(waiting));
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      return this.#afterFailure(waiting, error);
    }
  }

  async #next(portalId: PortalId): Promise<Waiting | undefined> {
    const { store } = this.#context;
    const row = await store.inbox.next(portalId);
    if (row?.state.at !== 'received' || row.state.body.kind !== 'message') return undefined;
    if (row.file?.at === 'uploaded' || row.file?.at === 'failed') return undefined;
    const portal = await store.portals.get(portalId);
    const account = portal && (await store.accounts.get(portal.account));
    const contact = portal && (await store.contacts.get(portal.contact));
    const ghost = contact && (await store.contacts.ghost(contact.id));
    if (portal === undefined || !isActive(account) || contact === undefined || ghost === undefined) return undefined;
    const media = readable(this.#context, row, row.state.body.payload);
    return media?.kind === 'media' ? { row, account, portal, contact, ghost, media } : undefined;
  }

  async #carry({ row, account, ghost, media }: Waiting): Promise<IncomingFile> {
    const limit = await fileLimit(this.#context);
    if (media.file.size > limit) throw new BridgeError('media.too-large', 'a file is larger than the limit');
    const { networkMedia, matrixMedia } = this.#context;
    const again = row.file?.at === 'found' ? { directPath: row.file.directPath, url: undefined } : {};
    const file: NetworkFile = { ...media.file, ...again };
    const transfer = async (signal: AbortSignal, passing: (bytes: FileBytes) => FileBytes): Promise<IncomingFile> => {
      const open = async (): Promise<OpenedFile> => {
        const { size, bytes } = await networkMedia.open(account.network, file, { maxBytes: limit, signal });
        return { size, bytes: passing(bytes) };
      };
      const upload = (size: number, bytes: FileBytes) => matrixMedia.upload(ghost.actor, size, bytes, signal);
      const uploaded = await whole(open, upload);
      const thumbnail = await this.#thumbnail(media, upload);
      passed('WF1-file-uploaded');
      return { at: 'uploaded', ...uploaded, thumbnail };
    };
    return metered(this.#context, account, media.file.size, (passing) =>
      this.#slots.run(account.id, (signal) => transfer(signal, passing)),
    );
  }

  /** The user is told in the room with the bot: what stands in the chat comes after the file. */
  async #waitForLimit({ row, account }: Waiting, wait: Hold): Promise<Step> {
    if (wait.isNew) {
      const text = `${reasonText(wait)}. A file that a contact has sent you waits, and so does what they have written after it. It goes on by itself, in order, ${untilText(wait)}.`;
      const key = `limit-media:${account.id}:${wait.until}`;
      await this.#context.store.commit([{ change: 'bot-message.add', room: account.managementRoom, key, text }]);
      this.#wakeInbox(row.portal);
    }
    return { waitMs: wait.waitMs };
  }

  /** A message is shown without its thumbnail where the homeserver does not take that. */
  async #thumbnail(
    { thumbnail }: Waiting['media'],
    upload: (size: number, bytes: FileBytes) => Promise<MatrixFile>,
  ): Promise<MatrixFile | undefined> {
    if (thumbnail === undefined) return undefined;
    try {
      return await upload(thumbnail.bytes.length, oneChunk(thumbnail.bytes));
    } catch (error) {
      if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
      this.#context.logger.info({ code: error.code }, 'a thumbnail could not be uploaded');
      return undefined;
    }
  }

  async #afterFailure(waiting: Waiting, error: BridgeError): Promise<Step> {
    const { row } = waiting;
    if (error.code === 'media.gone' && row.file?.at !== 'found') return this.#askAgain(waiting);
    if (error.code === 'media.unavailable') {
      // While we are cut off ourselves, nothing can be said of the network.
      if (this.#client(waiting.account)?.connected !== true) throw error;
      const tries = (this.#tries.get(row.id) ?? 0) + 1;
      this.#tries.set(row.id, tries);
      if (tries < mostTries) throw error;
    } else if (error.retry === 'later' || error.code.startsWith('store.')) throw error;
    return this.#fail(waiting, error.code);
  }

  async #fail({ row, portal, contact, media }: Waiting, code: string): Promise<Step> {
    this.#context.logger.warn({ portal: row.portal, code }, 'a file could not be carried over');
    const sizes = { size: media.file.size, limit: await fileLimit(this.#context) };
    const text = fileNotShownText(contactName(contact, portal), media.feature, code, sizes);
    return this.#settle(row, { at: 'failed', code, text });
  }

  /** The network does not have it any more: the sender's phone may still. */
  async #askAgain({ row, account, contact, media }: Waiting): Promise<Step> {
    const { clock, logger } = this.#context;
    const client = this.#client(account);
    const to = preferredAddress(contact);
    if (client?.connected !== true || to === undefined) {
      throw new BridgeError('interop.offline', 'no connection on which to ask for a file again', { retry: 'later' });
    }
    const since = clock.now();
    // First, so that the answer finds it.
    await this.#context.store.commit([{ change: 'inbox.file', id: row.id, file: { at: 'asked', since } }]);
    try {
      await client.sendMediaRetry({ id: row.messageId, to, fromMe: false, mediaKey: media.file.mediaKey });
    } catch (error) {
      logger.info({ portal: row.portal, code: errorCode(error) }, 'a file could not be asked for again');
    }
    passed('WF3-file-asked-for');
    return { waitMs: askedWaitMs };
  }

  /** The sender's answer to having been asked. Returns whether anybody waited for it. */
  async answered(portal: PortalId, { id, answer }: MediaRetry): Promise<boolean> {
    const waiting = await this.#next(portal);
    if (waiting?.row.messageId !== id || waiting.row.file?.at !== 'asked') return false;
    const { row, media } = waiting;
    const read = this.#context.networkMedia.readMediaRetry(media.file.mediaKey, id, answer);
    if (read.outcome === 'unreadable') return false;
    if (read.outcome === 'gone') {
      await this.#fail(waiting, 'media.gone');
      return true;
    }
    const file: IncomingFile = { at: 'found', directPath: read.directPath };
    await this.#context.store.commit([{ change: 'inbox.file', id: row.id, file }]);
    return true;
  }

  async #settle(row: InboxRow, file: IncomingFile): Promise<Step> {
    this.#tries.delete(row.id);
    await this.#context.store.commit([{ change: 'inbox.file', id: row.id, file }]);
    passed('WF2-file-recorded');
    this.#context.counters.file('to-matrix', file.at === 'failed' ? file.code : 'carried');
    this.#wakeInbox(row.portal);
    return 'idle';
  }
}

/** Returns what was uploaded once all of it was verified. A sender whose claim cannot be right costs a look at the whole file first. */
async function whole(
  open: () => Promise<OpenedFile>,
  upload: (size: number, bytes: FileBytes) => Promise<MatrixFile>,
): Promise<{ readonly size: number; readonly file: MatrixFile }> {
  const { size, bytes } = await open();
  if (size !== undefined) return { size, file: await upload(size, bytes) };
  const measured = await sizeOf(bytes);
  return { size: measured, file: await upload(measured, (await open()).bytes) };
}

async function sizeOf(bytes: FileBytes): Promise<number> {
  let size = 0;
  for await (const chunk of bytes) size += chunk.length;
  return size;
}

async function* oneChunk(bytes: Uint8Array): FileBytes & AsyncGenerator<Uint8Array> {
  yield bytes;
}
