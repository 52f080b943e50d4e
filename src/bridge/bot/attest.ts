// The sentence by which a user states that they are in the European Economic Area.
import { decided } from '../consent/record.ts';
import type { BridgeContext } from '../context.ts';
import { closedText, whyClosed } from '../policy/eligibility.ts';
import type { Answer, Command, CommandEffects } from './commands.ts';

export async function attest(
  context: BridgeContext,
  { user }: Command,
  _args: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  const { settings, clock, store } = context;
  if (settings.attestation === undefined) return { text: 'This server does not ask for that.' };
  const closed = await whyClosed(context, user);
  if (closed !== undefined) return { text: closedText(context, closed) };
  const until = clock.now() + settings.attestation.validMs;
  const accounts = await store.accounts.ofUser(user);
  const next = accounts.length === 0 ? ' Now send "opt-in".' : '';
  return {
    text: `Thank you. That is on record and holds until ${new Date(until).toISOString().slice(0, 10)}; I remind you before.${next}`,
    changes: [await decided(context, user, { what: 'attested', until })],
    after: () => {
      for (const { id } of accounts) effects.wakeReview(id);
    },
  };
}
