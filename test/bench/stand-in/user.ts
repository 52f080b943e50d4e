// A Matrix user with one cross-signed device, whose keys live in the stand-in's own key server.
import {
  DecryptionSettings,
  DeviceId,
  DeviceLists,
  EncryptionSettings,
  initAsync,
  OlmMachine,
  RequestType,
  RoomId,
  type ToDeviceRequest,
  TrustRequirement,
  UserId,
} from '@matrix-org/matrix-sdk-crypto-wasm';
import { z } from 'zod';
import type { JsonObject } from '../../../src/model/journal.ts';
import type { KeyServer } from './keys.ts';

export interface ToDevice {
  readonly to_user_id: string;
  readonly to_device_id: string;
  readonly sender: string;
  readonly type: string;
  readonly content: JsonObject;
}

type Outgoing = Awaited<ReturnType<OlmMachine['outgoingRequests']>>[number];

const messages = z.object({ messages: z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown()))) });
export const deviceId = 'STANDIN';

export class StandInUser {
  readonly id: string;
  readonly #machine: OlmMachine;
  readonly #keys: KeyServer;
  readonly #known = new Set<string>();

  private constructor(id: string, machine: OlmMachine, keys: KeyServer) {
    this.id = id;
    this.#machine = machine;
    this.#keys = keys;
  }

  static async create(id: string, keys: KeyServer): Promise<StandInUser> {
    await initAsync();
    const machine = await OlmMachine.initialize(new UserId(id), new DeviceId(deviceId));
    const user = new StandInUser(id, machine, keys);
    const { uploadKeysRequest, uploadSigningKeysRequest, uploadSignaturesRequest } =
      await machine.bootstrapCrossSigning(true);
    if (uploadKeysRequest) await user.#send(uploadKeysRequest);
    keys.uploadCrossSigning(id, JSON.parse(uploadSigningKeysRequest.body));
    await user.#send(uploadSignaturesRequest);
    await user.#sendOutgoing();
    return user;
  }

  /** Another device of the same user, cross-signed, that keeps no one-time keys at the homeserver. */
  async addDeviceWithoutKeys(id: string): Promise<void> {
    const secrets = await this.#machine.exportCrossSigningKeys();
    const machine = await OlmMachine.initialize(new UserId(this.id), new DeviceId(id));
    const query = machine.queryKeysForUsers([new UserId(this.id)]);
    await machine.markRequestAsSent(query.id, query.type, this.#answer(query));
    await machine.importCrossSigningKeys(secrets?.masterKey, secrets?.self_signing_key, secrets?.userSigningKey);
    const { uploadKeysRequest } = await machine.bootstrapCrossSigning(false);
    const { device_keys }: JsonObject = JSON.parse(uploadKeysRequest?.body ?? '{}');
    this.#keys.upload(this.id, id, { device_keys });
  }

  /** Encrypts for the ghost; what its device needs for that besides goes to `toDevice`. */
  async encrypt(
    room: string,
    ghost: string,
    content: JsonObject,
    toDevice: (message: ToDevice) => void,
  ): Promise<JsonObject> {
    if (!this.#known.has(ghost)) {
      this.#known.add(ghost);
      await this.#machine.updateTrackedUsers([new UserId(ghost)]);
      await this.#sendOutgoing();
      const claim = await this.#machine.getMissingSessions([new UserId(ghost)]);
      if (claim) await this.#machine.markRequestAsSent(claim.id, claim.type, this.#answer(claim));
    }
    const requests = await this.#machine.shareRoomKey(new RoomId(room), [new UserId(ghost)], new EncryptionSettings());
    for (const request of requests) {
      for (const message of addressed(this.id, request)) toDevice(message);
      await this.#machine.markRequestAsSent(request.id, RequestType.ToDevice, '{}');
    }
    return JSON.parse(
      await this.#machine.encryptRoomEvent(new RoomId(room), 'm.room.message', JSON.stringify(content)),
    );
  }

  /** Takes what was sent to the user's device. */
  async receive(messages: readonly ToDevice[]): Promise<void> {
    const events = messages.map(({ sender, type, content }) => ({ sender, type, content }));
    await this.#machine.receiveSyncChanges(JSON.stringify(events), new DeviceLists(), new Map());
  }

  async decrypt(room: string, event: JsonObject): Promise<void> {
    const settings = new DecryptionSettings(TrustRequirement.Untrusted);
    await this.#machine.decryptRoomEvent(JSON.stringify(event), new RoomId(room), settings);
  }

  /** More one-time keys, as a client makes them when it hears that few are left. */
  async topUp(): Promise<void> {
    const left = this.#keys.counts(this.id)?.oneTimeKeys ?? 0;
    const counts = new Map([['signed_curve25519', left]]);
    await this.#machine.receiveSyncChanges('[]', new DeviceLists(), counts, new Set(['signed_curve25519']));
    await this.#sendOutgoing();
  }

  async #sendOutgoing(): Promise<void> {
    for (const request of await this.#machine.outgoingRequests()) await this.#send(request);
  }

  async #send(request: Outgoing): Promise<void> {
    const { id, type } = request;
    if (id !== undefined) await this.#machine.markRequestAsSent(id, type, this.#answer(request));
  }

  #answer({ type, body }: { readonly type: RequestType; readonly body: string }): string {
    const request: JsonObject = JSON.parse(body);
    switch (type) {
      case RequestType.KeysUpload:
        return JSON.stringify(this.#keys.upload(this.id, deviceId, request));
      case RequestType.KeysQuery:
        return JSON.stringify(this.#keys.query(request));
      case RequestType.KeysClaim:
        return JSON.stringify(this.#keys.claim(request));
      case RequestType.SignatureUpload:
        return JSON.stringify(this.#keys.uploadSignatures(request));
      default:
        throw new Error(`the machine made a request of the type ${type}`);
    }
  }
}

function addressed(sender: string, request: ToDeviceRequest): ToDevice[] {
  const { event_type: type, body } = request;
  const users = Object.entries(messages.parse(JSON.parse(body)).messages);
  return users.flatMap(([to_user_id, devices]) =>
    Object.entries(devices).map(([to_device_id, content]) => ({ to_user_id, to_device_id, sender, type, content })),
  );
}
