// Statements that are built once. What changes from one run of them to the next are the values.
import type { Compilable, CompiledQuery, Kysely } from 'kysely';
import type { Tables } from './tables.ts';

/** Stands where a value will be. */
class Hole {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * What makes the statement of `build` for given values. It is built and compiled once for each database and each set of values that are there: `build`
 * has to put them into the statement as they are, and must not look at them.
 */
export function built<Given extends Readonly<Record<string, unknown>>, Row>(
  build: (db: Kysely<Tables>, given: Given) => Compilable<Row>,
): (db: Kysely<Tables>, given: Given) => Compilable<Row> {
  const compiled = new WeakMap<Kysely<Tables>, Map<string, CompiledQuery<Row>>>();
  const ofDatabase = (db: Kysely<Tables>): Map<string, CompiledQuery<Row>> => {
    const known = compiled.get(db) ?? new Map<string, CompiledQuery<Row>>();
    compiled.set(db, known);
    return known;
  };
  return (db, given) => ({
    compile: () => {
      const names = Object.keys(given);
      const shape = names.join();
      const known = ofDatabase(db);
      const statement = known.get(shape) ?? build(db, holes(names)).compile();
      known.set(shape, statement);
      return { ...statement, parameters: statement.parameters.map((value) => filled(value, given)) };
    },
  });
}

/** They take the places of values of all types; kysely asks no more of a value than that it is none of its own expressions. */
const holes = <Given>(names: readonly string[]): Given =>
  Object.fromEntries(names.map((name) => [name, new Hole(name)])) as Given;

const filled = (value: unknown, given: Readonly<Record<string, unknown>>): unknown =>
  value instanceof Hole ? given[value.name] : value;
