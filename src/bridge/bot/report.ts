// `report`: messages of contacts go to the moderators of this server, chosen by links here or by a reply in their chat.
import type { EventId, RoomId, UserId } from '../../model/ids.ts';
import type { BridgeContext } from '../context.ts';
import { askWhetherToReport, type ChosenEvent, confirmReport } from '../reports/question.ts';
import type { Answer, Command, CommandEffects, CommandHandler } from './commands.ts';

export const report: CommandHandler = async (context, command, args): Promise<Answer> => {
  if (!command.encrypted)
    return { text: 'I take reports only in an encrypted room. In a chat, reply to the message with "!wa report".' };
  const named = args.findIndex((word) => readEvent(word) === undefined);
  const count = named === -1 ? args.length : named;
  const chosen: ChosenEvent[] = [];
  for (const word of args.slice(0, count)) {
    const event = await whereIs(context, command.user, readEvent(word));
    if (event === undefined)
      return { text: `${word}: I do not know in which chat that is. Send a link to the message.` };
    chosen.push(event);
  }
  if (chosen.length === 0) return { text: howToReport };
  const { text, changes } = await askWhetherToReport(context, command.user, chosen, args.slice(count).join(' '));
  if (changes.length === 0) return { text };
  return { text: `${text}\n\nAnswer "yes" to go on.`, confidential: true, changes };
};

export const howToReport =
  'In a chat, reply to the message with "!wa report", and a reason if you like. Or send me "report" with links to the messages (Element: menu of the message, Share), then the reason.';

export const reportHelp =
  'report <links to messages> [reason]: passes what somebody has written on to the moderators of this server; only in an encrypted room with me, asks first. In a chat, reply to the message with "!wa report [reason]"';

/** After the user's "yes"; undefined where that is no answer to a question about a report. */
export async function reportConfirmed(
  context: BridgeContext,
  { user }: Command,
  effects: CommandEffects,
): Promise<Answer | undefined> {
  const confirmed = await confirmReport(context, user);
  if (confirmed === undefined) return undefined;
  const { text, changes, accounts } = confirmed;
  const after = (): void => {
    for (const account of accounts) effects.wakeReports(account);
  };
  return { text, changes, after };
}

interface NamedEvent {
  readonly room: RoomId | undefined;
  readonly event: EventId;
}

/** An event id, or a link to an event (Matrix spec, appendix "URIs"). */
export function readEvent(word: string): NamedEvent | undefined {
  if (/^\$[^\s/?]+$/.test(word)) return { room: undefined, event: word as EventId };
  const [, room, event] = /^https:\/\/matrix\.to\/#\/([^/?]+)\/([^/?]+)/.exec(word)?.map(decoded) ?? [];
  if (room?.startsWith('!') && event?.startsWith('$')) return { room: room as RoomId, event: event as EventId };
  const [, roomName, eventName] = /^matrix:roomid\/([^/?]+)\/e\/([^/?]+)/.exec(word)?.map(decoded) ?? [];
  if (roomName === undefined || eventName === undefined) return undefined;
  return { room: `!${roomName}` as RoomId, event: `$${eventName}` as EventId };
}

/** As it is where it is not percent-encoded. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Of an event that is named by its id alone, the chat of this user in which it is known. */
async function whereIs(
  { store }: BridgeContext,
  user: UserId,
  named: NamedEvent | undefined,
): Promise<ChosenEvent | undefined> {
  if (named === undefined) return undefined;
  const { room, event } = named;
  if (room !== undefined) return { room, event };
  for (const account of await store.accounts.ofUser(user)) {
    for (const portal of await store.portals.ofAccount(account.id)) {
      const reference = await store.references.byEvent(portal.id, event);
      if (reference !== undefined) return { room: reference.room, event };
    }
  }
  return undefined;
}
