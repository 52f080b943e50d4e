// Send ids: the same message always gets the same id, and no two ghosts ever share one.
import { createHash } from 'node:crypto';
import type { ActorId, RoomId, SendId } from '../model/ids.ts';

/** Returns the transaction id for one message of one actor in one room; the homeserver drops repetitions by it. */
export function sendId(instance: string, actor: ActorId, room: RoomId, message: string): SendId {
  const hash = createHash('sha256');
  for (const part of [instance, actor, room, message]) hash.update(`${part.length}:${part}`);
  return hash.digest('base64url') as SendId;
}
