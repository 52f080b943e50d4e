// `key rotate`: a new master key for everything that the old one wraps.
import { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { BridgeError } from '../model/errors.ts';
import { rotateKeyFile } from './master-key-rotation.ts';
import { configOption } from './options.ts';

const rotateCommand = new Command('rotate')
  .description(
    'Makes a new master key and wraps every data key with it. Stop the bridge first, and back up the new key afterwards.',
  )
  .addOption(configOption())
  .action(async (options: { config: string }) => {
    const config = loadConfig(options.config);
    if (process.env.MAW_MASTER_KEY)
      throw new BridgeError(
        'cli.key-in-environment',
        'the master key comes from MAW_MASTER_KEY, where a new one cannot be kept: put it into a file and set MAW_MASTER_KEY_FILE first',
      );
    const { rotateMasterKey } = await import('../store/rotation.ts');
    const { sqlite, crypto, postgres } = config.database;
    const database = postgres === undefined ? { files: [sqlite, crypto] } : { postgres };
    await rotateKeyFile(config.master_key_file, (from, to) => rotateMasterKey(database, from, to));
    console.log(
      `Rotated. The new key is in ${config.master_key_file}: back it up; the old one opens nothing but old backups.`,
    );
  });

export const keyCommand = new Command('key').description('Looks after the master key.').addCommand(rotateCommand);
