// `queue`: what waits and what is parked, for the administrator. It asks the running bridge, or opens the database of a stopped one.
import { Command, InvalidArgumentError, Option } from 'commander';
import { remoteQueue } from '../admin/client.ts';
import { type Config, loadConfig } from '../config/config.ts';
import type { QueueAdmin } from '../model/admin.ts';
import { BridgeError } from '../model/errors.ts';
import { formatQueueItemId, parseQueueItemId, type QueueItem, type QueueItemId } from '../model/queue.ts';
import { administrate } from './administration.ts';
import { configOption } from './options.ts';

interface Common {
  readonly config: string;
  readonly json?: true;
}

const jsonOption = (): Option => new Option('--json', 'print JSON');

function itemArgument(text: string): QueueItemId {
  const item = parseQueueItemId(text);
  if (item === undefined) throw new InvalidArgumentError('an id looks like in-12 or out-7; "queue list" shows them');
  return item;
}

/** Runs `work` on the queue of the bridge that uses this configuration, running or not. */
async function withQueue(config: Config, work: (queue: QueueAdmin) => Promise<void>): Promise<void> {
  await administrate(config, {
    running: (url, token) => work(remoteQueue(url, token)),
    stopped: async (store) => {
      const { queueAdmin } = await import('../app.ts');
      // Nobody is there to be woken: the bridge takes it up at its next start.
      await work(queueAdmin(store, () => undefined));
    },
  });
}

const listCommand = new Command('list')
  .description('Lists messages: by default those that are parked, which means that they could not be carried.')
  .addOption(configOption())
  .addOption(new Option('--which <which>', 'which messages').choices(['parked', 'waiting', 'all']).default('parked'))
  .option('--limit <n>', 'how many at most, the oldest first', (text) => Number.parseInt(text, 10), 100)
  .addOption(jsonOption())
  .action(async ({ config, which, limit, json }: Common & { which: 'parked' | 'waiting' | 'all'; limit: number }) => {
    await withQueue(loadConfig(config), async (queue) => {
      const items = await queue.list({ which, limit });
      if (json) console.log(JSON.stringify(items.map(described), undefined, 2));
      else if (items.length === 0) console.log(which === 'parked' ? 'Nothing is parked.' : 'Nothing.');
      else for (const item of items) console.log(line(item));
    });
  });

const showCommand = new Command('show')
  .description('Shows what is known of one message. What is in it is never shown.')
  .argument('<id>', 'such as in-12 or out-7', itemArgument)
  .addOption(configOption())
  .addOption(jsonOption())
  .action(async (id: QueueItemId, { config, json }: Common) => {
    await withQueue(loadConfig(config), async (queue) => {
      const item = await queue.find(id);
      if (item === undefined) throw notThere(id);
      const fields = described(item);
      if (json) console.log(JSON.stringify(fields, undefined, 2));
      else for (const [name, value] of Object.entries(fields)) console.log(`${name.padEnd(10)} ${value ?? '-'}`);
    });
  });

function changing(name: 'retry' | 'drop', description: string, done: string): Command {
  return new Command(name)
    .description(description)
    .argument('[ids...]', 'such as in-12 or out-7', (text: string, before: QueueItemId[] | undefined) => [
      ...(before ?? []),
      itemArgument(text),
    ])
    .option('--all', 'all that are parked')
    .addOption(configOption())
    .action(async (ids: QueueItemId[] | undefined, { config, all }: Common & { all?: true }) => {
      if (!all && !ids?.length) throw new BridgeError('cli.queue', 'name the messages, or say --all');
      await withQueue(loadConfig(config), async (queue) => {
        const parked = all ? await queue.list({ which: 'parked', limit: 10_000 }) : [];
        const chosen = all ? parked.map(({ item }) => item) : (ids ?? []);
        for (const item of chosen) {
          try {
            await queue[name](item);
          } catch (error) {
            if (!(error instanceof BridgeError) || error.code !== 'store.gone') throw error;
            if (!all) throw notThere(item);
            console.log(`${formatQueueItemId(item)} stays: nothing of it is kept here`);
            continue;
          }
          console.log(`${formatQueueItemId(item)} ${done}`);
        }
        if (chosen.length === 0) console.log('Nothing is parked.');
      });
    });
}

const notThere = (item: QueueItemId): BridgeError =>
  new BridgeError(
    'cli.queue',
    `${formatQueueItemId(item)}: there is no such parked message, or nothing of it is kept to be tried again`,
  );

function described({ item, code, event, since, user, network, portal, messageId, state }: QueueItem) {
  const direction = item.journal === 'inbox' ? `from ${network}` : `to ${network}`;
  const id = formatQueueItemId(item);
  return { id, direction, user, portal, messageId, event, state, reason: code, since: new Date(since).toISOString() };
}

function line(item: QueueItem): string {
  const { id, direction, user, state, reason, since } = described(item);
  return [since, id.padEnd(10), direction.padEnd(14), user, reason === undefined ? state : `${state}: ${reason}`].join(
    '  ',
  );
}

export const queueCommand = new Command('queue')
  .description(
    'Shows messages that wait or are parked, and tries parked ones again. Works with the bridge running or stopped.',
  )
  .addCommand(listCommand)
  .addCommand(showCommand)
  .addCommand(changing('retry', 'Tries parked messages again, in their old places.', 'is tried again'))
  .addCommand(changing('drop', 'Gives parked messages up: their content is erased.', 'is given up'));
