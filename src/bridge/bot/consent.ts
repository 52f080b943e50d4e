// `opt-in` and `opt-out`: an explanation first, an explicit answer, and what follows from it.
import type { Account, Departure, Network } from '../../model/account.ts';
import { newAccountId } from '../../model/ids.ts';
import type { Change } from '../../model/store.ts';
import { passed } from '../../observability/fail-points.ts';
import { type BridgeContext, isActive } from '../context.ts';
import { networkNames, whatWorks } from '../labels.ts';
import { type Answer, type Command, type CommandEffects, networkOf } from './commands.ts';

export async function optIn(context: BridgeContext, command: Command, args: readonly string[]): Promise<Answer> {
  const network = networkOf(context, args);
  if (network === undefined) return { text: `I know these networks: ${context.settings.networks.join(', ')}.` };
  const refusal = await notNow(context, command, network);
  if (refusal !== undefined) return { text: refusal };
  return {
    text: explanation(context, network),
    changes: [{ change: 'pending-command', user: command.user, command: `opt-in ${network}` }],
  };
}

/** Why this user cannot opt in now; undefined where they can. */
async function notNow(context: BridgeContext, command: Command, network: Network): Promise<string | undefined> {
  const { store, settings, crypto, bot } = context;
  const name = networkNames[network];
  if (!settings.mayOptIn(command.user)) return 'The administrator of this server has not opened the bridge to you.';
  if (await store.accounts.find(network, command.user))
    return `You have already opted in to ${name}. "status" says how it stands.`;
  if (await store.accounts.departureOf(network, command.user))
    return `Your opt-out from ${name} is not finished yet. Try again in a while.`;
  const devices = await crypto.devicesOf(bot, command.user, settings.devicePolicy);
  if (settings.devicePolicy === 'cross-signed' && (devices.masterKey === undefined || devices.eligible === 0)) {
    return 'Messages are sent only to verified sessions, and you have none yet. In Element: Settings, Encryption: set up recovery, so that this session is verified. Then send "opt-in" again.';
  }
  return undefined;
}

function explanation(context: BridgeContext, network: Network): string {
  const name = networkNames[network];
  const server = context.settings.serverName;
  return [
    `If you opt in, people on ${name} who allow chats with other services can write to you, and you to them.`,
    `What is shared: ${name} learns your Matrix ID and display name, that you use this server, and with whom you write and when. The people you write with see your Matrix ID and display name.`,
    `What is read where: messages are end-to-end encrypted from you to the bridge on ${server} and from there to ${name}. The bridge decrypts and re-encrypts them in between, in memory. Whoever runs ${server} could therefore read them. Nothing readable is stored, and delivered messages are erased.`,
    'Whether you have read something, and that you are typing, is told to nobody unless you switch it on; "settings" shows how.',
    'Who may reach you: whoever you do not know waits until you have decided, and learns nothing until then, not even that their message has arrived.',
    'The server itself sees reactions and deletions in plain, as everywhere in Matrix.',
    whatWorks(network),
    'You can end this at any time with "opt-out".',
    'Do you want this? Answer "yes".',
  ].join('\n\n');
}

export async function optOut(
  context: BridgeContext,
  command: Command,
  args: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  const network = networkOf(context, args);
  const account = network === undefined ? undefined : await context.store.accounts.find(network, command.user);
  if (network === undefined || account === undefined)
    return { text: 'You have not opted in, so there is nothing to end.' };
  const portals = await context.store.portals.ofAccount(account.id);
  const departure: Departure = {
    account: account.id,
    network,
    user: account.user,
    managementRoom: command.room,
    interopAccountId: isActive(account) ? account.state.enlistment.interopAccountId : undefined,
    attempts: 0,
    chats: portals.map(({ state, contact }) => ({ room: state.at === 'open' ? state.room : undefined, contact })),
  };
  return {
    text: [
      `You have opted out of ${networkNames[network]}. From now on nothing is sent or received, in either direction.`,
      `Deleted here: your keys for ${networkNames[network]}, ${portals.length} ${portals.length === 1 ? 'chat' : 'chats'} with everything that was waiting in them.`,
      'Still to come: the ghosts leave your chats and forget the keys to them, and the network is told. I say when that is done. What you see in the rooms stays with you.',
    ].join('\n\n'),
    changes: [{ change: 'account.erase', departure }],
    before: () => effects.disconnect(account.id),
    after: () => {
      passed('D1-account-erased');
      effects.wakeDeparture(account.id);
    },
  };
}

/** `yes`: to what was asked last. */
export async function confirmed(
  context: BridgeContext,
  command: Command,
  _args: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  const { store, clock, crypto, settings, bot } = context;
  const pending = await store.accounts.pendingCommand(command.user);
  const network = settings.networks.find((candidate) => pending === `opt-in ${candidate}`);
  if (network === undefined) return { text: 'I have not asked you anything. Send "opt-in" to begin.' };
  const refusal = await notNow(context, command, network);
  const answered: Change = { change: 'pending-command', user: command.user, command: undefined };
  if (refusal !== undefined) return { text: refusal, changes: [answered] };
  const account: Account = {
    id: newAccountId(),
    network,
    user: command.user,
    managementRoom: command.room,
    state: { at: 'enlisting' },
    createdAt: clock.now(),
  };
  const changes: Change[] = [answered, { change: 'account.put', account }];
  const { masterKey } = await crypto.devicesOf(bot, command.user, settings.devicePolicy);
  if (masterKey !== undefined && (await store.trust.ofUser(command.user)) === undefined) {
    changes.push({ change: 'user.trust', trust: { state: 'pinned', user: command.user, masterKey } });
  }
  return {
    text: `Thank you. I am telling ${networkNames[network]}, and say so when you are connected.`,
    changes,
    after: () => effects.wakeEnlistment(account.id),
  };
}
