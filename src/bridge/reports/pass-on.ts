// A report on its way: read only when the moderators can have it, stored as ciphertext, sent, and forgotten.
import type { Change } from '../../model/change.ts';
import { BridgeError } from '../../model/errors.ts';
import type { AccountId, MessageId, RoomId } from '../../model/ids.ts';
import type { InteropClient } from '../../model/interop.ts';
import type { JsonObject, SealedEvent } from '../../model/journal.ts';
import type { NamedMessage, Report } from '../../model/report.ts';
import { preferredAddress } from '../contacts.ts';
import { type ActiveAccount, type BridgeContext, isActive } from '../context.ts';
import { networkNames } from '../labels.ts';
import { sendId } from '../send-ids.ts';
import { sendAgain } from '../unknown-outcomes.ts';
import type { Step } from '../workers.ts';
import { moderationRoom } from './moderation-room.ts';
import { type Reported, reportContents } from './report-words.ts';
import { lookAt, reportedChat } from './reported.ts';

/** How often a moderation room that cannot be used is looked at while a report waits for it. */
const lookAgainMs = 5 * 60 * 1000;

export interface ReportEffects {
  wakeBot(room: RoomId): void;
  client(account: ActiveAccount): InteropClient | undefined;
}

/** One step of a report of this account. */
export async function passOnNext(context: BridgeContext, account: AccountId, effects: ReportEffects): Promise<Step> {
  const report = await context.store.reports.next(account);
  if (report === undefined) return 'idle';
  switch (report.state.at) {
    case 'chosen':
      return read(context, report, effects);
    case 'encrypted':
      return send(context, report, report.state.events, report.state.named, effects);
    case 'passed-on':
      return tellNetwork(context, report, report.state.named, effects);
  }
}

/** Looks at what was chosen, and stores what will be sent. */
async function read(context: BridgeContext, report: Report, effects: ReportEffects): Promise<Step> {
  const place = await moderationRoom(context);
  if (place.is !== 'ready') return wait(context, report, place.is === 'none' ? place.is : place.why);
  const { contents, named } = await contentsOf(context, report);
  if (contents.length === 0) {
    return finish(context, report, effects, 'It was not passed on: what it is about is deleted, or cannot be read.');
  }
  const { crypto, bot, settings, store } = context;
  const events: SealedEvent[] = [];
  for (const { part, content } of contents) {
    const { moderators, room } = place;
    const result = await crypto.encryptForAll(bot, room, moderators, settings.devicePolicy, 'm.room.message', content);
    if (result.outcome !== 'encrypted') return wait(context, report, 'no-device');
    const id = sendId(settings.instanceId, bot.id, room, `report:${report.id}:${part}`);
    events.push({ sendId: id, type: result.type, content: result.content });
  }
  await store.commit([{ change: 'report.state', id: report.id, state: { at: 'encrypted', events, named } }]);
  return 'again';
}

/** `why` as the log says it. */
function wait({ logger }: BridgeContext, { account }: Report, why: string): Step {
  logger.error({ account, why }, 'a report waits, because the moderation room cannot be used; doctor says what to do');
  return { waitMs: lookAgainMs };
}

interface Contents {
  /** `part` tells each from the others of this report, whenever they are made. */
  readonly contents: readonly { readonly part: string; readonly content: JsonObject }[];
  /** Those of which it is proven which they are. */
  readonly named: readonly NamedMessage[];
}

async function contentsOf(context: BridgeContext, { account: id, chosen }: Report): Promise<Contents> {
  const { room, reason } = chosen;
  const chat = await reportedChat(context, room, (account) => account.id === id);
  const contents: Contents['contents'][number][] = [];
  /** By id: several events may show one message. */
  const named = new Map<MessageId, NamedMessage>();
  if (chat === undefined) return { contents, named: [] };
  const add = (reported: Reported): void => {
    const made = reportContents(reported);
    contents.push(...made.map((content, index) => ({ part: `${reported.statement.id}:${index}`, content })));
  };
  for (const event of chosen.events) {
    const looked = await lookAt(context, chat, event);
    if (looked.kind !== 'message') continue;
    const { statement, edit } = looked;
    add({ chat, reason, statement, replaces: undefined });
    if (edit !== undefined) add({ chat, reason, statement: edit, replaces: statement });
    if (statement.verdict.proof === 'valid') named.set(statement.verdict.message.id, statement.verdict.message);
  }
  return { contents, named: [...named.values()] };
}

async function send(
  context: BridgeContext,
  report: Report,
  events: readonly SealedEvent[],
  named: readonly NamedMessage[],
  effects: ReportEffects,
): Promise<Step> {
  const { store, settings, bot } = context;
  const { moderationRoom: room } = settings;
  if (room === undefined) return wait(context, report, 'none');
  try {
    for (const event of events) await sendAgain(context, bot, room, event);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    // The bot is not there any more, or may not speak. What has arrived is not sent twice: its ids stay the same.
    await store.commit([{ change: 'report.state', id: report.id, state: { at: 'chosen' } }]);
    return wait(context, report, error.code);
  }
  const account = await store.accounts.get(report.account);
  const toNetwork = account !== undefined && settings.reportTo.has(account.network) && named.length > 0;
  const text = 'The moderators of this server have it now.';
  if (!toNetwork) return finish(context, report, effects, text);
  const state = { at: 'passed-on', named } as const;
  await store.commit([{ change: 'report.state', id: report.id, state }, ...(await said(context, report, text))]);
  effects.wakeBot(account.managementRoom);
  return 'again';
}

/** Woken when there is a connection. */
async function tellNetwork(
  context: BridgeContext,
  report: Report,
  named: readonly NamedMessage[],
  effects: ReportEffects,
): Promise<Step> {
  const account = await context.store.accounts.get(report.account);
  if (!isActive(account)) return 'idle';
  const network = networkNames[account.network];
  const chat = await reportedChat(context, report.chosen.room, ({ id }) => id === account.id);
  const address = chat && preferredAddress(chat.contact);
  if (address === undefined) return finish(context, report, effects, `${network} was not told: the chat is gone.`);
  const client = effects.client(account);
  if (!client?.connected) return 'idle';
  try {
    await client.reportMessages(named, address);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry !== 'never') throw error;
    context.logger.warn({ account: account.id, code: error.code, err: error }, 'the network did not take a report');
    return finish(context, report, effects, `${network} did not take it.`);
  }
  return finish(context, report, effects, `${network} has been told, too.`);
}

/** Nothing is kept of it from here on. */
async function finish(context: BridgeContext, report: Report, effects: ReportEffects, text: string): Promise<Step> {
  const { store } = context;
  await store.commit([{ change: 'report.done', id: report.id }, ...(await said(context, report, text))]);
  const account = await store.accounts.get(report.account);
  if (account !== undefined) effects.wakeBot(account.managementRoom);
  return 'again';
}

async function said(
  { store }: BridgeContext,
  { id, account: reporter, state }: Report,
  text: string,
): Promise<Change[]> {
  const account = await store.accounts.get(reporter);
  if (account === undefined) return [];
  const key = `report:${id}:${state.at}`;
  return [{ change: 'bot-message.add', room: account.managementRoom, key, text: `About your report: ${text}` }];
}
