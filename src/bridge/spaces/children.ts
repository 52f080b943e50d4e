// What is to be in a Space, against what is there. Pure.
import type { RoomId } from '../../model/ids.ts';
import type { ListedChild, SpaceChild } from '../../model/space.ts';

export interface Difference {
  /** Not on record yet. */
  readonly toNote: readonly SpaceChild[];
  /** On record, and not known to be there. */
  readonly toPut: readonly SpaceChild[];
  readonly toTake: readonly RoomId[];
}

export function difference(chats: readonly SpaceChild[], children: readonly ListedChild[]): Difference {
  const listed = new Map(children.map((child) => [child.room, child]));
  const wanted = new Set(chats.map(({ room }) => room));
  return {
    toNote: chats.filter(({ room }) => !listed.has(room)),
    toPut: chats.filter(({ room }) => listed.get(room)?.put === false),
    toTake: children.map(({ room }) => room).filter((room) => !wanted.has(room)),
  };
}

/** Digits of the largest position that there can be. */
const orderDigits = 10;

/** Sorts as the positions do: clients compare these texts by code point (Matrix spec, "Ordering of children within a space"). */
export const orderOf = (position: number): string => String(position).padStart(orderDigits, '0');
