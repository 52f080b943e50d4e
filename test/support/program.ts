// The program as its operator runs it, one command at a time.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const program = fileURLToPath(new URL('../../bin/matrix-appservice-whatsapp.js', import.meta.url));

/** Runs a command on the installation with this configuration. Rejects where it exits with another status than 0. */
export function runCommand(
  configPath: string,
  ...args: readonly string[]
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return promisify(execFile)(process.execPath, [program, ...args, '--config', configPath]);
}
