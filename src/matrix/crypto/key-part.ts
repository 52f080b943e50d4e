// The part of a transaction or a `/sync` answer that concerns keys, read once, under its stable and its older names.
import { z } from 'zod';
import type { Actor } from '../../model/contact.ts';
import type { JsonObject } from '../../model/journal.ts';

/** What one machine is fed. */
export interface KeyPart {
  readonly toDevice: readonly JsonObject[];
  readonly devicesChanged: readonly string[];
  readonly devicesLeft: readonly string[];
  /** One-time keys left on the homeserver, by algorithm. Undefined: nothing was said. */
  readonly keyCounts: ReadonlyMap<string, number> | undefined;
  /** Algorithms with an unused fallback key. Undefined: nothing was said; empty: a new one is due. */
  readonly fallbackKeys: Set<string> | undefined;
}

/** A catch-up transaction after our absence has none of these keys (docs/protocol.md). */
export interface PushedKeys {
  readonly devicesChanged: readonly string[];
  /** What concerns `actor`'s own device, with the device list changes that concern everybody. */
  of(actor: Actor): KeyPart;
}

const object = z.record(z.string(), z.unknown());
const toDeviceEvents = z.array(
  z.looseObject({ to_user_id: z.string(), to_device_id: z.string(), type: z.string(), content: object }),
);
const deviceLists = z.object({ changed: z.array(z.string()).catch([]), left: z.array(z.string()).catch([]) });
const counts = z.record(z.string(), z.number());
const algorithms = z.array(z.string());
const perDevice = z.record(z.string(), z.record(z.string(), z.unknown()));

/** Stable names first. Synapse sends the same counts under two of the older ones, and only older ones at all. */
const names = {
  toDevice: ['to_device', 'de.sorunome.msc2409.to_device'],
  lists: ['device_lists', 'org.matrix.msc3202.device_lists'],
  counts: [
    'device_one_time_keys_count',
    'org.matrix.msc3202.device_one_time_key_counts',
    'org.matrix.msc3202.device_one_time_keys_count',
  ],
  fallback: ['device_unused_fallback_key_types', 'org.matrix.msc3202.device_unused_fallback_key_types'],
} as const;

const first = (body: JsonObject, candidates: readonly string[]): unknown => {
  const name = candidates.find((candidate) => body[candidate] !== undefined);
  return name === undefined ? undefined : body[name];
};

/** What is malformed is left out: one part must not cost the others. */
function read<T>(schema: z.ZodType<T>, value: unknown): T | undefined {
  const result = schema.safeParse(value);
  return result.success ? result.data : undefined;
}

export function pushedKeys(body: JsonObject): PushedKeys {
  const given = first(body, names.toDevice);
  const events = (Array.isArray(given) ? given : []).flatMap((event) => read(toDeviceEvents, [event]) ?? []);
  const lists = read(deviceLists, first(body, names.lists)) ?? { changed: [], left: [] };
  const allCounts = read(perDevice, first(body, names.counts)) ?? {};
  const allFallback = read(perDevice, first(body, names.fallback)) ?? {};
  return {
    devicesChanged: lists.changed,
    of: ({ user, device }) => {
      // The maps also name pseudo-devices, the cross-signing keys: only our own device is asked for.
      const keyCounts = read(counts, allCounts[user]?.[device]);
      const fallback = read(algorithms, allFallback[user]?.[device]);
      return {
        toDevice: events
          .filter((event) => event.to_user_id === user && event.to_device_id === device)
          .map(({ to_user_id, to_device_id, ...event }) => event),
        devicesChanged: lists.changed,
        devicesLeft: lists.left,
        keyCounts: keyCounts && new Map(Object.entries(keyCounts)),
        fallbackKeys: fallback && new Set(fallback),
      };
    },
  };
}

const syncAnswer = z.object({
  next_batch: z.string(),
  to_device: z.object({ events: z.array(object).catch([]) }).catch({ events: [] }),
  device_lists: deviceLists.catch({ changed: [], left: [] }),
  device_one_time_keys_count: counts.optional(),
  device_unused_fallback_key_types: algorithms.optional(),
});

export interface SyncedKeys extends KeyPart {
  readonly nextBatch: string;
}

/** Throws ZodError where the answer is none of a `/sync`. */
export function syncedKeys(body: JsonObject): SyncedKeys {
  const answer = syncAnswer.parse(body);
  const { device_one_time_keys_count: keyCounts, device_unused_fallback_key_types: fallback } = answer;
  return {
    nextBatch: answer.next_batch,
    toDevice: answer.to_device.events,
    devicesChanged: answer.device_lists.changed,
    devicesLeft: answer.device_lists.left,
    keyCounts: keyCounts && new Map(Object.entries(keyCounts)),
    fallbackKeys: fallback && new Set(fallback),
  };
}
