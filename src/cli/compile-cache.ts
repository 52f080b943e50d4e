// What Node has compiled once is kept for the next start of the program, which so takes half the time.
import { lstatSync, mkdirSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { cacheDirectory } from '../config/cache-directory.ts';

/**
 * For everything that is loaded from here on. Does nothing where no directory is to be had: the program runs without. `NODE_COMPILE_CACHE`
 * names another one.
 */
export function keepCompiled(): void {
  if (process.env.NODE_COMPILE_CACHE !== undefined) return;
  try {
    const directory = join(cacheDirectory(), 'compiled');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (isOurs(directory)) enableCompileCache(directory);
  } catch {
    // A home that cannot be written, as under many service managers.
  }
}

/** Writes what has been compiled so far, which Node does at a clean exit only. */
export const writeCompiled = flushCompileCache;

/** Compiled code is run as it is, so nobody else may have put it there: `sudo` may come with another user's home. */
function isOurs(directory: string): boolean {
  const found = lstatSync(directory);
  const othersMayWrite = (found.mode & 0o022) !== 0;
  return found.isDirectory() && found.uid === process.getuid?.() && !othersMayWrite;
}
