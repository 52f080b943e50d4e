// Words under a file (MSC2530, in the Matrix spec since 1.10: a `body` other than `filename` is a caption).
import type { JsonObject } from '../../model/journal.ts';

/** Returns the content of a file's event with another caption; empty: with none. */
export function recaptioned(original: JsonObject, caption: string): JsonObject {
  return { ...original, body: caption };
}
