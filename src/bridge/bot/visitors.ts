// `allow` and `remove`: what becomes of somebody else who has got into a chat. They are named by Matrix ID, which the homeserver knows anyway.
import type { Actor } from '../../model/contact.ts';
import type { PortalId, RoomId, UserId } from '../../model/ids.ts';
import type { Portal } from '../../model/portal.ts';
import type { BridgeContext } from '../context.ts';
import { chatsOf } from '../policy/which.ts';
import { isInRoom } from '../portal-rooms.ts';
import { leaves } from '../visitors.ts';
import type { Answer, Command, CommandHandler } from './commands.ts';

export const visitorHelp =
  'allow <Matrix ID>, remove <Matrix ID>: about somebody else who has got into a chat of yours; until then nothing is delivered there';

interface Visit {
  readonly portal: Portal;
  readonly user: UserId;
  readonly allowed: boolean;
}

export const allow: CommandHandler = async (context, command, args, effects) => {
  const visits = named(await visitsTo(context, command), args).filter(({ allowed }) => !allowed);
  const refusal = undecided(visits);
  if (refusal !== undefined) return refusal;
  return {
    text: 'They may stay. What waited is delivered; the keys to it still go to you alone.',
    changes: visits.map(({ portal, user }) => ({ change: 'visitor.allow', portal: portal.id, user })),
    after: () => {
      // The events of the rooms, too.
      void effects.wakeUser(command.user);
    },
  };
};

export const remove: CommandHandler = async (context, command, args, effects) => {
  const visits = named(await visitsTo(context, command), args);
  const refusal = undecided(visits);
  if (refusal !== undefined) return refusal;
  return {
    text: 'They are put out. The chat goes on as soon as the homeserver says that they are gone.',
    after: () => void effects.wakeUser(command.user),
    before: async () => {
      for (const { portal, user } of visits) {
        const ghost = await context.store.contacts.ghost(portal.contact);
        if (portal.state.at === 'open' && ghost !== undefined) {
          await putOut(context, ghost.actor, portal.id, portal.state.room, user);
        }
      }
    },
  };
};

/** What a ghost does is not pushed again by a homeserver that has forgotten it: so it is asked who is there now. */
async function putOut(
  context: BridgeContext,
  ghost: Actor,
  portal: PortalId,
  room: RoomId,
  user: UserId,
): Promise<void> {
  const { store, homeserver } = context;
  await homeserver.kick(ghost, room, user);
  // From a room that the ghost has lost, too, nobody hears any more.
  const isThere = (await isInRoom(context, ghost, room)) && (await homeserver.members(ghost, room)).has(user);
  if (!isThere) await store.commit(leaves(portal, user));
}

async function visitsTo(context: BridgeContext, { user }: Command): Promise<readonly Visit[]> {
  const visits: Visit[] = [];
  for (const { portal } of await chatsOf(context, user, () => true)) {
    for (const visitor of await context.store.visitors.of(portal.id)) visits.push({ portal, ...visitor });
  }
  return visits;
}

const named = (visits: readonly Visit[], [name]: readonly string[]): readonly Visit[] =>
  visits.filter(({ user }) => name === undefined || user === name);

function undecided(visits: readonly Visit[]): Answer | undefined {
  const users = new Set(visits.map(({ user }) => user));
  if (users.size === 0) return { text: 'I find nobody like that in your chats.' };
  return users.size > 1 ? { text: `There is more than one. Name them: ${[...users].join(', ')}` } : undefined;
}
