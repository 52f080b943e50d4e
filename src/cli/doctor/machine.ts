// What the doctor sees on this machine: Node, files and their permissions, the media directory.
import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import type { Config } from '../../config/config.ts';
import { attempt, type Check, ok, problem } from './check.ts';

const megabyte = 1024 * 1024;

export function nodeVersion(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > 22 || (major === 22 && minor >= 18);
  const name = 'Node';
  return fits ? ok(name, process.version) : problem(name, process.version, 'install Node 22.18 or newer');
}

/** `mask`: permission bits that nobody else may have. */
async function isPrivate(path: string, mask: number): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || (found.mode & mask) === 0) return undefined;
  return `${path} has mode ${(found.mode & 0o777).toString(8)}`;
}

export function permissions(config: Config): Promise<Check> {
  const name = 'file permissions';
  return attempt(name, 'look at these files', async () => {
    const { sqlite, crypto, postgres } = config.database;
    const files: [string, number][] = [
      [config.master_key_file, 0o077],
      // The homeserver may read it as a member of the file's group.
      [config.appservice.registration, 0o007],
      ...(postgres === undefined ? [sqlite, crypto].map((path): [string, number] => [path, 0o077]) : []),
      [config.media.directory, 0o077],
    ];
    const open = (await Promise.all(files.map(([path, mask]) => isPrivate(path, mask)))).filter((text) => text);
    if (open.length === 0) return ok(name, 'nobody else may read secrets, databases and files');
    return problem(name, open.join(', '), 'take the permissions of others away with chmod');
  });
}

export function mediaDirectory({ media }: Config): Promise<Check> {
  const name = 'media directory';
  return attempt(
    name,
    `make ${media.directory} writable for the bridge; it is made at the start if it may be`,
    async () => {
      await access(media.directory, constants.R_OK | constants.W_OK | constants.X_OK);
      const { bavail, bsize } = await statfs(media.directory);
      const free = Math.floor((bavail * bsize) / megabyte);
      const found = `${free} MB free at ${media.directory}`;
      if (free >= media.max_size_mb) return ok(name, found);
      return problem(name, found, `make room: one file may have ${media.max_size_mb} MB (media.max_size_mb)`);
    },
  );
}
