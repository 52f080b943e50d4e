// `yes`: to what was asked last.
import type { Account, Network } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import { newAccountId } from '../../model/ids.ts';
import { currentExplanation, questionFor } from '../consent/explanation.ts';
import { decided } from '../consent/record.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import type { Answer, Command, CommandEffects } from './commands.ts';
import { notNow, optIn } from './opt-in.ts';
import { reportConfirmed } from './report.ts';
import { eraseConfirmed, erasePending } from './user-data.ts';

export async function yes(
  context: BridgeContext,
  command: Command,
  args: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  if (args.length > 0) return { text: 'If that means that you agree, send just "yes".' };
  const { store, settings } = context;
  const pending = await store.accounts.pendingCommand(command.user);
  if (pending === erasePending) return eraseConfirmed(context, command, effects);
  const reported = await reportConfirmed(context, command, effects);
  if (reported !== undefined) return reported;
  const network = settings.networks.find((candidate) => pending?.startsWith(`opt-in ${candidate} `));
  if (network === undefined) return { text: 'I have not asked you anything. Send "opt-in" to begin.' };
  // Whoever agrees agrees to what is true now.
  if (pending !== questionFor(settings, network)) return optIn(context, command, [network]);
  const refusal = await notNow(context, command, network);
  const answered: Change = { change: 'pending-command', user: command.user, command: undefined };
  if (refusal !== undefined) return { text: refusal, changes: [answered] };
  const account = await store.accounts.find(network, command.user);
  if (account !== undefined) return agreeAgain(context, account, answered, effects);
  return join(context, command, network, answered, effects);
}

async function agreeAgain(
  context: BridgeContext,
  { id, user, network }: Account,
  answered: Change,
  effects: CommandEffects,
): Promise<Answer> {
  const explanation = currentExplanation(context.settings, network);
  return {
    text: 'Thank you. That is on record.',
    changes: [answered, await decided(context, user, { what: 'given', network, explanation })],
    after: () => effects.wakeReview(id),
  };
}

async function join(
  context: BridgeContext,
  { user, room }: Command,
  network: Network,
  answered: Change,
  effects: CommandEffects,
): Promise<Answer> {
  const { store, clock, crypto, settings, bot } = context;
  const account: Account = {
    id: newAccountId(),
    network,
    user,
    managementRoom: room,
    state: { at: 'enlisting' },
    createdAt: clock.now(),
  };
  const explanation = currentExplanation(settings, network);
  const changes: Change[] = [
    answered,
    await decided(context, user, { what: 'given', network, explanation }),
    { change: 'account.put', account },
  ];
  const { masterKey } = await crypto.devicesOf(bot, user, settings.devicePolicy);
  if (masterKey !== undefined && (await store.trust.ofUser(user)) === undefined) {
    changes.push({ change: 'user.trust', trust: { state: 'pinned', user, masterKey } });
  }
  return {
    text: `Thank you. I am telling ${networkNames[network]}, and say so when you are connected.`,
    changes,
    after: () => effects.wakeEnlistment(account.id),
  };
}
