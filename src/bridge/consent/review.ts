// Review: an account is brought to how it stands. At the start, every hour, and whenever its user has answered something.
import type { Account } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import type { ConsentEntry, ConsentEvent, PauseReason } from '../../model/consent.ts';
import type { AccountId } from '../../model/ids.ts';
import { passed } from '../../observability/fail-points.ts';
import { deleted } from '../bot/opt-out.ts';
import type { BridgeContext } from '../context.ts';
import { departureOf } from '../erasures.ts';
import { networkNames } from '../labels.ts';
import { type Closed, closedText, whyClosed } from '../policy/eligibility.ts';
import { attestationRequest } from './attestation.ts';
import { currentExplanation, explanationText, questionFor } from './explanation.ts';
import { intactEntries, lastAbout } from './record.ts';
import { type Question, type Standing, standing } from './standing.ts';

export interface ReviewEffects {
  silence(account: AccountId): Promise<() => void>;
  wakeBot(room: Account['managementRoom']): void;
  wakeDeparture(account: AccountId): void;
}

export async function standingOf(
  context: BridgeContext,
  account: Account,
): Promise<Standing & { readonly entries: readonly ConsentEntry[] | undefined; readonly closed: Closed | undefined }> {
  const { settings, clock } = context;
  const entries = await intactEntries(context, account.user);
  const explanation = currentExplanation(settings, account.network);
  const closed = await whyClosed(context, account.user);
  const demands = {
    networks: settings.networks,
    mayOptIn: closed === undefined,
    attestationRequired: settings.attestation !== undefined,
    graceMs: settings.graceMs,
    endAfterMs: settings.endPausedMs,
  };
  return { ...standing(account, entries, explanation, demands, clock.now()), entries, closed };
}

/** Asks what has to be asked, pauses, resumes or ends the account. */
export async function review(context: BridgeContext, id: AccountId, effects: ReviewEffects): Promise<void> {
  const { store } = context;
  const account = await store.accounts.get(id);
  if (account === undefined || account.state.at === 'enlisting') return;
  const stands = await standingOf(context, account);
  if (stands.end) return end(context, account, stands.pause ?? 'record', effects);
  const said = new Saying(context, account, stands.entries !== undefined);
  for (const question of stands.ask) ask(context, said, account, question, stands);
  if (stands.closed === undefined) announce(context, said, account, stands.entries);
  const { state } = account;
  let release: (() => void) | undefined;
  if (stands.pause !== undefined && state.at === 'active') {
    release = await effects.silence(id);
    said.record({ what: 'paused', network: account.network, why: stands.pause });
    said.say(pausedText(context, account, stands.pause, stands.closed));
  }
  // One thing that was missing is there: the next one is named.
  if (stands.pause !== undefined && state.at === 'paused' && state.why !== stands.pause)
    said.say(pausedText(context, account, stands.pause, stands.closed));
  if (stands.pause === undefined && state.at === 'paused') {
    said.record({ what: 'resumed', network: account.network });
    said.say(`${networkNames[account.network]} goes on: what has waited is sent and shown now.`);
  }
  const next: Account['state'] =
    stands.pause === undefined
      ? { at: 'active', enlistment: state.enlistment }
      : { at: 'paused', why: stands.pause, enlistment: state.enlistment };
  const changed = state.at !== next.at || (state.at === 'paused' && next.at === 'paused' && state.why !== next.why);
  if (changed) said.changes.push({ change: 'account.put', account: { ...account, state: next } });
  try {
    if (said.changes.length > 0) await store.commit(said.finish());
    if (next.at === 'paused') context.mediaHost.endServing(id);
  } finally {
    release?.();
  }
  effects.wakeBot(account.managementRoom);
}

/** What is said and put on record in one commit. */
class Saying {
  readonly changes: Change[] = [];
  readonly #account: Account;
  readonly #at: number;
  readonly #isIntact: boolean;
  readonly #texts: string[] = [];

  constructor({ clock }: BridgeContext, account: Account, isIntact: boolean) {
    this.#account = account;
    this.#at = clock.now();
    this.#isIntact = isIntact;
  }

  /** A damaged record is not continued. */
  record(event: ConsentEvent): void {
    if (this.#isIntact) this.changes.push({ change: 'consent.record', user: this.#account.user, event });
  }

