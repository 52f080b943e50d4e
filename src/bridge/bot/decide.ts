// `accept` and `decline`: the answer to a request, by its number, or by the phone number or name of who asks.
import type { Change } from '../../model/change.ts';
import type { Portal } from '../../model/portal.ts';
import type { BridgeContext } from '../context.ts';
import { accept, decline, declinedText } from '../policy/requests.ts';
import { chatsOf, fits, readName } from '../policy/which.ts';
import type { Answer, Command, CommandEffects, CommandHandler } from './commands.ts';

interface Decision {
  readonly takes: (portal: Portal) => boolean;
  readonly changes: (context: BridgeContext, portal: Portal) => Promise<Change[]>;
  readonly text: string;
}

const asks = ({ acceptance }: Portal): boolean => acceptance.at === 'requested';

const decisions: Readonly<Record<'accept' | 'decline', Decision>> = {
  accept: {
    // Who was declined may be let in after all.
    takes: ({ acceptance }) => acceptance.at !== 'accepted',
    changes: accept,
    text: 'They are let in. What waited is delivered to the chat, and they see that it is.',
  },
  decline: {
    takes: asks,
    changes: decline,
    text: declinedText,
  },
};

export const acceptCommand: CommandHandler = (context, command, args, effects) =>
  answer(context, decisions.accept, command, args, effects);
export const declineCommand: CommandHandler = (context, command, args, effects) =>
  answer(context, decisions.decline, command, args, effects);

async function answer(
  context: BridgeContext,
  { takes, changes, text }: Decision,
  command: Command,
  args: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  const name = readName(args.join(' '));
  if (name?.by === 'person' && !command.encrypted) return { text: namesNeedEncryption };
  const chats = await chatsOf(context, command.user, takes);
  const found = chats.filter((chat) => (name === undefined ? asks(chat.portal) : fits(context, name, chat)));
  const [chat, ...more] = found;
  if (chat === undefined) return { text: 'I find no such request. "requests" lists those that there are.' };
  if (more.length > 0) return { text: 'There is more than one. Name it by its number; "requests" lists them.' };
  return {
    text,
    changes: await changes(context, chat.portal),
    after: () => effects.wakePortal(chat.portal.id),
  };
}

export const namesNeedEncryption =
  'I take no names or phone numbers in an unencrypted room: the server would keep them in the room for ever. Use the number that "requests" shows, or an encrypted room.';
