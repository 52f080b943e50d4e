// `reach everyone|known|nobody`: who may begin a chat with the user.
import { type Reach, reaches } from '../../model/account.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import { type Answer, type Command, networkOf } from './commands.ts';

const meaning: Readonly<Record<Reach, (network: string) => string>> = {
  everyone: (network) =>
    `Everyone on ${network} may ask to write to you. Whoever you do not know waits until you have decided, and learns nothing until then.`,
  known: (network) =>
    `Only people whom you have let in or written to reach you on ${network}. Of others you are not told, and they are not told either.`,
  nobody: (network) =>
    `Your chats on ${network} stay as they are, and there are no new ones: nobody else reaches you, and "chat" begins none.`,
};

export const reachHelp =
  'reach everyone|known|nobody: who may begin a chat with you: everyone, after asking; only people to whom you have written, or whom you have let in; nobody';

export async function reach(
  context: BridgeContext,
  command: Command,
  [wanted, ...rest]: readonly string[],
): Promise<Answer> {
  const chosen = reaches.find((each) => each === wanted?.toLowerCase());
  if (chosen === undefined) return { text: 'Send "reach everyone", "reach known" or "reach nobody".' };
  const network = networkOf(context, rest);
  const account = network && (await context.store.accounts.find(network, command.user));
  if (account === undefined) return { text: 'You have not opted in yet. Send "opt-in" first.' };
  const preferences = { ...(await context.store.accounts.preferences(account.id)), reach: chosen };
  const asking = (await context.store.portals.requests(account.id)).length;
  const waiting = asking > 0 && chosen !== 'everyone' ? ' Who has asked already is still listed by "requests".' : '';
  return {
    text: meaning[chosen](networkNames[account.network]) + waiting,
    changes: [{ change: 'account.preferences', account: account.id, preferences }],
  };
}
