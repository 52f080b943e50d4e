// Rotating the master key file: the new key is on disk before anything is wrapped with it, and an interrupted rotation is finished.
import { existsSync } from 'node:fs';
import { open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { newMasterKeyText, readMasterKey } from '../config/master-key.ts';

/** Wraps every data key anew. Must accept what is wrapped by `to` already: an interrupted rotation is run again. */
export type Rewrap = (from: Uint8Array, to: Uint8Array) => unknown;

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeNewKey(file: string, mode: number): Promise<void> {
  const handle = await open(file, 'wx', mode);
  try {
    await handle.writeFile(`${newMasterKeyText()}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(dirname(file));
}

/** Replaces the key in `file` (through `file`.next). Rejects with what `rewrap` rejects with; the old key then stays in force. */
export async function rotateKeyFile(file: string, rewrap: Rewrap): Promise<void> {
  const next = `${file}.next`;
  const current = readMasterKey(file);
  if (!existsSync(next)) await writeNewKey(next, (await stat(file)).mode & 0o700);
  await rewrap(current, readMasterKey(next));
  await rename(next, file);
  await syncDirectory(dirname(file));
}
