// `block`, `unblock`, `blocks`: of whom the user wants to hear nothing more.

import type { Block, BlockPattern } from '../../model/block.ts';
import type { AccountId, UserId } from '../../model/ids.ts';
import type { ActiveAccount } from '../context.ts';
import { type BridgeContext, isActive } from '../context.ts';
import { readPhoneNumber } from '../phone-numbers.ts';
import { blockContact, blockNumber, blockPrefix } from '../policy/blocks.ts';
import { decline } from '../policy/requests.ts';
import { chatsOf, fits, folded, readName } from '../policy/which.ts';
import type { Answer, CommandHandler } from './commands.ts';
import { namesNeedEncryption } from './decide.ts';
import { policyRoomLines } from './policy-rooms.ts';

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
  const prefix = readPrefix(words);
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
  const rooms = await policyRoomLines(context, command);
  const withRooms = (text: string): string => [text, ...(rooms.length > 0 ? ['', ...rooms] : [])].join('\n');
  if (all.length === 0) return { text: withRooms('You have blocked nobody.') };
  if (!command.encrypted)
    return { text: withRooms(`You have blocked ${all.length}. Ask me in an encrypted room whom.`) };
  const lines = all.map(({ code, label }) => `${code}: ${label}`);
  const hint = 'Send "unblock" with a code from here, a name or a phone number to take one back.';
  return { text: withRooms([...lines, '', hint].join('\n')), confidential: true };
};

export const unblock: CommandHandler = async (context, command, args): Promise<Answer> => {
  const words = args.join(' ').trim();
  const all = await allBlocks(context, command.user);
  const coded = all.find(({ code }) => code === words.toLowerCase());
  const names = coded === undefined && words !== '' && !/^[\da-f]{1,4}$/i.test(words);
  if (names && !command.encrypted) return { text: namesNeedEncryption };
  const chosen = coded === undefined ? await entriesOf(context, all, words) : [coded];
  if (chosen.length === 0)
    return { text: 'Send "unblock" with a code that "blocks" shows, or the name or phone number that stands there.' };
  if (new Set(chosen.map(({ label }) => label)).size > 1)
    return { text: 'There is more than one. Send "unblock" with a code that "blocks" shows.' };
  return {
    text: 'They are not blocked any more. Whoever had asked and was not let in stays out until you "accept" them by name or phone number.',
    changes: chosen.map(({ account, id }) => ({ change: 'block.remove', account, id })),
  };
};

/** The digits of `+99*`. */
const readPrefix = (words: string): string | undefined => /^\+(\d{1,15})\*$/.exec(words.replace(/[ ().-]/g, ''))?.[1];

export const blocksHelp: readonly string[] = [
  'block <phone number, +99* for all that begin so, name, or number of a request>: nothing of theirs reaches you, nothing of yours reaches them, and they are not told',
  'blocks: whom you have blocked; unblock <code, name, phone number or +99*>: takes one back',
];

async function activeAccounts({ store }: BridgeContext, user: UserId): Promise<readonly ActiveAccount[]> {
  return (await store.accounts.ofUser(user)).filter(isActive);
}

/** A block in a list: `code` names it, whatever comes to the list or goes. */
interface Entry extends Block {
  readonly account: AccountId;
  readonly code: string;
}

async function allBlocks(context: BridgeContext, user: UserId): Promise<readonly Entry[]> {
  const accounts = await activeAccounts(context, user);
  const lists = accounts.map(async ({ id: account }) =>
    (await context.store.blocks.list(account)).map((each) => ({ ...each, account })),
  );
  const all = (await Promise.all(lists)).flat();
  const ids = all.map(({ id }) => id);
  return all.map((each) => ({ ...each, code: shortest(each.id, ids) }));
}

/** The start of an id that no other one has: four digits, unless there are very many. */
function shortest(id: string, ids: readonly string[]): string {
  for (let length = 4; length < id.length; length += 1) {
    const start = id.slice(0, length);
    if (ids.filter((each) => each.startsWith(start)).length === 1) return start;
  }
  return id;
}

/** Those that stand for a phone number or the start of numbers, or carry a name. */
async function entriesOf(context: BridgeContext, all: readonly Entry[], words: string): Promise<readonly Entry[]> {
  const prefix = readPrefix(words);
  const digits = prefix === undefined ? readPhoneNumber(context.settings, words)?.digits : undefined;
  const pattern: BlockPattern | undefined =
    prefix !== undefined ? `prefix:${prefix}` : digits !== undefined ? `phone:${digits}` : undefined;
  if (pattern === undefined) return all.filter(({ label }) => isCalled(label, words));
  const found: string[] = [];
  for (const account of new Set(all.map((each) => each.account))) {
    found.push(...(await context.store.blocks.matching(account, [pattern])));
  }
  return all.filter(({ id }) => found.includes(id));
}

/** Of `"Anna", +49 151 1234567` the name. */
function isCalled(label: string, name: string): boolean {
  const quoted = /^"(.*)"(, \+[\d ]+)?$/s.exec(label)?.[1];
  return quoted !== undefined && folded(quoted) === folded(name.replace(/^"(.*)"$/, '$1'));
}