  say(text: string): void {
    this.#texts.push(text);
  }

  finish(): readonly Change[] {
    if (this.#texts.length === 0) return this.changes;
    const { id, managementRoom } = this.#account;
    // What cannot be put on record is said once in a while.
    const key = this.#isIntact ? `review:${id}:${this.#at}` : `review:${id}:damaged`;
    const text = this.#texts.join('\n\n');
    return [...this.changes, { change: 'bot-message.add', room: managementRoom, key, text, confidential: false }];
  }
}

function ask(context: BridgeContext, said: Saying, account: Account, question: Question, stands: Standing): void {
  const { network, user } = account;
  const { settings } = context;
  const until = stands.deadlines[question] ?? 0;
  const over = until <= context.clock.now();
  const date = new Date(until).toISOString().slice(0, 10);
  if (question === 'attestation') {
    said.record({ what: 'attestation-asked' });
    said.say(attestationRequest(over ? undefined : date));
    return;
  }
  said.record({ what: 'asked-again', network, explanation: currentExplanation(settings, network) });
  said.say(
    [
      `What you agreed to for ${networkNames[network]} has changed, or your agreement is not on record. This holds now:`,
      explanationText(settings, network),
      `${over ? 'Until you have answered, nothing is sent or received.' : `Without an answer, nothing is sent or received from ${date} on.`} Do you agree? Answer "yes". "opt-out ${network}" ends it.`,
    ].join('\n\n'),
  );
  said.changes.push({ change: 'pending-command', user, command: questionFor(settings, network) });
}

/** Networks that the user has never heard of are named once. */
function announce(
  { settings }: BridgeContext,
  said: Saying,
  { network: own }: Account,
  entries: readonly ConsentEntry[] | undefined,
): void {
  if (entries === undefined) return;
  for (const network of settings.networks) {
    if (network === own || lastAbout(entries, network) !== undefined) continue;
    said.record({ what: 'announced', network });
    said.say(
      `${networkNames[network]} is available on this server, too. "opt-in ${network}" explains it; nothing happens without that.`,
    );
  }
}

function pausedText(
  context: BridgeContext,
  { network }: Account,
  why: PauseReason,
  closed: Closed | undefined,
): string {
  const { settings } = context;
  const name = networkNames[network];
  const days = Math.round(settings.endPausedMs / 86_400_000);
  const kept = `What waits is kept; "opt-out ${network}" deletes it.`;
  const ends = `After ${days} days the account ends by itself.`;
  switch (why) {
    case 'network':
      return `${name} is not offered by this server any more. Nothing is sent or received. ${kept} ${ends}`;
    case 'permission':
      return `${closed === 'policy-room' ? closedText(context, 'policy-room') : 'The administrator of this server has closed the bridge to you.'} On ${name} nothing is sent or received any more. ${kept} ${ends}`;
    case 'record':
      return `That you agreed to ${name} is not on record, or the record is damaged. Nothing is sent or received until you have agreed (again). ${kept}`;
    case 'attestation':
      return `Your statement that you are in the European Economic Area is missing or has expired. On ${name} nothing is sent or received until you have made it. ${kept} ${ends}`;
    case 'explanation':
      return `You have not agreed to what has changed about ${name}. Nothing is sent or received until you do. ${kept} ${ends}`;
  }
}

/** As an opt-out, but nobody has asked for it. */
async function end(context: BridgeContext, account: Account, why: PauseReason, effects: ReviewEffects): Promise<void> {
  const { store } = context;
  const { id, network, user, managementRoom } = account;
  const release = await effects.silence(id);
  try {
    const held = await store.accounts.holdings(id);
    const text = [
      `Your account on ${networkNames[network]} was paused for too long and has ended.`,
      `Deleted here: ${deleted(network, held)}`,
    ].join('\n\n');
    await store.commit([
      { change: 'consent.record', user, event: { what: 'ended', network, why } },
      { change: 'account.erase', departure: await departureOf(store, account, managementRoom) },
      { change: 'bot-message.add', room: managementRoom, key: `ended:${id}`, text, confidential: false },
    ]);
    passed('D1-account-erased');
  } finally {
    release();
  }
  effects.wakeBot(managementRoom);
  effects.wakeDeparture(id);
}
