// `demo`: homeserver, bridge and sandbox on this machine, a conversation between them, and everything left running to look at.
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { BridgeError } from '../model/errors.ts';
import { createProgress, type Progress } from './demo-progress.ts';
import { failures, formatAccess, formatTranscript, report } from './demo-report.ts';
import type { Transcript } from './demo-transcript.ts';
import type { World } from './demo-world.ts';
import { onEndSignals } from './signals.ts';

const interruptedStatus = 130;

interface Options {
  readonly exit?: true;
  readonly report?: string;
  readonly keep?: true;
}

class Interrupted extends BridgeError {}

export const demoCommand = new Command('demo')
  .description(
    'Starts a private Synapse, the sandbox WhatsApp network and the bridge, lets a Matrix user and two phones talk, and shows what each side decrypted. Then it stays up until Ctrl-C.',
  )
  .option('--exit', 'stop after the transcript; the status is 0 if every message was delivered')
  .option('--report <file>', 'write addresses, credentials and transcript as JSON')
  .option('--keep', 'keep the directory with databases and logs')
  .addHelpText('after', '\nExample:\n  $ matrix-appservice-whatsapp demo --exit --report demo.json')
  .action(async (options: Options) => {
    const signal = interruption();
    const progress = createProgress((line) => console.log(line));
    if (options.report !== undefined) await checkReport(options.report);
    const directory = await mkdtemp(join(tmpdir(), 'matrix-whatsapp-demo-'));
    try {
      process.exitCode = await run(options, directory, progress, signal);
    } finally {
      if (options.keep) console.log(`Kept: ${directory}`);
      else await rm(directory, { recursive: true, force: true });
    }
  });

/** Returns the exit status. Rejects where it could not even start. */
async function run(options: Options, directory: string, progress: Progress, signal: AbortSignal): Promise<number> {
  const transcript: Transcript = { rooms: [], messages: [] };
  let world: World | undefined;
  const conclude = async (error?: unknown): Promise<string[]> => {
    const failed = failures(transcript, error);
    if (options.report !== undefined) await writeReport(options.report, report(world?.access, transcript, failed));
    return failed;
  };
  try {
    // Loaded here, so that --help needs nothing of it.
    const { startWorld } = await import('./demo-world.ts');
    world = await startWorld({ directory, progress, signal });
  } catch (error) {
    await conclude(error);
    if (!(error instanceof Interrupted)) throw error;
    progress.say('Stopped');
    return interruptedStatus;
  }
  try {
    return await show(world, transcript, options, progress, signal, conclude);
  } finally {
    await progress.step('Stopping', () => world.stop());
    progress.say('Stopped');
  }
}

async function show(
  world: World,
  transcript: Transcript,
  options: Options,
  progress: Progress,
  signal: AbortSignal,
  conclude: (error?: unknown) => Promise<string[]>,
): Promise<number> {
  const { interruptible } = await import('./demo-world.ts');
  const { converse } = await import('./demo-conversation.ts');
  let error: unknown;
  try {
    await interruptible(converse(world, transcript, progress), signal);
  } catch (caught) {
    error = caught;
  }
  console.log(formatTranscript(transcript));
  const failed = await conclude(error);
  if (error instanceof Interrupted) return interruptedStatus;
  const delivered = transcript.messages.length;
  if (failed.length > 0)
    console.error(`\nNot everything was delivered:\n${failed.map((line) => `  ${line}`).join('\n')}`);
  else console.log(`\nAll ${delivered} messages were delivered and decrypted on both sides.`);
  const status = failed.length > 0 ? 1 : 0;
  if (options.exit) return status;

  console.log(formatAccess(world.access));
  progress.say('Everything stays up until Ctrl-C.');
  const stopped = new Promise<'stopped'>((done) => signal.addEventListener('abort', () => done('stopped')));
  const ended = await Promise.race([stopped, world.synapseEnded]);
  if (signal.aborted || ended === 'stopped') return status;
  throw new BridgeError('demo.synapse-ended', 'Synapse has ended by itself');
}

/** Said at once, not when the demo is over. */
async function checkReport(file: string): Promise<void> {
  const directory = dirname(resolve(file));
  try {
    await access(directory, constants.W_OK);
  } catch (cause) {
    throw new BridgeError('demo.report', `the report cannot be written: ${directory} is missing or not writable`, {
      cause,
    });
  }
}

async function writeReport(file: string, content: object): Promise<void> {
  // It holds a password and a recovery key, if only of a homeserver on loopback.
  await writeFile(resolve(file), `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
}

/** Aborted by the first SIGINT or SIGTERM; a second one ends the process at once, and Synapse with it. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  onEndSignals(
    process,
    () => controller.abort(new Interrupted('demo.interrupted', 'interrupted')),
    () => process.exit(interruptedStatus),
  );
  return controller.signal;
}
