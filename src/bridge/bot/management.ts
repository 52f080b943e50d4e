// Events outside portals: invitations to the bot, and what is said to it, in rooms that hold it and one other person: answers are for nobody else.

import { BridgeError } from '../../model/errors.ts';
import { serverOf, type UserId } from '../../model/ids.ts';
import type { MatrixEvent } from '../../model/journal.ts';
import type { MatrixDecryption } from '../../model/matrix.ts';
import { withoutReplyFallback } from '../../translate/to-whatsapp.ts';
import type { BridgeContext } from '../context.ts';
import { isWritten } from '../event-steps.ts';
import { decryptOrWait, type KeyWaits } from '../key-waits.ts';
import { done, type Handled } from '../matrix-events.ts';
import { unconnected } from '../orphaned-events.ts';
import { holdForIdentity } from '../user-trust.ts';
import { type CommandEffects, needsNoVerification, runCommand } from './commands.ts';
import { isForTwo, membersOf } from './members.ts';

export async function handleManagementEvent(
  context: BridgeContext,
  event: MatrixEvent,
  waits: KeyWaits,
  effects: CommandEffects,
): Promise<Handled> {
  if (event.type === 'm.room.member') return invitation(context, event, effects);
  if (!isWritten(event)) return done();
  const members = await membersOf(context, event.room_id);
  if (!members.has(context.bot.user)) return unconnected(context, event, effects);
  if (!isForTwo(context, members)) return done();
  if (event.type === 'm.room.message') return said(context, event, event.content, false, effects);
  if (event.type !== 'm.room.encrypted') return done();
  const decryption = await decryptOrWait(context, context.bot, event, waits);
  switch (decryption.outcome) {
    case 'wait':
      return { kind: 'wait', waitMs: decryption.waitMs };
    case 'missing-key':
    case 'failed':
      return reply(
        event,
        'I could not decrypt that. Send it again, or talk to me in a room without encryption.',
        effects,
      );
    case 'decrypted':
      break;
  }
  if (decryption.type !== 'm.room.message') return done();
  const { use } = decryption;
  if (await context.store.roomKeyUses.hasCommand(event.room_id, use)) {
    return reply(
      event,
      'I have not done that: it is an earlier message of yours once more, under another name. If you have not sent anything just now, the server has repeated it.',
      effects,
    );
  }
  const handled = await command(context, event, decryption, effects);
  if (handled.kind !== 'done') return handled;
  return {
    ...handled,
    changes: [...handled.changes, { change: 'command-key.used', room: event.room_id, use }],
  };
}

async function command(
  context: BridgeContext,
  event: MatrixEvent,
  decryption: MatrixDecryption & { readonly outcome: 'decrypted' },
  effects: CommandEffects,
): Promise<Handled> {
  const verified = decryption.crossSigned || context.settings.devicePolicy !== 'cross-signed';
  if (!verified && !needsNoVerification(textOf(decryption.content))) {
    return reply(
      event,
      'This session is not verified, so I cannot tell that it is yours. Verify it (Element: Settings, Encryption), then send that again.',
      effects,
    );
  }
  if (await identityHasChanged(context, event.sender, decryption.masterKey)) effects.wakeBot(event.room_id);
  // Its key may have been fetched before, and somebody else have come meanwhile.
  if (!isForTwo(context, await membersOf(context, event.room_id))) return done();
  return said(context, event, decryption.content, true, effects);
}

/** Holds what belongs to a user whose command came under another identity than the pinned one. */
async function identityHasChanged(
  context: BridgeContext,
  user: UserId,
  masterKey: string | undefined,
): Promise<boolean> {
  const trust = await context.store.trust.ofUser(user);
  if (masterKey === undefined || trust === undefined || trust.masterKey === masterKey) return false;
  for (const account of await context.store.accounts.ofUser(user)) await holdForIdentity(context, account, masterKey);
  return true;
}

async function invitation(context: BridgeContext, event: MatrixEvent, effects: CommandEffects): Promise<Handled> {
  const { bot, homeserver, settings, store } = context;
  if (event.content.membership !== 'invite' || event.state_key === undefined) return done();
  try {
    if (event.state_key !== bot.user) {
      // Ghosts open chats themselves; an invitation to one leads nowhere, and says so by being declined.
      const ghost = await store.contacts.ghostByUser(event.state_key as UserId);
      if (ghost?.ready) await homeserver.leave(ghost.actor, event.room_id);
      return done();
    }
    // Users of this server get an answer, also those who may not opt in; nobody else does.
    if (serverOf(event.sender) !== settings.serverName) {
      await homeserver.leave(bot, event.room_id);
      return done();
    }
    await homeserver.join(bot, event.room_id);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    return done();
  }
  const text =
    'Hello! I connect this server to chats elsewhere. Send me "help" to see what I can do, or "opt-in" to begin.';
  return {
    kind: 'done',
    changes: [{ change: 'bot-message.add', room: event.room_id, key: `hello:${event.event_id}`, text }],
    after: () => effects.wakeBot(event.room_id),
  };
}

async function said(
  context: BridgeContext,
  event: MatrixEvent,
  content: MatrixEvent['content'],
  encrypted: boolean,
  effects: CommandEffects,
): Promise<Handled> {
  const text = textOf(content);
  if (text === '') return done();
  return runCommand(
    context,
    { user: event.sender, room: event.room_id, event: event.event_id, text, encrypted },
    effects,
  );
}

/** What somebody has written themselves; empty where it is no text. */
function textOf(content: MatrixEvent['content']): string {
  const { body, msgtype } = content;
  return msgtype === 'm.text' && typeof body === 'string' ? withoutReplyFallback(content, body).trim() : '';
}

function reply(event: MatrixEvent, text: string, effects: CommandEffects): Handled {
  return {
    kind: 'done',
    changes: [{ change: 'bot-message.add', room: event.room_id, key: `reply:${event.event_id}`, text }],
    after: () => effects.wakeBot(event.room_id),
  };
}
