// Bytes inside values that are sealed as JSON.

const MARK = 'base64:';

/** Returns a copy of plain data in which all bytes are marked text. */
export function withBase64(value: unknown): unknown {
  if (value instanceof Uint8Array) return { [MARK]: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(withBase64);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withBase64(member)]));
}

/** Undoes `withBase64`; what is sealed was written by us, so its type is the caller's word for what was put in. */
export function withBytes<Value>(stored: unknown): Value {
  return restored(stored) as Value;
}

function restored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(restored);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (entries.length === 1 && only?.[0] === MARK && typeof only[1] === 'string') return Buffer.from(only[1], 'base64');
  return Object.fromEntries(entries.map(([key, member]) => [key, restored(member)]));
}
