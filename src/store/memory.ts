// What reads have answered, remembered until a table that they looked at is written. Only this process writes, and all that it writes passes by here.
import {
  type KyselyPlugin,
  type OperationNode,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  type QueryResult,
  type RootOperationNode,
  TableNode,
  type UnknownRow,
} from 'kysely';
import type { Statement, Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader } from './unit.ts';

type TableName = keyof Tables;

/** Deleting from one of them deletes rows of others, or makes sealed ones worthless: everything is forgotten. */
export const parents: ReadonlySet<TableName> = new Set([
  'account',
  'block',
  'consent_record',
  'contact',
  'data_key',
  'departure',
  'policy_room',
  'portal',
  'space',
]);

/** What has happened to a table. `written`: the number of the last commit that wrote it; `writing`: commits under way that do. */
interface Writes {
  written: number;
  writing: number;
}

interface Answer {
  readonly value: unknown;
  /** The last commit that had ended when it was asked for. */
  readonly asOf: number;
  readonly tables: readonly Writes[];
}

export class Memory {
  readonly #answers = new Map<string, Answer>();
  readonly #tables = new Map<TableName, Writes>();
  /** Of what changes more than the tables that it names. */
  readonly #everything: Writes = { written: 0, writing: 0 };
  readonly #most: number;
  #commits = 0;

  /** `most`: how many answers are kept; those asked for longest ago go first. */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Returns what `ask` answers, or has answered under this key, unless one of the tables that its statements named has been written since.
   * An answer that a commit overtook while it was being read is out of date from the beginning, so it is never given twice.
   */
  async read<Value>(key: string, ask: (tables: KyselyPlugin) => Promise<Value>): Promise<Value> {
    const known = this.#answers.get(key);
    if (known !== undefined) this.#answers.delete(key);
    if (known !== undefined && this.#holds(known)) {
      this.#answers.set(key, known);
      // It was stored under this key by the same read.
      return known.value as Value;
    }
    const asOf = this.#commits;
    const named = new TablesOfReads();
    const value = await ask(named);
    const tables = [this.#everything, ...[...named.tables].map((table) => this.#writesTo(table))];
    const answer = { value, asOf, tables };
    if (this.#holds(answer)) this.#keep(key, answer);
    return value;
  }

  /**
   * Commits by `submit`. From the first statement on what it may change is read from the database, and when it has ended, whatever came of it,
   * everything from before is out of date.
   */
  async writing<Result>(
    steps: () => Steps<Result>,
    submit: (steps: () => Steps<Result>) => Promise<Result>,
  ): Promise<Result> {
    const tables = new Set<Writes>();
    const begin = (statement: Statement): void => {
      const written = writtenBy(statement.query.query);
      if (written === 'nothing') return;
      const table = written === 'everything' ? this.#everything : this.#writesTo(written);
      if (written === 'everything') this.#answers.clear();
      if (!tables.has(table)) table.writing += 1;
      tables.add(table);
    };
    try {
      return await submit(() => watched(steps(), begin));
    } finally {
      this.#commits += 1;
      for (const table of tables) {
        table.writing -= 1;
        table.written = this.#commits;
      }
    }
  }

  /** Everything from before is out of date, also what is being read now. */
  forget(): void {
    this.#answers.clear();
    this.#commits += 1;
    this.#everything.written = this.#commits;
  }

  #holds({ asOf, tables }: Answer): boolean {
    return tables.every(({ written, writing }) => writing === 0 && written <= asOf);
  }

  #keep(key: string, answer: Answer): void {
    this.#answers.set(key, answer);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > this.#most && oldest !== undefined) this.#answers.delete(oldest);
  }

  #writesTo(table: TableName): Writes {
    const known = this.#tables.get(table);
    if (known !== undefined) return known;
    const fresh = { written: 0, writing: 0 };
    this.#tables.set(table, fresh);
    return fresh;
  }
}

/**
 * Reads of which those that are named are remembered. An answer is shared by all who ask, so nobody changes it. Each is made by the same code
 * as ever, over a connection that takes down which tables its statements name.
 */
export function remembered<Reads extends object>(
  memory: Memory,
  reader: Reader,
  make: (reader: Reader) => Reads,
  names: readonly (keyof Reads & string)[],
): Reads {
  const ask = (name: keyof Reads & string, question: readonly unknown[]): Promise<unknown> =>
    memory.read(`${make.name}.${name} ${JSON.stringify(question)}`, (tables) => {
      const read = make({ ...reader, db: reader.db.withPlugin(tables) })[name];
      if (typeof read !== 'function') throw new TypeError(`${name} is not a read`);
      return read(...question);
    });
  const reads = names.map((name) => [name, (...question: readonly unknown[]) => ask(name, question)]);
  // Each has the parameters and the answer of the one whose place it takes.
  return { ...make(reader), ...(Object.fromEntries(reads) as Partial<Reads>) };
}

function* watched<Result>(steps: Steps<Result>, begin: (statement: Statement) => void): Steps<Result> {
  let next = steps.next();
  while (!next.done) {
    begin(next.value);
    next = steps.next(yield next.value);
  }
  return next.value;
}

/** The one table that a statement changes; everything where it may change others, or that cannot be told. */
function writtenBy(statement: RootOperationNode): TableName | 'nothing' | 'everything' {
  switch (statement.kind) {
    case 'SelectQueryNode':
      return 'nothing';
    case 'InsertQueryNode':
      return tableName(statement.into) ?? 'everything';
    case 'UpdateQueryNode':
      return tableName(statement.table) ?? 'everything';
    case 'DeleteQueryNode': {
      const name = tableName(statement.from.froms[0]);
      return name === undefined || parents.has(name) ? 'everything' : name;
    }
    default:
      return 'everything';
  }
}

function tableName(node: OperationNode | undefined): TableName | undefined {
  return node !== undefined && TableNode.is(node) ? (node.table.identifier.name as TableName) : undefined;
}

/** Takes down which tables the statements of a read name, subqueries and joins included. */
class TablesOfReads implements KyselyPlugin {
  readonly tables = new Set<TableName>();

  transformQuery({ node }: PluginTransformQueryArgs): RootOperationNode {
    this.#look(node);
    return node;
  }

  async transformResult({ result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    return result;
  }

  #look(part: unknown): void {
    if (typeof part !== 'object' || part === null || ArrayBuffer.isView(part)) return;
    const name = isNode(part) ? tableName(part) : undefined;
    if (name !== undefined) this.tables.add(name);
    for (const inner of Object.values(part)) this.#look(inner);
  }
}

const isNode = (part: object): part is OperationNode => 'kind' in part;
