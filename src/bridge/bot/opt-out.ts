// `opt-out`: at any time. It takes effect before the next packet, both ways, and the answer says what was deleted.
import type { Account, Holdings, Network } from '../../model/account.ts';
import { passed } from '../../observability/fail-points.ts';
import { decided } from '../consent/record.ts';
import type { BridgeContext } from '../context.ts';
import { departureOf } from '../erasures.ts';
import { networkNames } from '../labels.ts';
import type { Answer, Command, CommandEffects } from './commands.ts';

export async function optOut(
  context: BridgeContext,
  command: Command,
  args: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  // Also from a network that this server does not offer any more.
  const accounts = await context.store.accounts.ofUser(command.user);
  if (accounts.length === 0) return { text: 'You have not opted in, so there is nothing to end.' };
  const named = args[0]?.toLowerCase();
  const [account, ...others] = accounts.filter(({ network }) => named === undefined || network === named);
  if (account === undefined || others.length > 0) return { text: whichNetwork(accounts) };
  // Nothing begins any more while this is decided, so that what is counted is what is deleted.
  const release = await effects.silence(account.id);
  try {
    return { ...(await ending(context, command, account, effects)), release };
  } catch (error) {
    release();
    throw error;
  }
}

function whichNetwork(accounts: readonly Account[]): string {
  return `Which network? ${accounts.map(({ network }) => `"opt-out ${network}"`).join(' or ')}`;
}

async function ending(
  context: BridgeContext,
  command: Command,
  account: Account,
  effects: CommandEffects,
): Promise<Answer> {
  const { store, mediaHost } = context;
  const { id, network, user } = account;
  const held = await store.accounts.holdings(id);
  const departure = await departureOf(store, account, command.room);
  return {
    text: [
      `You have opted out of ${networkNames[network]}. From now on nothing is sent or received, in either direction.`,
      `Deleted here: ${deleted(network, held)}`,
      `Still to come: the ghosts leave your chats and forget the keys to them,${departure.space === undefined ? '' : ' the Space for them goes,'} and the network is told. I say when that is done. What you see in the rooms stays with you. "erase" deletes what I keep beyond that.`,
    ].join('\n\n'),
    changes: [await decided(context, user, { what: 'withdrawn', network }), { change: 'account.erase', departure }],
    after: () => {
      passed('D1-account-erased');
      mediaHost.endServing(id);
      effects.wakeDeparture(id);
    },
  };
}

/** A sentence with the counts of what an account held. */
export function deleted(network: Network, held: Holdings): string {
  const count = (number: number, one: string, more: string): string => `${number} ${number === 1 ? one : more}`;
  return [
    count(held.chats, 'chat', 'chats'),
    count(held.incoming, 'message that waited for you', 'messages that waited for you'),
    count(held.outgoing, 'message that waited to be sent', 'messages that waited to be sent'),
    count(held.kept, 'sent message that was kept', 'sent messages that were kept'),
    count(held.files, 'file that waited to be fetched', 'files that waited to be fetched'),
    `your identity key for ${networkNames[network]} with ${count(held.oneTimeKeys, 'one-time key', 'one-time keys')} and ${count(held.sessions, 'encryption session', 'encryption sessions')}.`,
  ].join(', ');
}
