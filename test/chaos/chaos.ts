// `npm run chaos`: the bridge killed over and over while people write, and what came of every message. docs/delivery.md says what it proves.
import { writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { startPostgres } from '../support/postgres-server.ts';
import { keepSeed } from './kept-seeds.ts';
import { isSound } from './ledger.ts';
import { type PlanOptions, planOf } from './plan.ts';
import { type Part, table } from './report.ts';
import { run } from './run.ts';

const chats = 4;
/** Random kills in one world: after these everything is counted, and the next world begins with another seed. */
const killsPerWorld = 250;
const naiveKills = 20;

const count = (text: string): number => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError('A whole number is expected.');
  return number;
};

const program = new Command('npm run chaos --')
  .description(
    'Kills the bridge while people write to each other, and accounts for every message. Exits with 1 where one is lost, doubled, out of order, unreadable or unheard of.',
  )
  .option('--kills <n>', 'kills at random moments and steps, besides one at every step', count, 25)
  .option('--seed <n>', 'what is written and when it is killed follows from it', count, 1)
  .addOption(
    new Option('--database <kind>', 'what the bridge stores in').choices(['sqlite', 'postgres']).default('sqlite'),
  )
  .option('--no-steps', 'leave out the kills at every step')
  .option('--trouble <n>', 'how often each trouble of the network and the homeserver comes, without kills', count, 1)
  .option('--no-naive', 'leave out the run that acknowledges first and must lose messages')
  .option('--json <file>', 'write the outcome there as well')
  .parse();
const options = program.opts<{
  kills: number;
  trouble: number;
  seed: number;
  database: 'sqlite' | 'postgres';
  steps: boolean;
  naive: boolean;
  json?: string;
}>();

const postgres = options.database === 'postgres' ? (await startPostgres()).url : undefined;

const parts: Part[] = [];
const onProgress = (text: string) => void process.stderr.write(`${text}\n`);

async function prove(part: string, plan: PlanOptions): Promise<void> {
  onProgress(`${part}, seed ${plan.seed}`);
  const outcome = await run(planOf(plan), { postgres, onProgress });
  parts.push({ part, seed: plan.seed, outcome });
  for (const complaint of outcome.account.complaints) onProgress(complaint);
  // What failed once is replayed by `npm test` from then on.
  if (!isSound(outcome.account)) await keepSeed(plan);
}

if (options.steps) await prove('every step', { seed: options.seed, chats, everyStep: true, kills: 0 });
for (let left = options.kills, seed = options.seed; left > 0; left -= killsPerWorld, seed += 1) {
  await prove('random', { seed, chats, everyStep: false, kills: Math.min(left, killsPerWorld) });
}
if (options.trouble > 0) {
  await prove('trouble', { seed: options.seed, chats, everyStep: false, kills: 0, spells: options.trouble });
}
let blind = false;
if (options.naive) {
  onProgress('acknowledging first: this must lose messages');
  const plan = planOf({ seed: options.seed, chats, everyStep: false, kills: naiveKills });
  const outcome = await run(plan, { naive: true, postgres, onProgress });
  parts.push({ part: 'naive', seed: options.seed, outcome });
  blind = outcome.account.lost === 0;
}

console.table(table(parts));
if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(parts, null, 2)}\n`);
const failed = parts.filter(({ part, outcome }) => part !== 'naive' && !isSound(outcome.account));
for (const { part, outcome } of failed) console.log(`${part}:\n  ${outcome.account.complaints.join('\n  ')}`);
if (blind) console.log('The run that acknowledges first has lost nothing: this harness does not see loss.');
// Clients of the homeserver leave timers behind; a PostgreSQL of ours ends with this process.
process.exit(failed.length > 0 || blind ? 1 : 0);
