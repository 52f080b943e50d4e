// Steps: a write as a generator of statements. It knows nothing of the connection that runs it, so the same steps run on any dialect.
import type { Compilable, CompiledQuery } from 'kysely';
import { gone } from './errors.ts';

export interface Outcome {
  readonly rows: readonly unknown[];
  /** How many rows were inserted, updated or deleted. */
  readonly changes: number;
}

export type Steps<Result = void> = Generator<CompiledQuery, Result, Outcome>;

/** Returns the rows of a query. */
export function* all<Row>(query: Compilable<Row>): Steps<readonly Row[]> {
  const { rows } = yield query.compile();
  // The rows are what the compiled query selects; kysely keeps that type beside the text of the statement.
  return rows as readonly Row[];
}

export function* first<Row>(query: Compilable<Row>): Steps<Row | undefined> {
  return (yield* all(query))[0];
}

/** Returns how many rows were changed. */
export function* run(query: Compilable): Steps<number> {
  return (yield query.compile()).changes;
}

/** Throws BridgeError `store.gone` where no row was changed. */
export function* mustChange(query: Compilable, what: string): Steps {
  if ((yield* run(query)) === 0) throw gone(what);
}
