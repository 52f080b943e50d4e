// Opens the database: one process, the right key, the right schema; then one writer and the reads.
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Clock } from '../model/clock.ts';
import type { BridgeError } from '../model/errors.ts';
import type { DeviceId } from '../model/ids.ts';
import type { HostedFiles } from '../model/media.ts';
import type { SigningKeyStore } from '../model/provider.ts';
import type { Store } from '../model/store.ts';
import { accountReads } from './accounts.ts';
import { applyAll } from './apply.ts';
import { blockReads } from './blocks.ts';
import { botMessageReads } from './bot-messages.ts';
import { consentReads } from './consent-check.ts';
import { contactReads } from './contacts.ts';
import { countReads } from './counts.ts';
import type { Database, StoreLocation } from './database.ts';
import { erasureReads } from './erasures.ts';
import { copying, damaged, moved, wrongKey } from './errors.ts';
import { eventReads } from './events.ts';
import { hostedFiles } from './hosted-files.ts';
import { inboxReads } from './inbox-reads.ts';
import { Keyring } from './keyring.ts';
import { limitUseReads } from './limit-uses.ts';
import { Memory, remembered } from './memory.ts';
import { inspectSchema } from './migrate.ts';
import { outboxReads } from './outbox.ts';
import { pictureReads } from './pictures.ts';
import { policyRoomReads } from './policy-rooms.ts';
import { portalReads } from './portals.ts';
import { openPostgres } from './postgres/database.ts';
import { queueReads } from './queue.ts';
import { reactionReads } from './reactions.ts';
import { readingReads } from './reading.ts';
import { referenceReads } from './references.ts';
import { reportReads } from './reports.ts';
import { pruneBatch } from './retention.ts';
import { roomKeyUseReads } from './room-key-uses.ts';
import type { DataKey } from './sealing.ts';
import { signalReads } from './signal.ts';
import { signingKeyStore } from './signing-keys.ts';
import { spaceReads } from './spaces.ts';
import { openSqlite } from './sqlite/database.ts';
import { first, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import { tagKey } from './tag-key.ts';
import { trustReads } from './trust.ts';
import { visitorReads } from './visitors.ts';
import { WatchedWriter } from './watched-writer.ts';
import type { Writer } from './writer.ts';

export type StoreOptions = StoreLocation & {
  /** 32 bytes. Without it nothing in the database can be read. */
  readonly masterKey: Uint8Array;
  readonly clock: Pick<Clock, 'now'>;
  /** PostgreSQL only: another process has taken the database over while we were cut off. Nothing is written any more: end the process. */
  readonly onTakenOver?: (error: Error) => void;
  /** Nothing can be written any more (disk full, read-only, server away). It is tried again by itself until `onBack`. */
  readonly onAway?: (error: BridgeError) => void;
  readonly onBack?: () => void;
  /** How many answers of reads are kept in memory, most of them of some hundred bytes. Default 20,000; 0: none. */
  readonly remembers?: number | undefined;
};

export interface OpenStore extends Store {
  readonly signingKeys: SigningKeyStore;
  readonly hostedFiles: HostedFiles;
  /** What the database finds wrong with itself; empty where it is sound. */
  examine(): Promise<readonly string[]>;
  /** 128 random bits in hex, made with the database: tells this installation from every other. */
  readonly instanceId: string;
  /** The device of the bot, as it was noted. */
  botDevice(): Promise<DeviceId | undefined>;
  noteBotDevice(device: DeviceId): Promise<void>;
  /** Whether the last commit could be written. */
  readonly writable: boolean;
  /** Finishes what has been handed over, then lets go of the file. May be called again. */
  close(): Promise<void>;
}

const mostRemembered = 20_000;
/** Rows of each journal deleted in one transaction. */
const PRUNE_BATCH = 500;

/**
 * Rejects with BridgeError `store.locked` (another process uses it), `store.wrong-key`, `store.newer-schema`, `store.moved` (copied to another one),
 * `store.copying` (a copy that was not finished), `store.unavailable`, `store.corrupt`, or `store.refused` and `store.address` (PostgreSQL does not let us in).
 */
export async function openStore(options: StoreOptions): Promise<OpenStore> {
  const memory = new Memory(options.remembers ?? mostRemembered);
  const listeners = { onTakenOver: options.onTakenOver, onRegained: () => memory.forget() };
  const database = 'path' in options ? openSqlite(options.path) : await openPostgres(options.postgres, listeners);
  try {
    return await build(database, memory, createSecretKey(options.masterKey), options);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function build(database: Database, memory: Memory, master: KeyObject, options: StoreOptions): Promise<OpenStore> {
  const { db } = database;
  const { clock, onAway, onBack } = options;
  const keys = new Keyring(db, master);

  if ((await inspectSchema(database)) === 'known') {
    await requireKey(keys, database.name);
    const elsewhere = await setting(db, 'moved');
    if (elsewhere !== undefined) throw moved(database.name, elsewhere);
    if ((await setting(db, 'copying')) !== undefined) throw copying(database.name);
  }
  await database.migrate();
  const { proof, ...own } = await ownKeys(keys, database.writer, db);
  const instanceId = await setting(db, 'instance');
  if (instanceId === undefined) throw damaged('setting');

  const writer = new WatchedWriter(database.writer, { probe: () => nothing(db), onAway, onBack });
  const reader = { db, keys, ...own };
  const write = <Result>(steps: () => Steps<Result>, durable?: () => void): Promise<Result> =>
    memory.writing(steps, (watched) => writer.submit(watched, durable));

  return {
    commit: async (changes) => {
      const commitKeys = keys.forCommit();
      await write(
        () => applyAll({ db, ...own, keys: commitKeys, now: clock.now() }, changes),
        () => keys.adopt(commitKeys),
      );
      if (commitKeys.destroyed) await database.scrub();
    },
    accounts: remembered(memory, reader, accountReads, ['get', 'find', 'ofUser', 'preferences']),
    contacts: remembered(memory, reader, contactReads, [
      'get',
      'byAddress',
      'ghost',
      'ghostByUser',
      'looksLikeAnother',
    ]),
    pictures: remembered(memory, reader, pictureReads, ['get']),
    portals: remembered(memory, reader, portalReads, ['get', 'find', 'byRoom']),
    spaces: remembered(memory, reader, spaceReads, ['of', 'byRoom']),
    blocks: remembered(memory, reader, blockReads, ['matching']),
    limitUses: limitUseReads(reader),
    policyRooms: remembered(memory, reader, policyRoomReads, ['get', 'rules']),
    inbox: inboxReads(reader),
    outbox: outboxReads(reader),
    references: referenceReads(reader),
    reading: readingReads(reader),
    visitors: remembered(memory, reader, visitorReads, ['hold']),
    roomKeyUses: roomKeyUseReads(reader),
    reactions: reactionReads(reader),
    events: eventReads(reader),
    botMessages: botMessageReads(reader),
    reports: reportReads(reader),
    tagKey: tagKey(proof),
    signal: remembered(memory, reader, signalReads, ['identity', 'peerTrust']),
    trust: remembered(memory, reader, trustReads, ['ofContact', 'isVerified', 'ofUser', 'devices']),
    erasures: erasureReads(reader),
    consent: consentReads(reader),
    compact: () => database.compact(),
    queue: queueReads(reader),
    counts: countReads(reader),
    signingKeys: signingKeyStore(reader, write),
    hostedFiles: hostedFiles(reader, write),
    examine: () => database.examine(),
    instanceId,
    botDevice: async () => (await setting(db, 'bot-device')) as DeviceId | undefined,
    noteBotDevice: (device) => write(() => noteBotDevice(db, device)),
    get writable() {
      return writer.writable;
    },
    prune: (before) => write(() => pruneBatch({ db, now: options.clock.now() }, before, PRUNE_BATCH)),
    close: async () => {
      writer.stopWatching();
      await database.close();
    },
  };
}

/** A write that leaves everything as it is. */
function* nothing(db: Kysely<Tables>): Steps {
  yield* run(db.updateTable('setting').set({ name: 'instance' }).where('name', '=', 'instance'));
}

function* noteBotDevice(db: Kysely<Tables>, value: DeviceId): Steps {
  const row = { name: 'bot-device', value } as const;
  yield* run(
    db
      .insertInto('setting')
      .values(row)
      .onConflict((at) => at.column('name').doUpdateSet({ value })),
  );
}

async function setting(db: Kysely<Tables>, name: Tables['setting']['name']): Promise<string | undefined> {
  return (await db.selectFrom('setting').select('value').where('name', '=', name).executeTakeFirst())?.value;
}

async function requireKey(keys: Keyring, name: string): Promise<void> {
  try {
    await keys.find('check');
  } catch (error) {
    throw wrongKey(name, error);
  }
}

/** Returns the bridge's own keys; makes them, with the instance id, in a new database. */
async function ownKeys(
  keys: Keyring,
  writer: Writer,
  db: Kysely<Tables>,
): Promise<{ readonly bridge: DataKey; readonly lookup: DataKey; readonly ledger: DataKey; readonly proof: DataKey }> {
  const commitKeys = keys.forCommit();
  const steps = function* () {
    if (keys.cached('check') === undefined) {
      for (const id of ['check', 'bridge', 'lookup'] as const) yield* commitKeys.create(id);
      const value = randomBytes(16).toString('hex');
      yield* run(db.insertInto('setting').values({ name: 'instance', value }));
    }
    // Databases that are older than what these keys are for have none of them.
    for (const id of ['ledger', 'proof'] as const) {
      if (!(yield* first(db.selectFrom('data_key').select('id').where('id', '=', id)))) yield* commitKeys.create(id);
    }
    return {
      bridge: yield* commitKeys.get('bridge'),
      lookup: yield* commitKeys.get('lookup'),
      ledger: yield* commitKeys.get('ledger'),
      proof: yield* commitKeys.get('proof'),
    };
  };
  return writer.submit(steps, () => keys.adopt(commitKeys));
}
