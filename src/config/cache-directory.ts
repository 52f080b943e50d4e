// Where the program keeps what it can make again.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Of the user that runs it; need not exist (XDG Base Directory Specification). */
export function cacheDirectory(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'matrix-appservice-whatsapp');
}
