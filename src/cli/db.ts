// `db copy`: moves an installation from its SQLite files into PostgreSQL.
import { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { loadMasterKey } from '../config/master-key.ts';
import { BridgeError } from '../model/errors.ts';
import { configOption } from './options.ts';

interface CopyArguments {
  readonly config: string;
  readonly to?: string;
}

/** A line that the next one replaces, where somebody looks on. */
function progressLine(stream: NodeJS.WriteStream) {
  const write = (text: string): void => {
    if (stream.isTTY) stream.write(`\r\u001b[2K${text}`);
  };
  return {
    show: (table: string, rows: number, of: number): void => write(`${table}: ${rows} of ${of}`),
    clear: (): void => write(''),
  };
}

const copyCommand = new Command('copy')
  .description(
    'Copies both SQLite files into an empty PostgreSQL database, in one transaction, and compares the counts of all rows. Stop the ' +
      'bridge first. Afterwards the files are marked, so that no bridge goes on with them. Where it fails or is interrupted, run it again.',
  )
  .addOption(configOption())
  .option('--to <address>', 'postgres:// address of the database; without it, database.postgres of the configuration')
  .addHelpText(
    'after',
    '\nOther people on this machine can see a password on the command line: leave it out, and set PGPASSWORD or write ~/.pgpass.',
  )
  .action(async (options: CopyArguments) => {
    const config = loadConfig(options.config);
    const { sqlite, crypto, postgres: configured } = config.database;
    const postgres = options.to ?? configured;
    if (postgres === undefined) throw new BridgeError('cli.no-target', 'where to? --to takes a postgres:// address');
    const { copyToPostgres } = await import('../store/copy.ts');
    const progress = progressLine(process.stderr);
    const masterKey = loadMasterKey(config);
    const { outcome, tables } = await copyToPostgres({
      sqlite,
      crypto,
      postgres,
      masterKey,
      onProgress: progress.show,
    }).finally(progress.clear);
    const width = Math.max(...tables.map(({ table }) => table.length));
    for (const { table, rows } of tables) console.log(`${table.padEnd(width)}  ${rows}`);
    if (outcome === 'finished')
      console.log('An earlier copy was complete and only its last step was missing: finished.');
    else
      console.log(`Copied. Each of the ${tables.length} tables has as many rows on PostgreSQL as it had in the files.`);
    if (outcome === 'again') console.log('What an earlier copy had left there without finishing it was replaced.');
    if (configured !== undefined) return;
    console.log(`Now set in ${config.file}:\n\n  database:\n    postgres: <the address given with --to>\n`);
    console.log(
      'and start the bridge. The files are not used any more: they hold keys, so delete them once all is well.',
    );
  });

export const dbCommand = new Command('db').description('Looks after the database.').addCommand(copyCommand);
