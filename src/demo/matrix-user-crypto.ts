// The encryption identity of a Matrix user: cross-signing, secret storage, key backup, and what Element would show of trust.
import type { MatrixClient, MatrixEvent } from 'matrix-js-sdk';
import type { MatrixSdk } from './matrix-sdk.ts';
import { waitFor } from './matrix-wait.ts';

/** Element's shield on a message; `reason` is the library's name for it, such as UNSIGNED_DEVICE. */
export type Shield = { color: 'none' | 'grey' | 'red'; reason: string | undefined };
export type DeviceTrust = { known: boolean; signedByOwner: boolean; verified: boolean };
/** `needsUserApproval`: the user's master key is not the one first seen. */
export type UserTrust = {
  known: boolean;
  verified: boolean;
  needsUserApproval: boolean;
  masterKey: string | undefined;
};

type SecretStorageKey = Uint8Array<ArrayBuffer>;

/** Holds the secret storage key in memory, as Element does while it sets up or restores. */
export class RecoveryKey {
  #sdk: MatrixSdk;
  #key: SecretStorageKey | undefined;
  encoded: string | undefined;

  constructor(sdk: MatrixSdk, encoded?: string) {
    this.#sdk = sdk;
    this.encoded = encoded;
    this.#key = encoded === undefined ? undefined : sdk.crypto.decodeRecoveryKey(encoded);
  }

  readonly callbacks = {
    getSecretStorageKey: async ({
      keys,
    }: {
      keys: Record<string, unknown>;
    }): Promise<[string, SecretStorageKey] | null> => {
      const [id] = Object.keys(keys);
      return id === undefined || this.#key === undefined ? null : [id, this.#key];
    },
    cacheSecretStorageKey: (_id: string, _info: unknown, key: SecretStorageKey) => {
      this.#key = key;
    },
  };

  /** New secret storage under a new key, holding the cross-signing keys and, unless it exists already, a new key backup. */
  async setUp(client: MatrixClient, setupNewKeyBackup: boolean): Promise<void> {
    const crypto = cryptoOf(client);
    const generated = await crypto.createRecoveryKeyFromPassphrase();
    this.#key = generated.privateKey;
    this.encoded = generated.encodedPrivateKey ?? this.#sdk.crypto.encodeRecoveryKey(generated.privateKey);
    await crypto.bootstrapSecretStorage({
      createSecretStorageKey: async () => generated,
      setupNewSecretStorage: true,
      setupNewKeyBackup,
    });
  }
}

export function cryptoOf(client: MatrixClient) {
  const crypto = client.getCrypto();
  if (!crypto) throw new Error('this Matrix user has been stopped');
  return crypto;
}

/** First login: a cross-signing identity, this device signed with it, secret storage and key backup. */
export async function setUpIdentity(client: MatrixClient, recovery: RecoveryKey, password: string): Promise<void> {
  const authUploadDeviceSigningKeys = passwordAuth(client, password);
  await cryptoOf(client).bootstrapCrossSigning({ setupNewCrossSigning: true, authUploadDeviceSigningKeys });
  await recovery.setUp(client, true);
}

/** A fresh login with the recovery key: signs this device from secret storage and restores every backed-up room key. */
export async function restoreIdentity(client: MatrixClient): Promise<void> {
  const crypto = cryptoOf(client);
  // Importing the private keys needs the public ones.
  await crypto.userHasCrossSigningKeys(client.getSafeUserId(), true);
  await crypto.bootstrapCrossSigning({});
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
  await crypto.checkKeyBackupAndEnable();
  await crypto.restoreKeyBackup();
}

/** Returns when every room key this device knows is in the key backup, so that a fresh login can read what was said. */
export async function keysBackedUp(sdk: MatrixSdk, client: MatrixClient, timeoutMs: number): Promise<void> {
  const { CryptoEvent } = sdk.crypto;
  let missing = Number.POSITIVE_INFINITY;
  await waitFor({
    what: `the key backup of ${client.getSafeUserId()}`,
    timeoutMs,
    watch: (check) => {
      client.on(CryptoEvent.KeyBackupSessionsRemaining, check);
      return () => client.off(CryptoEvent.KeyBackupSessionsRemaining, check);
    },
    probe: async () => {
      const known = await cryptoOf(client).exportRoomKeys();
      missing = known.length - (await backedUpKeys(sdk, client));
      return missing <= 0 ? true : undefined;
    },
    seen: () => [`${missing} room keys that are not backed up`],
  });
}

