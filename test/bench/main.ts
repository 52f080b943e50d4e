// `npm run bench`: how fast messages or files pass, what they cost, and what bounds them, measured in the same run.
import { writeFile } from 'node:fs/promises';
import { arch, cpus, platform, totalmem } from 'node:os';
import { Argument, Command } from 'commander';
import { backlogTable, benchBacklog } from './backlog.ts';
import { benchMedia, mediaTable } from './media/media.ts';
import { benchMessages, messagesTable } from './messages/messages.ts';
import { benchStartUp, startUpTable } from './start-up.ts';

/** Beside the figures: they mean nothing without it. */
function machine() {
  const [first] = cpus();
  const memory = `${Math.round(totalmem() / 1024 ** 3)} GiB`;
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memory,
    system: `${platform()} ${arch()}`,
    node: process.version,
  };
}

/** As Markdown, to be put into docs/performance.md. A row of one cell is a sentence, not a part of the table. */
function print(rows: readonly (readonly string[])[]): void {
  const cells = rows.filter((row) => row.length > 1);
  for (const [index, row] of cells.entries()) {
    console.log(`| ${row.join(' | ')} |`);
    if (index === 0) console.log(`|${' --- |'.repeat(row.length)}`);
  }
  for (const [sentence] of rows.filter((row) => row.length === 1)) console.log(`\n${sentence}`);
  console.log();
}

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

const kinds = ['messages', 'media', 'backlog', 'start-up'] as const;
type Kind = (typeof kinds)[number];
/** Without a name: what together takes some ten minutes. */
const usual: readonly Kind[] = ['messages', 'start-up'];

interface Options {
  readonly json?: string;
  readonly messages?: string;
  readonly chats: string;
  readonly synapse: boolean;
  readonly profile?: string;
}

async function run(
  what: Kind,
  { messages, chats, synapse, profile }: Options,
): Promise<{ report: object; table: string[][] }> {
  switch (what) {
    case 'messages': {
      const numbers = chats.split(',').map(Number);
      const report = await benchMessages(
        { messages: Number(messages ?? 2_000), chats: numbers, synapse, profile },
        progress,
      );
      return { report, table: messagesTable(report) };
    }
    case 'media': {
      const report = await benchMedia(progress);
      return { report, table: mediaTable(report) };
    }
    case 'backlog': {
      const report = await benchBacklog(Number(messages ?? 100_000), progress);
      return { report, table: backlogTable(report) };
    }
    case 'start-up': {
      const report = await benchStartUp({ accounts: 10_000, chatsPerAccount: 10, history: 2 }, progress);
      return { report, table: startUpTable(report) };
    }
  }
}

await new Command('bench')
  .description(
    'Measures the bridge, beside what bounds it in the same run. The figures depend on the machine and on what else runs there.',
  )
  .addArgument(new Argument('[what]', 'what is measured; messages and start-up if nothing is named').choices(kinds))
  .option('--json <file>', 'write the figures there as well')
  .option('--messages <number>', 'how many in each measurement (2000; of a backlog 100000)')
  .option('--chats <numbers>', 'with how many chats messages are measured', '1,10,100')
  .option('--no-synapse', 'leave out the comparison with a real Synapse')
  .option('--profile <directory>', "of messages: write a CPU profile of the bridge's process there")
  .action(async (what: Kind | undefined, options: Options) => {
    const reports: Record<string, object> = {};
    for (const kind of what === undefined ? usual : [what]) {
      const { report, table } = await run(kind, options);
      reports[kind] = report;
      print(table);
    }
    const { json } = options;
    if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine: machine(), ...reports }, null, 2)}\n`);
    // The Matrix client beside the real Synapse leaves timers of some minutes behind.
    process.exit();
  })
  .parseAsync();
