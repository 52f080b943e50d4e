// The keys that a homeserver keeps for its users: as much of it as machines need to find and trust each other.
import type { JsonObject } from '../../../src/model/journal.ts';

type Keys = Record<string, unknown> & { signatures?: Record<string, Record<string, string>> };
type Signed = Record<string, Keys>;

interface Device {
  keys: Keys | undefined;
  readonly oneTime: [id: string, key: unknown][];
  fallback: [id: string, key: unknown] | undefined;
}

const crossSigningKinds = ['master_key', 'self_signing_key', 'user_signing_key'] as const;

export class KeyServer {
  readonly #devices = new Map<string, Map<string, Device>>();
  readonly #crossSigning = new Map<string, Partial<Record<(typeof crossSigningKinds)[number], Keys>>>();

  upload(user: string, id: string, body: JsonObject): JsonObject {
    const device = this.#device(user, id);
    if (body.device_keys) device.keys = body.device_keys as Keys;
    device.oneTime.push(...Object.entries((body.one_time_keys ?? {}) as JsonObject));
    const [fallback] = Object.entries((body.fallback_keys ?? {}) as JsonObject);
    if (fallback) device.fallback = fallback;
    return { one_time_key_counts: { signed_curve25519: device.oneTime.length } };
  }

  uploadCrossSigning(user: string, body: JsonObject): JsonObject {
    const known = this.#crossSigning.get(user) ?? {};
    for (const kind of crossSigningKinds) if (body[kind]) known[kind] = body[kind] as Keys;
    this.#crossSigning.set(user, known);
    return {};
  }

  uploadSignatures(body: JsonObject): JsonObject {
    for (const [user, signed] of Object.entries(body as Record<string, Signed>)) {
      for (const [id, keys] of Object.entries(signed)) {
        const target = this.#devices.get(user)?.get(id)?.keys ?? this.#crossSigning.get(user)?.master_key;
        if (target === undefined) continue;
        for (const [by, signatures] of Object.entries(keys.signatures ?? {})) {
          target.signatures = { ...target.signatures, [by]: { ...target.signatures?.[by], ...signatures } };
        }
      }
    }
    return { failures: {} };
  }

  query(body: JsonObject): JsonObject {
    const users = Object.keys((body.device_keys ?? {}) as JsonObject);
    const of = <Value>(pick: (user: string) => Value | undefined): Record<string, Value> =>
      Object.fromEntries(
        users.flatMap((user) => {
          const value = pick(user);
          return value === undefined ? [] : [[user, value]];
        }),
      );
    return {
      failures: {},
      device_keys: of((user) => {
        const devices = [...(this.#devices.get(user) ?? [])].filter(([, { keys }]) => keys !== undefined);
        return Object.fromEntries(devices.map(([id, { keys }]) => [id, keys]));
      }),
      master_keys: of((user) => this.#crossSigning.get(user)?.master_key),
      self_signing_keys: of((user) => this.#crossSigning.get(user)?.self_signing_key),
      user_signing_keys: of((user) => this.#crossSigning.get(user)?.user_signing_key),
    };
  }

  claim(body: JsonObject): JsonObject {
    const wanted = (body.one_time_keys ?? {}) as Record<string, Record<string, string>>;
    const claimed = Object.entries(wanted).map(([user, devices]) => {
      const keys = Object.keys(devices).flatMap((id) => {
        const device = this.#device(user, id);
        const key = device.oneTime.shift() ?? device.fallback;
        return key === undefined ? [] : [[id, Object.fromEntries([key])]];
      });
      return [user, Object.fromEntries(keys)];
    });
    return { failures: {}, one_time_keys: Object.fromEntries(claimed) };
  }

  /** What a transaction says of the keys of a user's only device. */
  counts(user: string): { readonly device: string; readonly oneTimeKeys: number } | undefined {
    const [device] = this.#devices.get(user) ?? [];
    return device && { device: device[0], oneTimeKeys: device[1].oneTime.length };
  }

  remove(user: string, device: string): void {
    this.#devices.get(user)?.delete(device);
  }

  masterKey(user: string): string | undefined {
    const keys = this.#crossSigning.get(user)?.master_key?.keys;
    return keys === undefined ? undefined : Object.values(keys as Record<string, string>)[0];
  }

  #device(user: string, id: string): Device {
    const devices = this.#devices.get(user) ?? new Map<string, Device>();
    this.#devices.set(user, devices);
    const device = devices.get(id) ?? { keys: undefined, oneTime: [], fallback: undefined };
    devices.set(id, device);
    return device;
  }
}
