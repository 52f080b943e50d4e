// `status`: the account, its connection, what is waiting. Names nobody: the management room may be unencrypted.
import type { Disconnect } from '../../model/interop.ts';
import { type BridgeContext, isActive } from '../context.ts';
import { networkNames } from '../labels.ts';
import { heldText } from '../limits/words.ts';
import type { Answer, Command, CommandEffects } from './commands.ts';
import { switchedOn } from './preferences.ts';

export async function status(
  context: BridgeContext,
  command: Command,
  _args: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  const { store } = context;
  const lines: string[] = [];
  for (const network of context.settings.networks) {
    const account = await store.accounts.find(network, command.user);
    const name = networkNames[network];
    if (account === undefined) {
      const leaving = await store.accounts.departureOf(network, command.user);
      lines.push(
        leaving ? `${name}: you have opted out; the network has not confirmed yet.` : `${name}: not opted in.`,
      );
    } else if (account.state.at === 'paused') {
      lines.push(
        `${name}: paused (${account.state.why}): nothing is sent or received. "consent" shows what is on record.`,
      );
    } else if (!isActive(account)) {
      lines.push(`${name}: opted in; waiting for the network to accept.`);
    } else {
      const client = effects.client(account);
      let inbox = 0;
      let outbox = 0;
      let visited = 0;
      const portals = await store.portals.ofAccount(account.id);
      const chats = portals.filter(({ acceptance }) => acceptance.at === 'accepted');
      const asking = portals.filter(({ acceptance }) => acceptance.at === 'requested').length;
      for (const portal of chats) {
        inbox += await store.inbox.waiting(portal.id);
        outbox += await store.outbox.waiting(portal.id);
        if (await store.visitors.hold(portal.id)) visited += 1;
      }
      lines.push(
        `${name}: opted in, ${client?.connected ? 'connected' : `not connected at the moment${because(client?.trouble)}`}. Chats: ${chats.length}. Requests: ${asking}. Waiting for you: ${inbox}. Waiting to be sent: ${outbox}. Settings: ${await switchedOn(context, account)}`,
      );
      lines.push(...context.limits.heldOf(account.id).map(heldText));
      if (visited > 0) {
        lines.push(
          `Somebody else is in ${visited} of your chats: nothing is delivered there until you "allow" or "remove" them.`,
        );
      }
    }
  }
  const trust = await store.trust.ofUser(command.user);
  if (trust?.state === 'changed')
    lines.push('Your encryption identity has changed: everything is held until you send "confirm-identity".');
  return { text: lines.join('\n') };
}

const troubles: { readonly [Reason in Disconnect['reason']]?: string } = {
  network: 'the network cannot be reached',
  unavailable: 'the network takes nobody in now',
  'server-restart': 'the network restarts its server',
  replaced: 'something else has taken it over; it is taken back after a while',
  'token-refused': 'the network does not accept this server’s word for you',
  'untrusted-server':
    'what answers has no certificate of the network’s, or this server’s clock is wrong: nothing is sent there',
  protocol: 'the network and this server do not understand each other',
  'logged-out': 'the network has logged you out; "opt-out" and "opt-in" start anew',
  banned: 'the network has banned you',
  'client-outdated': 'the network refuses this version of the program',
};

function because(reason: Disconnect['reason'] | undefined): string {
  const text = reason && troubles[reason];
  return text === undefined ? '' : ` (${text})`;
}
