// `opt-in`: an explanation first. Nothing happens before the answer (yes.ts).
import type { Account, Network } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import { attestationRequest } from '../consent/attestation.ts';
import { currentExplanation, explanationText, questionFor, sameExplanation } from '../consent/explanation.ts';
import { intactEntries, lastAbout } from '../consent/record.ts';
import { standingOf } from '../consent/review.ts';
import { attestedUntil } from '../consent/standing.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import { closedText, whyClosed } from '../policy/eligibility.ts';
import { type Answer, type Command, networkOf } from './commands.ts';

export async function optIn(context: BridgeContext, command: Command, args: readonly string[]): Promise<Answer> {
  const network = await networkToJoin(context, command, args);
  if (network === undefined) return { text: whichNetwork(context) };
  const refusal = await notNow(context, command, network);
  if (refusal !== undefined) return { text: refusal };
  const explanation = currentExplanation(context.settings, network);
  const entries = await intactEntries(context, command.user);
  const last = entries && lastAbout(entries, network);
  // Asked for over and over, it is one line on record.
  const known = last?.what === 'explained' && sameExplanation(last.explanation, explanation);
  const recorded: Change[] =
    known || entries === undefined
      ? []
      : [{ change: 'consent.record', user: command.user, event: { what: 'explained', network, explanation } }];
  const question = questionFor(context.settings, network);
  return {
    text: [explanationText(context.settings, network), 'Do you want this? Answer "yes".'].join('\n\n'),
    changes: [{ change: 'pending-command', user: command.user, command: question }, ...recorded],
  };
}

/** The network that is named, or the only one that the user has not opted in to yet. */
async function networkToJoin(
  context: BridgeContext,
  { user }: Command,
  args: readonly string[],
): Promise<Network | undefined> {
  const { networks } = context.settings;
  if (args.length > 0 || networks.length === 1) return networkOf(context, args);
  const accounts = await context.store.accounts.ofUser(user);
  const others = networks.filter((network) => !accounts.some((account) => account.network === network));
  return others.length === 1 ? others[0] : undefined;
}

function whichNetwork({ settings }: BridgeContext): string {
  return `Which network? ${settings.networks.map((network) => `"opt-in ${network}"`).join(' or ')}`;
}

/** Why this user cannot opt in now; undefined where they can. */
export async function notNow(context: BridgeContext, command: Command, network: Network): Promise<string | undefined> {
  const { store, settings, crypto, bot } = context;
  const name = networkNames[network];
  const closed = await whyClosed(context, command.user);
  if (closed !== undefined) return closedText(context, closed);
  const account = await store.accounts.find(network, command.user);
  if (account !== undefined) {
    // Consent alone is asked for again; whatever else is missing is asked for by itself.
    if (await asksForConsent(context, account)) return undefined;
    return `You have already opted in to ${name}. "status" says how it stands.`;
  }
  if (await store.accounts.departureOf(network, command.user))
    return `Your opt-out from ${name} is not finished yet. Try again in a while.`;
  if (settings.attestation !== undefined) {
    const until = attestedUntil((await intactEntries(context, command.user)) ?? []);
    if (until === undefined || until <= context.clock.now()) return attestationRequest(undefined);
  }
  const devices = await crypto.devicesOf(bot, command.user, settings.devicePolicy);
  if (settings.devicePolicy === 'cross-signed' && (devices.masterKey === undefined || devices.eligible === 0)) {
    return 'Messages are sent only to verified sessions, and you have none yet. In Element: Settings, Encryption: set up recovery, so that this session is verified. Then send "opt-in" again.';
  }
  return undefined;
}

/** Whether consent is to be given again: the explanation has changed, or what is on record does not count. */
async function asksForConsent(context: BridgeContext, account: Account): Promise<boolean> {
  if (account.state.at === 'enlisting') return false;
  return (await standingOf(context, account)).deadlines.explanation !== undefined;
}
