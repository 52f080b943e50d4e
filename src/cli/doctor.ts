// `doctor`: looks at an installation, running or stopped; one line for each thing, and what to do where something is wrong.
import { Command, Option } from 'commander';
import { type Config, loadConfig } from '../config/config.ts';
import { loadMasterKey } from '../config/master-key.ts';
import { loadRegistration, type Registration } from '../matrix/registration.ts';
import type { UserId } from '../model/ids.ts';
import { attempt, type Check, line, ok } from './doctor/check.ts';
import { databaseChecks, type Examined, examine } from './doctor/database.ts';
import { homeserverChecks } from './doctor/homeserver.ts';
import { mediaDirectory, nodeVersion, permissions } from './doctor/machine.ts';
import { moderationChecks } from './doctor/moderation.ts';
import { endpointChecks, providerCheck } from './doctor/network.ts';
import { configOption } from './options.ts';

async function* checks(file: string): AsyncGenerator<Check> {
  yield nodeVersion();
  let config: Config | undefined;
  yield await attempt('configuration', 'correct these keys', async () => {
    config = loadConfig(file);
    return ok('configuration', `${config.file} is complete`);
  });
  if (config !== undefined) yield* installation(config);
}

async function* installation(config: Config): AsyncGenerator<Check> {
  yield await permissions(config);
  yield await mediaDirectory(config);
  let masterKey: Uint8Array | undefined;
  yield await attempt(
    'master key',
    'put the key that belongs to this database where master_key_file says',
    async () => {
      masterKey = loadMasterKey(config);
      return ok('master key', 'is there');
    },
  );
  let registration: Registration | undefined;
  yield await attempt('registration', 'change both copies of it, and restart both sides', async () => {
    registration = await loadRegistration(config.appservice.registration, ownUsers(config));
    return ok('registration', 'fits the configuration');
  });
  let examined: Examined | undefined;
  if (masterKey !== undefined) {
    const key = masterKey;
    const opened = await attempt('database', 'see docs/operations.md, "Trouble"', async () => {
      examined = await examine(config, key);
      return ok('bridge', examined.running ? 'is running' : 'is stopped');
    });
    yield opened;
    if (examined !== undefined) yield* databaseChecks(examined);
  }
  if (registration !== undefined) {
    yield* await homeserverChecks(config, registration, examined);
    yield* await moderationChecks(config, registration);
  }
  yield await providerCheck(config, examined);
  yield* await endpointChecks(config);
}

function ownUsers({ appservice, homeserver }: Config) {
  const user = (localpart: string) => `@${localpart}:${homeserver.server_name}` as UserId;
  return { bot: user(appservice.bot.localpart), ghost: user(`${appservice.ghost_prefix}${'0'.repeat(32)}`) };
}

export const doctorCommand = new Command('doctor')
  .description(
    'Looks at an installation, running or stopped, and says what to do where something is wrong. Exit status 1 if anything is.',
  )
  .addOption(configOption())
  .addOption(new Option('--json', 'print JSON'))
  .action(async ({ config, json }: { config: string; json?: true }) => {
    const found: Check[] = [];
    for await (const check of checks(config)) {
      found.push(check);
      if (!json) console.log(line(check));
    }
    if (json) console.log(JSON.stringify(found, undefined, 2));
    if (found.some(({ outcome }) => outcome === 'problem')) process.exitCode = 1;
  });
