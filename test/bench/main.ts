// `npm run bench`: how fast messages or files pass, what they cost, and what bounds them, measured in the same run.
import { writeFile } from 'node:fs/promises';
import { arch, cpus, platform, totalmem } from 'node:os';
import { Argument, Command } from 'commander';
import { benchMedia, mediaTable } from './media/media.ts';

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

function print(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

await new Command('bench')
  .description(
    'Measures the bridge, beside what bounds it in the same run. The figures depend on the machine and on what else runs there.',
  )
  .addArgument(new Argument('[what]', 'what passes').choices(['messages', 'media']).default('messages'))
  .option('--json <file>', 'write the figures there as well')
  .action(async (what: 'messages' | 'media', { json }: { json?: string }) => {
    if (what === 'messages') {
      await import('./messages.ts');
      return;
    }
    const report = await benchMedia(progress);
    print(mediaTable(report));
    if (json !== undefined)
      await writeFile(json, `${JSON.stringify({ machine: machine(), what, ...report }, null, 2)}\n`);
  })
  .parseAsync();
