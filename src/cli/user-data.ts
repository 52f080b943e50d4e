// `export` and `erase`: what is held about one user, for the administrator. With the bridge running or stopped.
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { remoteUserData } from '../admin/client.ts';
import { loadConfig } from '../config/config.ts';
import { systemClock } from '../model/clock.ts';
import { BridgeError } from '../model/errors.ts';
import { parseUserId, type UserId } from '../model/ids.ts';
import type { ErasurePlan, UserExport } from '../model/user-data.ts';
import { administrate } from './administration.ts';
import { configOption } from './options.ts';

const pollMs = 500;
/** How long the command waits for a running bridge to finish; the bridge goes on by itself. */
const patienceMs = 60_000;

function userOption(): Option {
  const option = new Option('--user <id>', 'Matrix ID of the user, such as @anna:example.org');
  return option.makeOptionMandatory().argParser((text: string) => {
    const user = parseUserId(text);
    if (user === undefined) throw new InvalidArgumentError('a Matrix ID looks like @anna:example.org');
    return user;
  });
}

interface ExportArguments {
  readonly config: string;
  readonly user: UserId;
  readonly out: string;
}

export const exportCommand = new Command('export')
  .description(
    'Writes everything that is held about one user as JSON (docs/privacy.md). No keys, and nothing that anybody wrote.',
  )
  .addOption(configOption())
  .addOption(userOption())
  .requiredOption('--out <file>', 'a new file; only its owner can read it')
  .action(async ({ config, user, out }: ExportArguments) => {
    const write = async (data: UserExport): Promise<void> => {
      const text = `${JSON.stringify(data, undefined, 2)}\n`;
      await writeFile(out, text, { flag: 'wx', mode: 0o600 }).catch((cause: unknown) => {
        throw new BridgeError('cli.write-failed', `${out} cannot be written, or exists already`, { cause });
      });
      console.log(`Written: ${out}. It names contacts and their phone numbers: hand it to the user, then delete it.`);
    };
    await administrate(loadConfig(config), {
      running: async (url, token) => write(await remoteUserData(url, token).export(user)),
      stopped: async (store) => {
        const { userDataAdmin } = await import('../app.ts');
        await write(await userDataAdmin(store, systemClock, async () => undefined).export(user));
      },
    });
  });

interface EraseArguments {
  readonly config: string;
  readonly user: UserId;
  readonly yes?: true;
}

export const eraseCommand = new Command('erase')
  .description(
    'Deletes everything that is held about one user, keys first, and says what the homeserver still holds. Cannot be undone.',
  )
  .addOption(configOption())
  .addOption(userOption())
  .option('--yes', 'do not ask')
  .action(async ({ config: file, user, yes }: EraseArguments) => {
    const config = loadConfig(file);
    await administrate(config, {
      running: async (url, token) => {
        const admin = remoteUserData(url, token);
        const plan = await admin.plan(user);
        await confirm(plan, yes);
        await admin.erase(user);
        const deadline = Date.now() + patienceMs;
        while (await admin.isErasing(user)) {
          if (Date.now() > deadline) {
            console.log(
              'Keys and messages are gone. The rest waits for the network or the homeserver, and goes on by itself.',
            );
            return console.log(remains(plan));
          }
          await sleep(pollMs);
        }
        console.log('Erased.');
        console.log(remains(plan));
      },
      stopped: async (store) => {
        const { eraseOffline, userDataAdmin } = await import('../app.ts');
        const plan = await userDataAdmin(store, systemClock, async () => undefined).plan(user);
        await confirm(plan, yes);
        await eraseOffline(store, user);
        console.log(
          'Keys, messages and contacts of the user are gone. Start the bridge: it makes the ghosts leave, tells the network, and then deletes what it needed for that.',
        );
        console.log(remains(plan));
      },
    });
  });

async function confirm(plan: ErasurePlan, yes: true | undefined): Promise<void> {
  const { user, accounts, rooms, ghosts, files } = plan;
  const networks = accounts.length === 0 ? 'no account' : `accounts on ${accounts.join(' and ')}`;
  console.log(
    `${user}: ${networks}, ${rooms.length} rooms, ${ghosts.length} ghosts that nobody else needs, ${files} files.`,
  );
  if (yes) return;
  if (!process.stdin.isTTY) throw new BridgeError('cli.not-confirmed', 'nothing was erased: say --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question('Erase all of it for good? Type the Matrix ID again: ');
  terminal.close();
  if (answer.trim() !== user) throw new BridgeError('cli.not-confirmed', 'nothing was erased');
}

/** What only the homeserver's administrator can remove, and how (Synapse Admin API). */
function remains({ rooms, ghosts }: ErasurePlan): string {
  const lines = [
    ...rooms.map((room) => `DELETE /_synapse/admin/v2/rooms/${encodeURIComponent(room)}   {"purge": true}`),
    ...ghosts.flatMap((ghost) => [
      `DELETE /_synapse/admin/v1/users/${encodeURIComponent(ghost)}/media`,
      `POST /_synapse/admin/v1/deactivate/${encodeURIComponent(ghost)}   {"erase": true}`,
    ]),
  ];
  if (lines.length === 0) return 'The homeserver holds no room and no ghost of theirs that is known here.';
  return [
    '',
    'The homeserver still holds the events of these rooms, encrypted, for who is in them, and what the ghosts uploaded. To remove that too, its',
    'administrator calls (Synapse; rooms only if the user agrees, for they lose them):',
    '',
    ...lines.map((line) => `  ${line}`),
  ].join('\n');
}
