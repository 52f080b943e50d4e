// One open OlmMachine: its calls with a deadline, and its requests carried to the homeserver.
import {
  DeviceId,
  DeviceLists,
  type KeysClaimRequest,
  type KeysQueryRequest,
  type KeysUploadRequest,
  OlmMachine,
  ProcessedToDeviceEventType,
  RequestType,
  RoomId,
  type SignatureUploadRequest,
  StoreHandle,
  type ToDeviceRequest,
  UserId,
} from '@matrix-org/matrix-sdk-crypto-wasm';
import type { Actor } from '../../model/contact.ts';
import { BridgeError } from '../../model/errors.ts';
import type { JsonObject } from '../../model/journal.ts';
import { type ClientApi, isError } from '../client-api.ts';
import { type ClientRequest, request } from '../client-request.ts';
import type { KeyPart } from './key-part.ts';

export interface MachineContext {
  readonly api: ClientApi;
  /** Resolves when everything that machines have changed is durable. */
  readonly flushed: () => Promise<void>;
  readonly onFatal: (error: Error) => void;
}

type MachineRequest =
  | KeysUploadRequest
  | KeysQueryRequest
  | KeysClaimRequest
  | ToDeviceRequest
  | SignatureUploadRequest
  | Awaited<ReturnType<OlmMachine['outgoingRequests']>>[number];

/** The library tries again by itself what it could not find out: so long it may be late with that. Milliseconds. */
const recallMs = 10_000;

/** A call that takes longer has panicked inside wasm: its promise never settles. Milliseconds. */
const callLimitMs = 60_000;

export class Machine {
  readonly actor: Actor;
  readonly #olm: OlmMachine;
  readonly #context: MachineContext;
  /** Answers about other users' keys. */
  readonly #recalled = new Map<string, unknown>();
  /** When they were forgotten last, by `performance.now`, and how often. */
  #forgottenAt = performance.now();
  #forgotten = 0;

  private constructor(actor: Actor, olm: OlmMachine, context: MachineContext) {
    this.actor = actor;
    this.#olm = olm;
    this.#context = context;
  }

  static async open(actor: Actor, storeName: string, key: Uint8Array, context: MachineContext): Promise<Machine> {
    const handle = await StoreHandle.openWithKey(storeName, key);
    const olm = await OlmMachine.initFromStore(new UserId(actor.user), new DeviceId(actor.device), handle);
    // A bridge neither begs other devices for keys nor hands its own to them.
    olm.roomKeyRequestsEnabled = false;
    olm.roomKeyForwardingEnabled = false;
    return new Machine(actor, olm, context);
  }

  /** Runs `operation`. One that never ends has panicked: that is fatal, since this machine's state is unknown from then on. */
  async call<T>(operation: (olm: OlmMachine) => Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const error = new BridgeError('crypto.stuck', 'a call into the crypto library does not return');
      reject(error);
      this.#context.onFatal(error);
    }, callLimitMs);
    try {
      return await Promise.race([operation(this.#olm), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Returns what `ask` answers about other users' keys. It is asked again when the homeserver has answered a request of this machine or has pushed
   * something to it, which is how it learns of any, and after a moment in any case.
   */
  async recall<T>(question: string, ask: () => Promise<T>): Promise<T> {
    if (performance.now() - this.#forgottenAt > recallMs) this.#forget();
    // Under each question is what its `ask` has answered.
    if (this.#recalled.has(question)) return this.#recalled.get(question) as T;
    const before = this.#forgotten;
    const answer = await ask();
    if (before === this.#forgotten) this.#recalled.set(question, answer);
    return answer;
  }

  /** Every user's keys are to be asked for again. */
  async doubtEverybody(): Promise<void> {
    await this.call((olm) => olm.markAllTrackedUsersAsDirty());
    this.#forget();
  }

  #forget(): void {
    this.#recalled.clear();
    this.#forgotten += 1;
    this.#forgottenAt = performance.now();
  }

  get olm(): OlmMachine {
    return this.#olm;
  }

  /** Sends a request of the machine and tells it the answer. */
  async send(request: MachineRequest): Promise<JsonObject> {
    try {
      const answer = await this.post(clientRequest(request));
      const { id, type } = request;
      if (id !== undefined) await this.call((olm) => olm.markRequestAsSent(id, type, JSON.stringify(answer)));
      return answer;
    } finally {
      this.#forget();
    }
  }

  /** Sends as this machine's device, once what led to it is durable. */
  async post(request: ClientRequest): Promise<JsonObject> {
    await this.#context.flushed();
    return this.#context.api.asDevice(this.actor, request);
  }

  /** Carries out what the machine wants to ask or tell the homeserver; returns what that was. */
  async sendOutgoing(): Promise<readonly MachineRequest[]> {
    const requests = await this.call((olm) => olm.outgoingRequests());
    for (const request of requests) {
      if (request.type === RequestType.KeysUpload) await this.#upload(request);
      else await this.send(request);
    }
    return requests;
  }

  /**
   * After an older journal was restored the homeserver has other one-time keys under these ids, and refuses them for ever: they are
   * passed over, and it is asked, by an upload of nothing, how many it has. Device keys are never passed over.
   */
  async #upload(made: MachineRequest): Promise<void> {
    try {
      await this.send(made);
    } catch (error) {
      const passedOver = isError(error, 'matrix.refused') && !('device_keys' in JSON.parse(made.body));
      if (!passedOver || made.id === undefined) throw error;
      const { id, type } = made;
      const counts = await this.post(request('POST keys/upload', {}, { body: '{}' }));
      await this.call((olm) => olm.markRequestAsSent(id, type, JSON.stringify(counts)));
    }
  }

  /**
   * Feeds what came from the homeserver. Without counts the machine must not be told any: it takes missing ones for zero. Returns the
   * messages that it could not decrypt.
   */
  async receive(part: KeyPart): Promise<readonly JsonObject[]> {
    const events = JSON.stringify(part.toDevice);
    const lists = new DeviceLists(userIds(part.devicesChanged), userIds(part.devicesLeft));
    const { keyCounts: counts, fallbackKeys: fallback } = part;
    const processed = await this.call((olm) =>
      counts === undefined
        ? olm.receiveSyncChangesMsc4186(events, lists, new Map(), fallback)
        : olm.receiveSyncChanges(events, lists, new Map(counts), fallback),
    ).finally(() => this.#forget());
    return processed
      .filter(({ type }) => type === ProcessedToDeviceEventType.UnableToDecrypt)
      .map(({ rawEvent }): JsonObject => JSON.parse(rawEvent));
  }

  close(): void {
    this.#olm.close();
  }
}

/** The library consumes the ids that it is given: they are made anew for every call. */
export function userIds(users: readonly string[]): UserId[] {
  return users.map((user) => new UserId(user));
}

export function roomId(room: string): RoomId {
  return new RoomId(room);
}

function clientRequest(made: MachineRequest): ClientRequest {
  const { body } = made;
  switch (made.type) {
    case RequestType.KeysUpload:
      return request('POST keys/upload', {}, { body });
    case RequestType.KeysQuery:
      return request('POST keys/query', {}, { body });
    case RequestType.KeysClaim:
      return request('POST keys/claim', {}, { body });
    case RequestType.SignatureUpload:
      return request('POST keys/signatures/upload', {}, { body });
    case RequestType.ToDevice:
      if (!('event_type' in made)) break;
      return request('PUT sendToDevice/{type}/{txn}', { type: made.event_type, txn: made.txn_id }, { body });
  }
  throw new BridgeError('crypto.unknown-request', `the crypto library made a request of the unknown type ${made.type}`);
}
