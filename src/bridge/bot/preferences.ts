// `receipts`, `typing`, `delivery-marks`, `settings`: what leaves the server only because the user has switched it on.
import type { Account, Network, Preferences } from '../../model/account.ts';
import { deliveryMark } from '../../translate/capabilities.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import { arrangementOf } from '../spaces/arrangement.ts';
import { type Answer, type Command, type CommandEffects, type CommandHandler, networkOf } from './commands.ts';
import { whereChatsAre } from './inbox.ts';

interface Switch {
  readonly command: string;
  readonly noun: string;
  readonly preference: keyof Omit<Preferences, 'reach' | 'arrangement'>;
  readonly on: (network: string) => string;
  readonly off: (network: string) => string;
}

const switches: readonly Switch[] = [
  {
    command: 'receipts',
    noun: 'read receipts',
    preference: 'readReceipts',
    on: () =>
      'Read receipts are on: the other person sees when you have read their messages. Of what you have read before, nothing is told.',
    off: (network) => `Read receipts are off: nobody on ${network} sees what you have read.`,
  },
  {
    command: 'typing',
    noun: 'typing',
    preference: 'typing',
    on: (network) =>
      `Typing is on: the other person sees that you are typing to them. As long as this is on, ${network} may show you as online to everybody who writes with you.`,
    off: (network) => `Typing is off: nobody on ${network} sees that you are typing, or online.`,
  },
  {
    command: 'delivery-marks',
    noun: 'delivery marks',
    preference: 'deliveryMarks',
    on: () =>
      `Delivery marks are on: your messages get the reaction ${deliveryMark} as soon as a device of the other person has them. Reactions are not encrypted, so your homeserver sees when that was.`,
    off: () => 'Delivery marks are off: no more are set.',
  },
];

const usage = ({ command }: Switch): string => `Send "${command} on" or "${command} off".`;

/** The handlers of all switches, by command. */
export const switchHandlers: Readonly<Record<string, CommandHandler>> = Object.fromEntries(
  switches.map((each) => [
    each.command,
    (context: BridgeContext, command: Command, args: readonly string[], effects: CommandEffects) =>
      turn(context, each, command, args, effects),
  ]),
);

/** Lines for `help`. */
export const switchHelp: readonly string[] = [
  'receipts on|off: whether the other person sees what you have read',
  'typing on|off: whether the other person sees that you are typing',
  `delivery-marks on|off: ${deliveryMark} under your messages once they have arrived; your homeserver sees it`,
  'settings: what of this is on; everything is off at first',
];

async function turn(
  context: BridgeContext,
  which: Switch,
  command: Command,
  [state, ...rest]: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  const wanted = state?.toLowerCase();
  if (wanted !== 'on' && wanted !== 'off') return { text: usage(which) };
  const network = networkOf(context, rest);
  const account = network && (await context.store.accounts.find(network, command.user));
  if (account === undefined) return { text: 'You have not opted in yet. Send "opt-in" first.' };
  const on = wanted === 'on';
  if (on && !isOffered(context, which, account.network)) return { text: notOffered(account.network) };
  const preferences = { ...(await context.store.accounts.preferences(account.id)), [which.preference]: on };
  const name = networkNames[account.network];
  return {
    text: on ? which.on(name) : which.off(name),
    changes: [{ change: 'account.preferences', account: account.id, preferences }],
    ...(which.preference === 'typing'
      ? { after: () => void effects.showPresence(account.id, on ? 'available' : 'unavailable') }
      : {}),
  };
}

function isOffered({ settings }: BridgeContext, { preference }: Switch, network: Network): boolean {
  return preference !== 'readReceipts' || settings.readReceipts.has(network);
}

function notOffered(network: Network): string {
  return `Read receipts cannot be switched on: this server does not offer them to ${networkNames[network]}. The administrator can change that.`;
}

export async function settings(context: BridgeContext, command: Command): Promise<Answer> {
  const lines: string[] = [];
  for (const account of await context.store.accounts.ofUser(command.user)) {
    lines.push(`${networkNames[account.network]}: ${await switchedOn(context, account)}`);
  }
  if (lines.length === 0) return { text: 'You have not opted in yet, so everything is off. Send "opt-in" first.' };
  return { text: [...lines, '', ...switchHelp.slice(0, -1)].join('\n') };
}

/** All switches and where they stand, as a sentence. */
export async function switchedOn(context: BridgeContext, account: Account): Promise<string> {
  const preferences = await context.store.accounts.preferences(account.id);
  const states = switches.map((each) => {
    if (!isOffered(context, each, account.network)) return `${each.noun} off (not offered by this server)`;
    return `${each.noun} ${preferences[each.preference] ? 'on' : 'off'}`;
  });
  return `${states.join(', ')}. You are reached by ${preferences.reach}${preferences.reach === 'known' ? ' people' : ''}. Your chats are ${whereChatsAre[arrangementOf(context, preferences)]}.`;
}
