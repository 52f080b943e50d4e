// The `queue` command as the administrator runs it, beside a running bridge.
import { z } from 'zod';
import { runCommand } from './program.ts';

const listed = z.array(z.object({ id: z.string(), messageId: z.string(), reason: z.string().optional() }));

async function run(configPath: string, ...args: readonly string[]): Promise<string> {
  return (await runCommand(configPath, 'queue', ...args)).stdout;
}

/** What is parked, the oldest first. */
export const parkedIn = async (configPath: string) => listed.parse(JSON.parse(await run(configPath, 'list', '--json')));

/** What the command says. */
export const retryParked = (configPath: string, ...what: readonly string[]): Promise<string> =>
  run(configPath, 'retry', ...what);
