// `requests`: who asks to be let in.
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import { phoneNumberOf } from '../phone-numbers.ts';
import { type Chat, chatsOf } from '../policy/which.ts';
import type { Answer, Command } from './commands.ts';

export async function requests(context: BridgeContext, command: Command): Promise<Answer> {
  const lines: string[] = [];
  const asking = await chatsOf(context, command.user, ({ acceptance }) => acceptance.at === 'requested');
  for (const chat of asking.toSorted((a, b) => numberOf(a) - numberOf(b))) {
    const line = await describe(context, chat, command.encrypted);
    if (line !== undefined) lines.push(line);
  }
  if (lines.length === 0) return { text: 'Nobody asks to write to you.' };
  const crowded = lines.length >= context.settings.requests.people;
  const hints = [
    ...(crowded ? ['So many ask that nobody else can until you have answered some of them.'] : []),
    'Send "accept <number>", "decline <number>" or "block <number>". Of a refusal the other person learns nothing.',
    ...(command.encrypted ? [] : ['This room is not encrypted, so I name nobody here. Ask me in an encrypted room.']),
  ];
  return { text: [...lines, '', ...hints].join('\n'), confidential: command.encrypted };
}

const numberOf = ({ portal: { acceptance } }: Chat): number => (acceptance.at === 'requested' ? acceptance.number : 0);

/** Undefined where nothing that could be shown has come yet. */
async function describe(
  context: BridgeContext,
  { account, portal, contact }: Chat,
  named: boolean,
): Promise<string | undefined> {
  if (portal.acceptance.at !== 'requested') return undefined;
  const { number, since, dropped } = portal.acceptance;
  const waiting = await context.store.inbox.messagesWaiting(portal.id);
  if (waiting + dropped === 0) return undefined;
  const who = named ? [contact.name && `"${contact.name.text}"`, phoneNumberOf(contact)] : [];
  const facts = [
    ...who.filter((fact) => fact !== undefined),
    networkNames[account.network],
    `since ${new Date(since).toISOString().slice(0, 10)}`,
    `${waiting} ${waiting === 1 ? 'message waits' : 'messages wait'}`,
    ...(dropped === 0 ? [] : [`${dropped} more dropped`]),
  ];
  return `${number}: ${facts.join(', ')}`;
}
