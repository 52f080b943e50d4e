// Statements as SQLite's planner should see them: without the values that are bound to them.
import { type QueryCompiler, SqliteDialect, SqliteQueryCompiler } from 'kysely';

/**
 * Where a limit or an order makes the planner look at a bound value, SQLite prepares the statement anew for every value, which takes longer than
 * running it. Behind a sign, which changes nothing, it does not look.
 */
class BlindCompiler extends SqliteQueryCompiler {
  protected override getCurrentParameterPlaceholder(): string {
    return '+?';
  }
}

export class BlindDialect extends SqliteDialect {
  override createQueryCompiler(): QueryCompiler {
    return new BlindCompiler();
  }
}
