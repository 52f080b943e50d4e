// The store's errors: what went wrong with a commit, a file or a key, in words an operator can act on.
import { BridgeError } from '../model/errors.ts';

/** A row that must be new exists. */
export const conflict = (what: string, cause?: unknown): BridgeError =>
  new BridgeError('store.conflict', `${what} exists already`, { cause });

/** A row that must exist does not: its account or contact was erased. */
export const gone = (what: string, cause?: unknown): BridgeError =>
  new BridgeError('store.gone', `${what} does not exist (any more)`, { cause });

/** What a change was decided on is not so any more: it is to be decided anew. */
export const changed = (what: string): BridgeError =>
  new BridgeError('store.changed', `${what} has gone on`, { retry: 'later' });

export const closed = (): BridgeError =>
  new BridgeError('store.closed', 'the database has been closed', { retry: 'later' });

/** A sealed value that was altered, moved to another place, or sealed under another key. */
export const damaged = (place: string, cause?: unknown): BridgeError =>
  new BridgeError('store.sealed', `a sealed value of ${place} cannot be opened: it was altered or moved`, { cause });

export const wrongKey = (path: string, cause?: unknown): BridgeError =>
  new BridgeError(
    'store.wrong-key',
    `the master key does not fit ${path}; after an interrupted rotation, run "key rotate" again`,
    { retry: 'after-action', cause },
  );

export const moved = (path: string, to: string): BridgeError =>
  new BridgeError('store.moved', `${path} was copied to ${to}: set database.postgres in the configuration`, {
    retry: 'after-action',
  });

export const copying = (name: string): BridgeError =>
  new BridgeError('store.copying', `${name} holds a copy that "db copy" has not finished: run that again`, {
    retry: 'after-action',
  });

export const newerSchema = (path: string): BridgeError =>
  new BridgeError('store.newer-schema', `${path} was written by a newer version of this program; run that version`, {
    retry: 'after-action',
  });

export const noDirectory = (path: string): BridgeError =>
  new BridgeError('store.no-directory', `${path}: its directory does not exist; make it, or change the path`, {
    retry: 'after-action',
  });

export const locked = (path: string): BridgeError =>
  new BridgeError('store.locked', `another process is using ${path}; stop it first`, { retry: 'after-action' });

/** The disk is full, read-only or gone, or the server away: the same may succeed later. */
export const isUnavailable = (error: unknown): error is BridgeError =>
  error instanceof BridgeError && error.code === 'store.unavailable';

/** Turns an error of SQLite, or of the file system under it, into ours; anything else comes back as it is. */
export function fromSqlite(error: unknown): unknown {
  if (error instanceof TypeError && error.message === 'The database connection is not open') return closed();
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error;
  const { code } = error;
  if (code === 'SQLITE_CONSTRAINT_FOREIGNKEY') return gone('a row that this one belongs to', error);
  if (code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY') return conflict('the row', error);
  const passing = /^SQLITE_(FULL|READONLY|IOERR|CANTOPEN|BUSY|LOCKED|NOMEM)|^E(ROFS|NOSPC|DQUOT|ACCES|PERM|IO)$/;
  if (passing.test(code)) {
    return new BridgeError('store.unavailable', `the database cannot be used now (${code})`, {
      retry: 'later',
      cause: error,
    });
  }
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) {
    return new BridgeError('store.corrupt', `the database file is damaged (${code}); restore a backup`, {
      retry: 'after-action',
      cause: error,
    });
  }
  return error;
}
