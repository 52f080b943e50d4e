// The bot's commands: parsed once, each answered in one commit with the event that carried it.
import type { Network } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import type { AccountId, EventId, PortalId, RoomId, UserId } from '../../model/ids.ts';
import type { InteropClient } from '../../model/interop.ts';
import { isAttestation } from '../consent/attestation.ts';
import type { ActiveAccount, BridgeContext } from '../context.ts';
import type { Handled } from '../matrix-events.ts';
import { attest } from './attest.ts';
import { block, blocks, unblock } from './blocks.ts';
import { chat } from './chat.ts';
import { confirmIdentityCommand } from './confirm-identity.ts';
import { consent } from './consent.ts';
import { acceptCommand, declineCommand } from './decide.ts';
import { help } from './help.ts';
import { inbox } from './inbox.ts';
import { optIn } from './opt-in.ts';
import { optOut } from './opt-out.ts';
import { subscribe, unsubscribe } from './policy-rooms.ts';
import { settings, switchHandlers } from './preferences.ts';
import { reach } from './reach.ts';
import { report } from './report.ts';
import { requests } from './requests.ts';
import { status } from './status.ts';
import { eraseCommand, exportCommand } from './user-data.ts';
import { allow, remove } from './visitors.ts';
import { yes } from './yes.ts';

/** What commands set in motion once they are committed. */
export interface CommandEffects {
  wakePortal(portal: PortalId): void;
  /** There is something to send in this chat. */
  wakeOutbox(portal: PortalId): void;
  wakeBot(room: RoomId): void;
  wakeUser(user: UserId): Promise<void>;
  wakeEnlistment(account: AccountId): void;
  wakeDeparture(account: AccountId): void;
  wakeErasure(user: UserId): void;
  /** Passes on what this account reports. */
  wakeReports(account: AccountId): void;
  /** Looks again whether reports can be taken. */
  wakeModeration(): void;
  /** Reads this policy room. */
  wakePolicyRoom(room: RoomId): void;
  /** Looks again at how this account stands. */
  wakeReview(account: AccountId): void;
  /** Ends everything that works for this account, and holds it until what is returned is called. */
  silence(account: AccountId): Promise<() => void>;
  /** Shows the user as present to the network, or not any more. */
  showPresence(account: AccountId, state: 'available' | 'unavailable'): Promise<void>;
  client(account: ActiveAccount): InteropClient | undefined;
}

export interface Command {
  readonly user: UserId;
  readonly room: RoomId;
  readonly event: EventId;
  readonly text: string;
  /** Whether it came encrypted: what must not stand in plaintext is refused otherwise. */
  readonly encrypted: boolean;
}

export interface Answer {
  readonly text: string;
  /** It names people. */
  readonly confidential?: boolean;
  readonly changes?: readonly Change[];
  /** Before the commit: what may be repeated. */
  readonly before?: () => Promise<void>;
  readonly after?: () => void;
  /** Called when the commit has succeeded or failed. */
  readonly release?: () => void;
}

export type CommandHandler = (
  context: BridgeContext,
  command: Command,
  args: readonly string[],
  effects: CommandEffects,
) => Promise<Answer>;

const handlers: Readonly<Record<string, CommandHandler>> = {
  help,
  'opt-in': optIn,
  'opt-out': optOut,
  yes,
  consent,
  status,
  settings,
  ...switchHandlers,
  chat,
  requests,
  accept: acceptCommand,
  decline: declineCommand,
  reach,
  inbox,
  export: exportCommand,
  erase: eraseCommand,
  report,
  block,
  unblock,
  blocks,
  subscribe,
  unsubscribe,
  allow,
  remove,
  'confirm-identity': confirmIdentityCommand,
};

export async function runCommand(context: BridgeContext, command: Command, effects: CommandEffects): Promise<Handled> {
  const [, ...args] = command.text.split(/\s+/);
  const known = nameOf(command.text);
  const handler = isAttestation(command.text) ? attest : handlers[known];
  const trust = await context.store.trust.ofUser(command.user);
  const answer =
    handler === undefined
      ? unknownCommand()
      : trust?.state === 'changed' && !harmless.has(known)
        ? identityFirst()
        : await handler(context, command, args, effects);
  await answer.before?.();
  return {
    kind: 'done',
    changes: [
      ...(answer.changes ?? []),
      {
        change: 'bot-message.add',
        room: command.room,
        key: `reply:${command.event}`,
        text: answer.text,
        confidential: answer.confidential ?? false,
      },
    ],
    after: () => {
      answer.after?.();
      effects.wakeBot(command.room);
    },
    ...(answer.release && { release: answer.release }),
  };
}

const nameOf = (text: string): string => text.split(/\s+/, 1)[0]?.toLowerCase().replace(/^!/, '') ?? '';

/** Whether this may come from any session of the user, verified or not. Ending everything is always allowed. */
export const needsNoVerification = (text: string): boolean => nameOf(text) === 'opt-out';

/** What may be asked while the user's own identity is in doubt. Ending everything is always allowed. */
const harmless: ReadonlySet<string> = new Set([
  'help',
  'status',
  'settings',
  'consent',
  'requests',
  'decline',
  'block',
  'blocks',
  'confirm-identity',
  'opt-out',
]);

function identityFirst(): Answer {
  return {
    text: 'Your own encryption identity has changed, and I wait for you to say that it is yours: send "confirm-identity" if you have reset it yourself. Until then I take no other commands.',
  };
}

function unknownCommand(): Answer {
  return { text: 'I do not know that command. Send "help" for what I understand.' };
}

/** The network that a command names, or the only one there is. */
export function networkOf(context: BridgeContext, args: readonly string[]): Network | undefined {
  const named = args[0]?.toLowerCase();
  if (named === undefined) return context.settings.networks[0];
  return context.settings.networks.find((network) => network === named);
}
