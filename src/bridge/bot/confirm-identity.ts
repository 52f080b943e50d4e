// `confirm-identity`: the user says that a changed cross-signing identity is theirs.
import type { BridgeContext } from '../context.ts';
import { confirmIdentity } from '../user-trust.ts';
import type { Answer, Command, CommandEffects } from './commands.ts';

export async function confirmIdentityCommand(
  context: BridgeContext,
  command: Command,
  _args: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  if (!(await confirmIdentity(context, command.user)))
    return { text: 'Your encryption identity is the one I know. There is nothing to confirm.' };
  return {
    text: 'Thank you. Your new identity is pinned, and what was waiting goes on now.',
    after: () => void effects.wakeUser(command.user),
  };
}
