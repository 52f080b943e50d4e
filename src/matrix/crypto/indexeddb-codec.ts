// The bytes under which an IndexedDB row is journaled: a canonical encoding of its key, and the structured clone of its value.
import { deserialize, serialize } from 'node:v8';
import { z } from 'zod';

/** The tagged form of a key: equal keys give equal JSON, which `v8.serialize` does not promise. */
type Tagged = string | number | { readonly date: number } | { readonly binary: string } | readonly Tagged[];

const tagged: z.ZodType<Tagged> = z.lazy(() =>
  z.union([
    z.string(),
    z.number(),
    z.strictObject({ date: z.number() }),
    z.strictObject({ binary: z.base64() }),
    z.array(tagged),
  ]),
);

function tag(key: IDBValidKey): Tagged {
  if (typeof key === 'string' || (typeof key === 'number' && Number.isFinite(key))) return key;
  if (key instanceof Date) return { date: key.getTime() };
  if (Array.isArray(key)) return key.map(tag);
  if (key instanceof ArrayBuffer) return { binary: Buffer.from(key).toString('base64') };
  if (ArrayBuffer.isView(key)) {
    return { binary: Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('base64') };
  }
  throw new TypeError(`this program stores no IndexedDB keys of the type ${typeof key}`);
}

function untag(key: Tagged): IDBValidKey {
  if (typeof key === 'string' || typeof key === 'number') return key;
  if ('date' in key) return new Date(key.date);
  if ('binary' in key) return new Uint8Array(Buffer.from(key.binary, 'base64')).buffer;
  return key.map(untag);
}

export function encodeKey(key: IDBValidKey): Uint8Array {
  return Buffer.from(JSON.stringify(tag(key)), 'utf8');
}

export function decodeKey(bytes: Uint8Array): IDBValidKey {
  return untag(tagged.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))));
}

export function encodeValue(value: unknown): Uint8Array {
  return serialize(value);
}

export function decodeValue(bytes: Uint8Array): unknown {
  return deserialize(bytes);
}

/** What has to be known to make a database again. */
export interface DatabaseSchema {
  readonly version: number;
  readonly stores: Readonly<Record<string, StoreSchema>>;
}

export interface StoreSchema {
  readonly keyPath: string | readonly string[] | null;
  readonly indexes: Readonly<
    Record<
      string,
      { readonly keyPath: string | readonly string[]; readonly unique: boolean; readonly multiEntry: boolean }
    >
  >;
}

const keyPath = z.union([z.string(), z.array(z.string())]);
const schema: z.ZodType<DatabaseSchema> = z.object({
  version: z.number(),
  stores: z.record(
    z.string(),
    z.object({
      keyPath: keyPath.nullable(),
      indexes: z.record(z.string(), z.object({ keyPath, unique: z.boolean(), multiEntry: z.boolean() })),
    }),
  ),
});

export function encodeSchema(value: DatabaseSchema): string {
  return JSON.stringify(value);
}

export function decodeSchema(text: string): DatabaseSchema {
  return schema.parse(JSON.parse(text));
}
