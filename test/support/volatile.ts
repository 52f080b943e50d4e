// Where the databases of tests lie: in memory, where the system has room there. Processes are killed in tests, and power never fails,
// so waiting for a disk at every commit would prove nothing.
import { existsSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

const inMemory = '/dev/shm';
const enoughBytes = 4 * 1024 ** 3;

function hasRoom(directory: string): boolean {
  if (!existsSync(directory)) return false;
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize > enoughBytes;
}

export const volatileRoot = hasRoom(inMemory) ? inMemory : tmpdir();
