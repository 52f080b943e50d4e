// Steps: a write as a generator of statements. It knows nothing of the connection that runs it, so the same steps run on any dialect.
import type { Compilable, CompiledQuery } from 'kysely';
import type { BridgeError } from '../model/errors.ts';
import { gone } from './errors.ts';

export interface Outcome {
  readonly rows: readonly unknown[];
  /** How many rows were inserted, updated or deleted. */
  readonly changes: number;
}

export interface Statement {
  readonly query: CompiledQuery;
  /** Whether the next step depends on the outcome. Where none does, a remote database is not waited for. */
  readonly awaited: boolean;
  /** What fails the commit where no row was changed. */
  readonly mustChange?: () => BridgeError;
}

/** Resumed with the outcome of an awaited statement, and with anything after the others. */
export type Steps<Result = void> = Generator<Statement, Result, Outcome>;

/** Returns the rows of a query. */
export function* all<Row>(query: Compilable<Row>): Steps<readonly Row[]> {
  const { rows } = yield { query: query.compile(), awaited: true };
  // The rows are what the compiled query selects; kysely keeps that type beside the text of the statement.
  return rows as readonly Row[];
}

export function* first<Row>(query: Compilable<Row>): Steps<Row | undefined> {
  return (yield* all(query))[0];
}

export function* run(query: Compilable): Steps {
  yield { query: query.compile(), awaited: false };
}

/** Returns how many rows were changed. */
export function* countChanges(query: Compilable): Steps<number> {
  return (yield { query: query.compile(), awaited: true }).changes;
}

/** The commit fails where no row is changed: with BridgeError `store.gone`, or with what `failure` makes of it. */
export function* mustChange(query: Compilable, what: string, failure: (what: string) => BridgeError = gone): Steps {
  yield { query: query.compile(), awaited: false, mustChange: () => failure(what) };
}
