// `block`, `unblock`, `blocks`: of whom the user wants to hear nothing more.

import type { UserId } from '../../model/ids.ts';
import type { ActiveAccount } from '../context.ts';
import { type BridgeContext, isActive } from '../context.ts';
import { readPhoneNumber } from '../phone-numbers.ts';
import { blockContact, blockNumber, blockPrefix } from '../policy/blocks.ts';
import { decline } from '../policy/requests.ts';
import { chatsOf, fits, readName } from '../policy/which.ts';
import type { Answer, CommandHandler } from './commands.ts';
import { namesNeedEncryption } from './decide.ts';

const blockedNow =
  'Blocked. Nothing of theirs reaches you any more, nothing of yours reaches them, and they are not told.';

export const block: CommandHandler = async (context, command, args, effects) => {
  const words = args.join(' ');
  const name = readName(words);
  if (name === undefined)
    return {
      text: 'Send "block" with a phone number, the start of numbers (+99*), a name, or the number of a request.',
    };
  if (name.by === 'person' && !command.encrypted) return { text: namesNeedEncryption };
  const accounts = await activeAccounts(context, command.user);
  if (accounts.length === 0) return { text: 'You have not opted in yet. Send "opt-in" first.' };
  const prefix = /^\+(\d{1,15})\*$/.exec(words.replace(/[ ().-]/g, ''))?.[1];
  if (prefix !== undefined) {
    return {
      text: `Blocked: whoever has a phone number that begins with +${prefix}, as far as the network tells me their number. They are not told.`,
      confidential: true,
      changes: accounts.map(({ id }) => blockPrefix(context, id, prefix)),
    };
  }
  const [chat, ...more] = (await chatsOf(context, command.user, () => true)).filter((each) =>
    fits(context, name, each),
  );
  if (more.length > 0) return { text: 'There is more than one. Name them by phone number.' };
  if (chat !== undefined) {
    const { account, portal, contact } = chat;
    const refused = portal.acceptance.at === 'requested' ? await decline(context, portal) : [];
    return {
      text: blockedNow,
      changes: [blockContact(context, account.id, contact, portal.givenName), ...refused],
      after: () => effects.wakePortal(portal.id),
    };
  }
  const number = name.by === 'person' ? readPhoneNumber(context.settings, name.text) : undefined;
  if (number === undefined)
    return { text: 'I know nobody of that name. Name them by phone number, with country code.' };
  return { text: blockedNow, changes: accounts.map(({ id }) => blockNumber(context, id, number)) };
};

export const blocks: CommandHandler = async (context, command) => {
  const all = await allBlocks(context, command.user);
  if (all.length === 0) return { text: 'You have blocked nobody.' };
  if (!command.encrypted) return { text: `You have blocked ${all.length}. Ask me in an encrypted room whom.` };
  const lines = all.map(({ label }, index) => `${index + 1}: ${label}`);
  return { text: [...lines, '', 'Send "unblock <number>" to take one back.'].join('\n'), confidential: true };
};

export const unblock: CommandHandler = async (context, command, args): Promise<Answer> => {
  const words = args.join(' ').trim();
  const all = await allBlocks(context, command.user);
  const chosen = /^\d{1,4}$/.test(words) ? all[Number(words) - 1] : undefined;
  if (chosen === undefined) return { text: 'Send "unblock" with a number that "blocks" shows.' };
  return {
    text: 'They are not blocked any more. Whoever had asked and was not let in stays out until you "accept" them by name or phone number.',
    changes: [{ change: 'block.remove', account: chosen.account, id: chosen.id }],
  };
};

export const blocksHelp: readonly string[] = [
  'block <phone number, +99* for all that begin so, name, or number of a request>: nothing of theirs reaches you, nothing of yours reaches them, and they are not told',
  'blocks: whom you have blocked; unblock <number>: takes one back',
];

async function activeAccounts({ store }: BridgeContext, user: UserId): Promise<readonly ActiveAccount[]> {
  return (await store.accounts.ofUser(user)).filter(isActive);
}

async function allBlocks(context: BridgeContext, user: UserId) {
  const accounts = await activeAccounts(context, user);
  const lists = accounts.map(async ({ id: account }) =>
    (await context.store.blocks.list(account)).map((each) => ({ ...each, account })),
  );
  return (await Promise.all(lists)).flat();
}
