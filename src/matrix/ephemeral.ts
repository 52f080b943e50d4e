// What the homeserver pushes once and never again: public read receipts, and who types.
import { z } from 'zod';
import { parseUserId, type RoomId, type UserId } from '../model/ids.ts';
import type { JsonObject } from '../model/journal.ts';
import type { Ephemeral, ReadReceipt, TypingUsers } from '../model/matrix.ts';

/** Synapse pushes the same list under both where the registration asks under both names. */
const keys = ['ephemeral', 'de.sorunome.msc2409.ephemeral'] as const;

const typing = z.object({
  type: z.literal('m.typing'),
  room_id: z.string(),
  content: z.object({ user_ids: z.array(z.string()) }),
});

/** `m.read.private` is for the user's own devices: it is not even looked at. */
const receipts = z.object({
  type: z.literal('m.receipt'),
  room_id: z.string(),
  content: z.record(z.string().startsWith('$'), z.object({ 'm.read': z.record(z.string(), z.unknown()).optional() })),
});

/** Chats have no threads: what was read in one says nothing of the rest. */
const unthreaded = z.object({ thread_id: z.literal('main').optional() });

/** Malformed ones are left out; nobody would push them again. */
export function readEphemeral(body: JsonObject): Ephemeral {
  const found = keys.map((key) => body[key]).find((list) => Array.isArray(list));
  const list: readonly unknown[] = Array.isArray(found) ? found : [];
  return {
    receipts: list.flatMap((each) => receiptsIn(each)),
    typing: list.flatMap((each) => typingIn(each)),
  };
}

/** What is left of a pushed body once that has been read. */
export function withoutEphemeral(body: JsonObject): JsonObject {
  const rest = { ...body };
  for (const key of keys) delete rest[key];
  return rest;
}

function receiptsIn(event: unknown): ReadReceipt[] {
  const parsed = receipts.safeParse(event);
  if (!parsed.success) return [];
  const room = parsed.data.room_id as RoomId;
  return Object.entries(parsed.data.content).flatMap(([about, { 'm.read': readers = {} }]) =>
    Object.entries(readers).flatMap(([reader, receipt]) => {
      const user = parseUserId(reader);
      if (user === undefined || !unthreaded.safeParse(receipt).success) return [];
      return [{ room, user, event: about as ReadReceipt['event'] }];
    }),
  );
}

function typingIn(event: unknown): TypingUsers[] {
  const parsed = typing.safeParse(event);
  if (!parsed.success) return [];
  const users = parsed.data.content.user_ids.flatMap((text): UserId[] => {
    const user = parseUserId(text);
    return user === undefined ? [] : [user];
  });
  return [{ room: parsed.data.room_id as RoomId, users }];
}
