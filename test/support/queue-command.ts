// The `queue` command as the administrator runs it, beside a running bridge.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';

const program = fileURLToPath(new URL('../../bin/matrix-appservice-whatsapp.js', import.meta.url));
const listed = z.array(z.object({ id: z.string(), messageId: z.string(), reason: z.string().optional() }));

async function run(configPath: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'queue', ...args, '--config', configPath]);
  return stdout;
}

/** What is parked, the oldest first. */
export const parkedIn = async (configPath: string) => listed.parse(JSON.parse(await run(configPath, 'list', '--json')));

/** What the command says. */
export const retryParked = (configPath: string, ...what: readonly string[]): Promise<string> =>
  run(configPath, 'retry', ...what);
