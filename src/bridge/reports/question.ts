// Before anything is reported the user is told what goes to whom, and says yes.
import type { Change } from '../../model/change.ts';
import { type EventId, newReportId, type RoomId, type UserId } from '../../model/ids.ts';
import type { ChosenMessages } from '../../model/report.ts';
import { oneLine } from '../../translate/names.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import { moderationRoom } from './moderation-room.ts';
import { summaryOf, writerOf } from './report-words.ts';
import { type Looked, lookAt, type ReportedChat, reportedChat, type Statement } from './reported.ts';

/** Of one report. */
const mostMessages = 10;
const mostReportsADay = 20;
const dayMs = 24 * 60 * 60 * 1000;
const longestReason = 500;

/** What is pending until the user says yes, before what was chosen. */
const pendingReport = 'report ';

export interface ChosenEvent {
  readonly room: RoomId;
  readonly event: EventId;
}

export interface Said {
  readonly text: string;
  readonly changes: readonly Change[];
}

/** Asks the user whether these messages are to be reported, or says why they cannot be. Names people where it asks. */
export async function askWhetherToReport(
  context: BridgeContext,
  user: UserId,
  chosen: readonly ChosenEvent[],
  reason: string,
): Promise<Said> {
  const refused = (text: string): Said => ({ text, changes: [] });
  const unwanted = await whyNone(context, user);
  if (unwanted !== undefined) return refused(unwanted);
  const once = [...new Map(chosen.map((each) => [each.event, each])).values()];
  if (once.length > mostMessages) return refused(`One report takes at most ${mostMessages} messages.`);
  const found: { readonly chat: ReportedChat; readonly statement: Statement }[] = [];
  for (const { room, event } of once) {
    const chat = await reportedChat(context, room, (account) => account.user === user);
    if (chat === undefined) return refused(`${event}: that is not in a chat of yours with somebody elsewhere.`);
    const looked = await lookAt(context, chat, event);
    if (looked.kind !== 'message') return refused(cannot[looked.kind]);
    found.push({ chat, statement: looked.statement });
  }
  const shortReason = oneLine(reason, longestReason);
  const reports = [...Map.groupBy(once, ({ room }) => room)].map(
    ([room, events]): ChosenMessages => ({ room, events: events.map(({ event }) => event), reason: shortReason }),
  );
  return {
    text: question(context, user, found, shortReason),
    changes: [{ change: 'pending-command', user, command: `${pendingReport}${JSON.stringify(reports)}` }],
  };
}

/** Why this user cannot report anything now. */
async function whyNone(context: BridgeContext, user: UserId): Promise<string | undefined> {
  const { store, clock, logger, settings } = context;
  const { name, contact } = settings.operator;
  const operator = `${name} runs it: ${contact}.`;
  const place = await moderationRoom(context);
  if (place.is === 'none') return `This server takes no reports. ${operator} "block" keeps somebody away from you.`;
  if (place.is === 'unusable') {
    logger.error({ why: place.why }, 'a user wants to report something: the moderation room cannot be used');
    return `Reports cannot be taken on this server at the moment. ${operator}`;
  }
  for (const account of await store.accounts.ofUser(user)) {
    const made = await store.reports.made(account.id);
    const lately = made.filter(({ madeAt }) => madeAt > clock.now() - dayMs);
    if (lately.length >= mostReportsADay) {
      return `You have reported ${lately.length} times within a day, and I take no more than that. ${operator}`;
    }
  }
  return undefined;
}

const cannot: Readonly<Record<Exclude<Looked['kind'], 'message'>, string>> = {
  own: 'That is a message of your own. Only what the other person has written can be reported.',
  notice: 'That is a notice of the bridge, not a message of the other person.',
  others: 'Neither you nor the other person has written that.',
  unreadable: 'I cannot read that any more: it is deleted, or it is no message.',
};

function question(
  { settings }: BridgeContext,
  user: UserId,
  found: readonly { readonly chat: ReportedChat; readonly statement: Statement }[],
  reason: string,
): string {
  const [first] = found;
  const network = first === undefined ? undefined : first.chat.account.network;
  const toNetwork =
    network !== undefined && settings.reportTo.has(network)
      ? [`${networkNames[network]} is told which messages these are, by their ids, and that you report them.`]
      : [];
  const list = found.map(({ chat, statement }) => `- ${summaryOf(statement)}, by ${writerOf(chat.contact)}`);
  return [
    `I am about to report to the moderators of this server (${settings.operator.name}):`,
    [...list, reason === '' ? '- without a reason' : `- your reason: "${reason}"`].join('\n'),
    [
      `They get what was written, with its files, who has written it with their phone number if it is known, that you (${user}) report it, and proof that you have not changed it.`,
      ...toNetwork,
      'The other person is not told. What you have written yourself is not passed on.',
    ].join(' '),
  ].join('\n\n');
}

export interface Confirmed extends Said {
  readonly accounts: readonly ReportedChat['account']['id'][];
}

/** After the user's yes; `room`: where it was said, if in a chat. Undefined where no report was asked about (there). */
export async function confirmReport(
  context: BridgeContext,
  user: UserId,
  room?: RoomId,
): Promise<Confirmed | undefined> {
  const pending = await context.store.accounts.pendingCommand(user);
  if (!pending?.startsWith(pendingReport)) return undefined;
  const reports: readonly ChosenMessages[] = JSON.parse(pending.slice(pendingReport.length));
  if (room !== undefined && !reports.some((report) => report.room === room)) return undefined;
  const changes: Change[] = [{ change: 'pending-command', user, command: undefined }];
  const accounts = new Set<ReportedChat['account']['id']>();
  for (const chosen of reports) {
    const chat = await reportedChat(context, chosen.room, (account) => account.user === user);
    if (chat === undefined) continue;
    changes.push({ change: 'report.add', id: newReportId(), account: chat.account.id, chosen });
    accounts.add(chat.account.id);
  }
  const text = 'Thank you. I pass it on now, and say so in our chat when it is done.';
  return { text, changes, accounts: [...accounts] };
}