/** From the homeserver: the library's own getKeyBackupInfo answers from a cache. */
async function backedUpKeys({ sdk }: MatrixSdk, client: MatrixClient): Promise<number> {
  const { Method, ClientPrefix } = sdk;
  const options = { prefix: ClientPrefix.V3 };
  const path = '/room_keys/version';
  const { count } = await client.http.authedRequest<{ count: number }>(Method.Get, path, {}, undefined, options);
  return count;
}

/**
 * Returns when the devices of these users are known, as far as they have any. Element asks for them when it shows a room;
 * without, a strict client that has restored a backup refuses for ever (UNKNOWN_SENDER_DEVICE) a room key that arrives
 * just before them (measured with 43.0.0).
 */
export async function devicesKnown(sdk: MatrixSdk, client: MatrixClient, userIds: string[], timeoutMs: number) {
  if (userIds.length === 0) return;
  const { device_keys: published } = await client.downloadKeysForUsers(userIds);
  const expected = Object.keys(published).filter((userId) => Object.keys(published[userId] ?? {}).length > 0);
  const { CryptoEvent } = sdk.crypto;
  let missing = expected;
  await waitFor({
    what: `the devices of ${expected.join(', ')}`,
    timeoutMs,
    watch: (check) => {
      client.on(CryptoEvent.DevicesUpdated, check);
      return () => client.off(CryptoEvent.DevicesUpdated, check);
    },
    probe: async () => {
      const known = await cryptoOf(client).getUserDeviceInfo(expected);
      missing = expected.filter((userId) => !known.get(userId)?.size);
      return missing.length === 0 ? true : undefined;
    },
    seen: () => [`no devices of ${missing.join(', ')}`],
  });
}

/** New cross-signing keys, secret storage and key backup; everybody else sees a changed identity. */
export async function resetIdentity(client: MatrixClient, recovery: RecoveryKey, password: string): Promise<void> {
  await cryptoOf(client).resetEncryption(passwordAuth(client, password));
  await recovery.setUp(client, false);
}

/** User-interactive authentication by password, where the homeserver asks for it (client-server API, 5.4). */
function passwordAuth(client: MatrixClient, password: string) {
  return async <T>(request: (auth: (Record<string, unknown> & { type?: string }) | null) => Promise<T>): Promise<T> => {
    try {
      return await request(null);
    } catch (error) {
      const session = uiaSession(error);
      if (session === undefined) throw error;
      const identifier = { type: 'm.id.user', user: client.getSafeUserId() };
      return request({ type: 'm.login.password', identifier, password, session });
    }
  };
}

function uiaSession(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('data' in error)) return undefined;
  const { data } = error;
  if (typeof data !== 'object' || data === null || !('session' in data)) return undefined;
  return typeof data.session === 'string' ? data.session : undefined;
}

export async function shieldOf(sdk: MatrixSdk, client: MatrixClient, event: MatrixEvent): Promise<Shield> {
  const info = await cryptoOf(client).getEncryptionInfoForEvent(event);
  if (!info) return { color: 'none', reason: undefined };
  const { EventShieldColour, EventShieldReason } = sdk.crypto;
  const colors = {
    [EventShieldColour.NONE]: 'none',
    [EventShieldColour.GREY]: 'grey',
    [EventShieldColour.RED]: 'red',
  } as const;
  const reason = info.shieldReason === null ? undefined : EventShieldReason[info.shieldReason];
  return { color: colors[info.shieldColour], reason };
}

export async function deviceTrust(client: MatrixClient, userId: string, deviceId: string): Promise<DeviceTrust> {
  const crypto = cryptoOf(client);
  await crypto.getUserDeviceInfo([userId], true);
  const status = await crypto.getDeviceVerificationStatus(userId, deviceId);
  return {
    known: status !== null,
    signedByOwner: status?.signedByOwner ?? false,
    verified: status?.isVerified() ?? false,
  };
}

export async function userTrust(client: MatrixClient, userId: string): Promise<UserTrust> {
  const crypto = cryptoOf(client);
  await crypto.userHasCrossSigningKeys(userId, true);
  const status = await crypto.getUserVerificationStatus(userId);
  const keys = await crypto.getUserCrossSigningKeys(userId);
  return {
    known: status.known,
    verified: status.isVerified(),
    needsUserApproval: status.needsUserApproval,
    masterKey: Object.values(keys?.master_key?.keys ?? {})[0],
  };
}
