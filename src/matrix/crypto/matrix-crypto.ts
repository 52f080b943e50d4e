// End-to-end encryption as the domain sees it: the port `MatrixCrypto` over a pool of machines.
import type { Actor } from '../../model/contact.ts';
import type { CryptoJournal } from '../../model/crypto-journal.ts';
import { errorCode } from '../../model/errors.ts';
import type { RoomId, UserId } from '../../model/ids.ts';
import type { JsonObject, MatrixEvent } from '../../model/journal.ts';
import type {
  MatrixCrypto,
  MatrixCryptoEvents,
  MatrixDecryption,
  MatrixEncryption,
  UserDevices,
} from '../../model/matrix.ts';
import type { DevicePolicy } from '../../model/trust.ts';
import type { Logger } from '../../observability/logger.ts';
import { type ClientApi, isError } from '../client-api.ts';
import { type ClientRequest, request } from '../client-request.ts';
import { CryptoDatabases } from './databases.ts';
import { roomKeyRemoval } from './forget-room.ts';
import { followedUserRemoval } from './forget-user.ts';
import { devicesOf, publishIdentity, refresh } from './identity.ts';
import { type KeyPart, pushedKeys, syncedKeys } from './key-part.ts';
import { loadCryptoLibrary } from './library.ts';
import { Machine } from './machine.ts';
import { reportPanics } from './panic.ts';
import { MachinePool } from './pool.ts';
import { renewSessions } from './renew-sessions.ts';
import { decryptFrom, encryptFor } from './room-encryption.ts';

export interface MachineCryptoOptions {
  readonly api: ClientApi;
  readonly journal: CryptoJournal;
  readonly logger: Logger;
  readonly events: MatrixCryptoEvents;
  /** A ratchet may have run ahead of the disk, or a machine's state is unknown: the process must end. */
  readonly onFatal: (error: Error) => void;
  /** Open machines take about a quarter of a megabyte each. */
  readonly maxOpenMachines: number;
}

/** With fewer one-time keys than this left (of 50) a machine makes new ones. */
const fewKeys = 25;
/** Synapse gives 100 to-device messages per `/sync`. More rounds than this are no backlog but a homeserver that repeats itself. */
const maxSyncRounds = 1_000;

export class MachineCrypto implements MatrixCrypto {
  readonly #options: MachineCryptoOptions;
  readonly #databases: CryptoDatabases;
  readonly #pool: MachinePool;
  readonly #stopReporting: () => void;

