// `inbox separate|combined`: whether the user's chats are in a Space of their own.
import { type Account, type Arrangement, arrangements } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import { arrange, arrangementOf } from '../spaces/arrangement.ts';
import { type Answer, type Command, networkOf } from './commands.ts';
import { membersOf } from './members.ts';

export const whereChatsAre: Readonly<Record<Arrangement, string>> = {
  combined: 'among your other rooms',
  separate: 'in a Space of their own',
};

const usage =
  'Send "inbox separate" for a Space of their own, or "inbox combined" to have them among your other rooms.';

export const inboxHelp =
  'inbox separate|combined: whether your chats are in a Space of their own, in the order in which they began, or among your other rooms; those that you have already as well';

export async function inbox(
  context: BridgeContext,
  { user }: Command,
  [word, ...rest]: readonly string[],
): Promise<Answer> {
  const accounts = await context.store.accounts.ofUser(user);
  if (accounts.length === 0) return { text: 'You have not opted in yet. Send "opt-in" first.' };
  const wanted = arrangements.find((each) => each === word?.toLowerCase());
  if (wanted === undefined) return { text: [...(await present(context, accounts)), '', usage].join('\n') };
  const network = networkOf(context, rest);
  const account = accounts.find((each) => each.network === network);
  if (account === undefined) return { text: 'You have not opted in there.' };
  const now = arrangementOf(context, await context.store.accounts.preferences(account.id));
  const anew = wanted === 'separate' ? await replacement(context, account) : [];
  const changes = [...anew, await arrange(context, account, wanted)];
  if (now === wanted && anew.length === 0) {
    return { text: `Your chats are ${whereChatsAre[wanted]}, and stay there.`, changes };
  }
  return { text: told(wanted, networkNames[account.network]), changes };
}

async function present(context: BridgeContext, accounts: readonly Account[]): Promise<readonly string[]> {
  const lines = accounts.map(async ({ id, network }) => {
    const now = arrangementOf(context, await context.store.accounts.preferences(id));
    return `Your chats on ${networkNames[network]} are ${whereChatsAre[now]}.`;
  });
  return Promise.all(lines);
}

/** A Space that its user is not in, which nobody has noticed, is given up for another one. */
async function replacement(context: BridgeContext, { id, user }: Account): Promise<readonly Change[]> {
  const space = await context.store.spaces.of(id);
  if (space?.state.at !== 'open' || (await membersOf(context, space.state.room)).has(user)) return [];
  return [{ change: 'space.put', space: { account: id, state: { at: 'closing', room: space.state.room } } }];
}

function told(wanted: Arrangement, network: string): string {
  return wanted === 'separate'
    ? `I invite you to a Space for your chats on ${network}. All of them are in it, those that you have already as well, in the order in which they began. What your homeserver can see does not change. To leave the Space, or to reject the invitation, is the same as "inbox combined".`
    : `Your chats on ${network} are among your other rooms from now on, and stay as they are. If there is a Space for them, it goes.`;
}
