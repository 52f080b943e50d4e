// The few column types that dialects spell differently.
import { type ColumnBuilderCallback, type Kysely, type RawBuilder, sql } from 'kysely';

export interface ColumnTypes {
  readonly bytes: RawBuilder<unknown>;
  /** A rising number that is never used twice, also after rows were deleted. */
  readonly rowId: { readonly type: RawBuilder<unknown>; readonly constraint: ColumnBuilderCallback };
}

const SQLITE: ColumnTypes = {
  bytes: sql`blob`,
  rowId: { type: sql`integer`, constraint: (column) => column.primaryKey().autoIncrement() },
};

const POSTGRES: ColumnTypes = {
  bytes: sql`bytea`,
  rowId: { type: sql`bigint`, constraint: (column) => column.primaryKey().generatedAlwaysAsIdentity() },
};

export function columnTypes(db: Kysely<unknown>): ColumnTypes {
  // Only PostgreSQL among the dialects in use can lock in a migration; its adapter says so.
  return db.getExecutor().adapter.supportsTransactionalDdl ? POSTGRES : SQLITE;
}