  constructor(options: MachineCryptoOptions) {
    this.#options = options;
    this.#databases = new CryptoDatabases(options.journal, options.onFatal);
    this.#pool = new MachinePool({
      databases: this.#databases,
      maxOpen: options.maxOpenMachines,
      open: (actor, storeName, existed) => this.#open(actor, storeName, existed),
    });
    this.#stopReporting = reportPanics(options.onFatal);
  }

  /** Device keys and cross-signing identity, as far as they are missing on the homeserver; the device itself exists. */
  publishIdentity(actor: Actor): Promise<void> {
    const publish = this.#pool.make(actor, (machine, { existed }) => publishIdentity(machine, existed));
    return publish.then(() => this.#databases.flushed());
  }

  encrypt(
    actor: Actor,
    room: RoomId,
    recipient: UserId,
    pinned: string | undefined,
    policy: DevicePolicy,
    type: string,
    content: JsonObject,
  ): Promise<MatrixEncryption> {
    const recipients = [{ user: recipient, pinned }];
    return this.#use(actor, (machine) => encryptFor(machine, { room, recipients, policy, type, content }));
  }

  encryptForAll(
    actor: Actor,
    room: RoomId,
    users: readonly UserId[],
    policy: DevicePolicy,
    type: string,
    content: JsonObject,
  ): Promise<MatrixEncryption> {
    const recipients = users.map((user) => ({ user, pinned: undefined }));
    return this.#use(actor, (machine) => encryptFor(machine, { room, recipients, policy, type, content }));
  }

  decrypt(actor: Actor, event: MatrixEvent): Promise<MatrixDecryption> {
    return this.#use(actor, (machine) => decryptFrom(machine, event));
  }

  devicesOf(actor: Actor, user: UserId, policy: DevicePolicy): Promise<UserDevices> {
    return this.#use(actor, async (machine) => {
      await refresh(machine, user);
      return devicesOf(machine, user, policy);
    });
  }

  async receive(body: JsonObject, actors: readonly Actor[]): Promise<void> {
    const keys = pushedKeys(body);
    await Promise.all(
      actors.map(async (actor) => {
        const part = keys.of(actor);
        if (!this.#concerns(actor, part)) return;
        try {
          await this.#pool.useExisting(actor, async (machine) => {
            const undecryptable = await machine.receive(part);
            await this.#databases.flushed();
            await this.#renewSessions(machine, undecryptable);
            await machine.sendOutgoing();
          });
        } catch (error) {
          // The transaction stays until its keys are on the disk.
          if (isError(error, 'store.unavailable')) throw error;
          // To-device messages were taken in, or can be fetched again; requests that failed are made again next time.
          const fields = { actor: actor.id, code: errorCode(error), err: error };
          this.#options.logger.warn(fields, 'keys of a transaction were not fully handled');
        }
      }),
    );
    // Machines that are closed, or do not follow these users, do not tell.
    const ours = new Set<string>(actors.map((actor) => actor.user));
    const changed = keys.devicesChanged.filter((user) => !ours.has(user)) as UserId[];
    if (changed.length > 0) this.#options.events.devicesChanged(changed);
  }

  openActors(): readonly Actor[] {
    return this.#pool.actors;
  }

  async recover(actor: Actor): Promise<void> {
    const wasOpen = this.#pool.isOpen(actor.id);
    await this.#pool.useExisting(actor, async (machine, turn) => {
      const undecryptable: JsonObject[] = [];
      for (let round = 0; round < maxSyncRounds; round++) {
        // The first call asks for what came since the last one, and by that acknowledges what came before.
        const synced = syncedKeys(await machine.post(await this.#syncRequest(actor)));
        undecryptable.push(...(await machine.receive(synced)));
        await this.#databases.flushed();
        this.#options.journal.setSyncToken(actor.id, synced.nextBatch);
        if (synced.toDevice.length === 0) break;
      }
      // Device list changes were dropped as well, and those are not kept for anybody.
      await machine.doubtEverybody();
      await this.#renewSessions(machine, undecryptable);
      await machine.sendOutgoing();
      // Opened for this alone, it would drive out one that is in use.
      if (!wasOpen) await turn.close();
    });
  }

  async forgetRoom(actor: Actor, room: RoomId): Promise<void> {
    const { journal } = this.#options;
    await this.#pool.useExisting(actor, async (machine, turn) => {
      const removal = await roomKeyRemoval(machine, journal, actor.id, room);
      // Closed first: the machine holds the room's current key in memory.
      await turn.close();
      journal.append(actor.id, removal);
      await this.#databases.flushed();
    });
  }

  async forgetUser(actor: Actor, user: UserId): Promise<void> {
    const { journal } = this.#options;
    await this.#pool.alone(actor.id, async () => {
      // The machine has the list in memory.
      await this.#pool.closeNow(actor.id);
      journal.append(actor.id, followedUserRemoval(await journal.load(actor.id), user));
      await this.#databases.flushed();
    });
  }

  async destroy(actor: Actor): Promise<void> {
    const { api, journal } = this.#options;
    await this.#pool.alone(actor.id, async () => {
      await this.#pool.closeNow(actor.id);
      // The keys first: they are gone even where the homeserver cannot be reached.
      journal.erase(actor.id);
      await this.#databases.flushed();
      try {
        await api.asUser(actor, request('DELETE devices/{device}', { device: actor.device }, { body: {} }));
      } catch (error) {
        if (!isError(error, 'matrix.not-found', 'matrix.unknown-user')) throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#pool.close();
    await this.#databases.flushed().catch((error: unknown) => {
      // As if it had not been done: nothing of it has left the process.
      this.#options.logger.warn(
        { code: errorCode(error), err: error },
        'the end of the crypto journal was not written',
      );
    });
    this.#stopReporting();
  }

  /** Runs `task`. What it answers is given out when all that the machine has changed for it is durable. */
  async #use<T>(actor: Actor, task: (machine: Machine) => Promise<T>): Promise<T> {
    const result = await this.#pool.use(actor, task);
    await this.#databases.flushed();
    return result;
  }

  async #renewSessions(machine: Machine, undecryptable: readonly JsonObject[]): Promise<void> {
    const count = await renewSessions(machine, undecryptable);
    if (count > 0)
      this.#options.logger.info({ actor: machine.actor.id, count }, 'sessions with devices were made anew');
  }

  /**
   * A machine hears of its messages and of running out of one-time keys, for which it is opened if need be; of counts that ask for nothing
   * it does not, because they cost it milliseconds. Device lists concern open ones: another asks for them when it opens.
   */
  #concerns(actor: Actor, part: KeyPart): boolean {
    if (part.toDevice.length > 0) return true;
    const { keyCounts, fallbackKeys, devicesChanged, devicesLeft } = part;
    const few = keyCounts !== undefined && (keyCounts.get('signed_curve25519') ?? 0) < fewKeys;
    if (few || fallbackKeys?.size === 0) return true;
    return devicesChanged.length + devicesLeft.length > 0 && this.#pool.isOpen(actor.id);
  }

  async #open(actor: Actor, storeName: string, existed: boolean): Promise<Machine> {
    await loadCryptoLibrary();
    const { api, journal, onFatal } = this.#options;
    const context = { api, onFatal, flushed: () => this.#databases.flushed() };
    const machine = await Machine.open(actor, storeName, await journal.storeKey(actor.id), context);
    if (existed) await machine.doubtEverybody();
    this.#tellEvents(machine);
    return machine;
  }

  #tellEvents(machine: Machine): void {
    const { events, logger } = this.#options;
    const own = machine.actor.user;
    const tell = (report: () => void): void => {
      try {
        report();
      } catch (error) {
        logger.error({ actor: machine.actor.id, err: error }, 'news of keys could not be passed on');
      }
    };
    const changed = (users: readonly string[]): void => {
      const others = users.filter((user) => user !== own) as UserId[];
      if (others.length > 0) tell(() => events.devicesChanged(others));
    };
    const { olm } = machine;
    olm.registerRoomKeyUpdatedCallback(async (keys) => {
      const rooms = new Set(keys.map((key) => key.roomId.toString() as RoomId));
      tell(() => events.roomKeys([...rooms]));
    });
    olm.registerDevicesUpdatedCallback(async (users) => changed(users));
    olm.registerUserIdentityUpdatedCallback(async (user) => changed([user.toString()]));
  }

  async #syncRequest(actor: Actor): Promise<ClientRequest> {
    const nothing = { types: [] };
    const filter = { room: { rooms: [] }, presence: nothing, account_data: nothing };
    const since = await this.#options.journal.syncToken(actor.id);
    const query = { timeout: '0', set_presence: 'offline', filter: JSON.stringify(filter) };
    return request('GET sync', {}, { query: since === undefined ? query : { ...query, since } });
  }
}
