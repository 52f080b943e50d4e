// A disk so small that a test can fill it: a file system in memory, mounted for one child process and its children alone.
import { spawnSync } from 'node:child_process';

/** Whether this machine allows it (Linux with user namespaces, or as root). */
export const hasSmallDisks = spawnSync('unshare', ['-Urm', 'true']).status === 0;

/** The command that runs `command` with a disk of so many kibibytes at `directory`, in the same process in the end. */
export function onSmallDisk(directory: string, kibibytes: number, command: readonly string[]): string[] {
  const script = `mount -t tmpfs -o size=${kibibytes}k,mode=700 tmpfs "$0" && exec "$@"`;
  return ['unshare', '-Urm', 'sh', '-c', script, directory, ...command];
}

/** The directory as that process sees it, for whoever started it. */
export const seenBy = (pid: number, directory: string): string => `/proc/${pid}/root${directory}`;
