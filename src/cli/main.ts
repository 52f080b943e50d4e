// The command line: finds the command, loads its module only, and turns every outcome into one sentence and an exit status.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { BridgeError } from '../model/errors.ts';

/** Mistakes on the command line itself. */
const usageStatus = 2;

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** Loaded on demand, so that help is fast and touches nothing native. */
const entries: readonly Entry[] = [
  {
    name: 'init',
    summary: 'write a configuration, a registration and a master key',
    load: async () => (await import('./init.ts')).initCommand,
  },
  { name: 'run', summary: 'run the bridge', load: async () => (await import('./run.ts')).runCommand },
  {
    name: 'doctor',
    summary: 'check an installation and say what to do',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
  {
    name: 'key',
    summary: 'rotate the master key',
    load: async () => (await import('./key.ts')).keyCommand,
  },
  {
    name: 'db',
    summary: 'move the database from SQLite to PostgreSQL',
    load: async () => (await import('./db.ts')).dbCommand,
  },
  {
    name: 'queue',
    summary: 'show messages that wait or are parked, try parked ones again',
    load: async () => (await import('./queue.ts')).queueCommand,
  },
  {
    name: 'export',
    summary: 'write everything that is held about one user',
    load: async () => (await import('./user-data.ts')).exportCommand,
  },
  {
    name: 'erase',
    summary: 'delete everything that is held about one user',
    load: async () => (await import('./user-data.ts')).eraseCommand,
  },
  {
    name: 'sandbox',
    summary: 'run a local WhatsApp network, for trying and testing',
    load: async () => (await import('./sandbox.ts')).sandboxCommand,
  },
  {
    name: 'demo',
    summary: 'show a whole conversation on this machine: homeserver, bridge and sandbox',
    load: async () => (await import('./demo.ts')).demoCommand,
  },
];

const examples = `
Examples:
  $ matrix-appservice-whatsapp demo                                try it, nothing to set up
  $ matrix-appservice-whatsapp init --dir /etc/matrix-whatsapp     set it up, asking what it needs to know
  $ matrix-appservice-whatsapp run --config /etc/matrix-whatsapp/config.yaml
  $ matrix-appservice-whatsapp <command> --help                    the options of one command

Installation, backup and key rotation are described in docs/operations.md.`;

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return String(version);
}

/** The whole program, with the module of the command named in `args` loaded; the others are known by name. */
async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('matrix-appservice-whatsapp')
    .description('Connects a Matrix homeserver to WhatsApp through its third-party chat interoperability.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--debug', 'print the stack of an error')
    .addHelpText('after', examples)
    .showSuggestionAfterError()
    .showHelpAfterError('Try --help.')
    .exitOverride();
  const wanted = args.filter((arg) => !arg.startsWith('-')).slice(0, 2);
  const named = wanted[0] === 'help' ? wanted[1] : wanted[0];
  for (const { name, summary, load } of entries) {
    const command = name === named ? await load() : new Command(name);
    program.addCommand(command.summary(summary));
  }
  inherit(program);
  return program;
}

/** Commands that come from modules of their own end and report as the program does. */
function inherit(parent: Command): void {
  for (const command of parent.commands) inherit(command.copyInheritedSettings(parent));
}

/** What is printed of an error: what the operator can act on, without the stack unless asked. */
function sentence(error: unknown, debug: boolean): string {
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  if (debug) return `error: ${error.stack ?? error.message}${error.cause ? `\ncaused by: ${String(error.cause)}` : ''}`;
  const isExpected = error instanceof BridgeError;
  return `error: ${error.message}${isExpected ? '' : ` (${error.name}; run it with --debug to see where)`}`;
}

/** Runs one command line; resolves with the exit status: 0, 1 for a failure, 2 for a mistake in the command line. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(args);
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return usageStatus;
    }
    await program.parseAsync(args, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageStatus;
    console.error(sentence(error, args.includes('--debug')));
    return 1;
  }
}
