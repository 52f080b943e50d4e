// What proves that a contact has written something: a tag that nobody but this bridge can make, inside the encrypted event that shows it.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Ghost } from '../../model/contact.ts';
import type { MessageId, RoomId, UserId } from '../../model/ids.ts';
import type { InboxBody, InboxRow, JsonObject } from '../../model/journal.ts';
import type { NamedMessage, TagKey } from '../../model/report.ts';
import type { ToMatrixEvent } from '../../translate/media/types.ts';

/** Put into the encrypted content of every event that shows what a contact has written. */
export const proofField = 'matrix-appservice-whatsapp.proof';

/** Where an event stands: the ghost that has sent it, and the room of the chat. */
export interface Origin {
  readonly sender: UserId;
  readonly room: RoomId;
}

/** A message as the network has brought it; `payload`: the serialised, unpadded `Message`. */
export interface Brought extends NamedMessage {
  readonly payload: Uint8Array;
}

const proof = z.strictObject({
  id: z.string().transform((id) => id as MessageId),
  sent_at: z.int(),
  payload_sha256: z.string(),
  tag: z.string(),
});

/** What stands in a chat of what a message says; each of its events has a proof of its own. Notices are the bridge's, and have none. */
export function withProofs(
  key: TagKey,
  { ghost, room }: { readonly ghost: Ghost; readonly room: RoomId },
  { messageId: id, timestamp: sentAt }: InboxRow,
  body: InboxBody,
  [first, ...others]: Events,
): Events {
  if (body.kind === 'notice') return [first, ...others];
  const origin = { sender: ghost.actor.user, room };
  const prove = (event: ToMatrixEvent) => withProof(key, origin, { id, sentAt, payload: body.payload }, event);
  return [prove(first), ...others.map(prove)];
}

type Events = readonly [ToMatrixEvent, ...ToMatrixEvent[]];

/** Returns the event with a tag over sender, chat, id, time, a hash of the exact payload, and the exact content that is shown of it. */
export function withProof(key: TagKey, origin: Origin, brought: Brought, event: ToMatrixEvent): ToMatrixEvent {
  const facts = {
    id: brought.id,
    sent_at: brought.sentAt,
    payload_sha256: createHash('sha256').update(brought.payload).digest('base64'),
  };
  const tag = key.tag(fieldsOf(origin, facts, event));
  return { ...event, content: { ...event.content, [proofField]: { ...facts, tag } } };
}

/** What was in an encrypted event. */
export interface ShownEvent {
  readonly type: string;
  readonly content: JsonObject;
}

export type Verdict =
  /** It is what the network has brought for this contact in this chat, and nobody has changed it since. */
  | { readonly proof: 'valid'; readonly message: NamedMessage }
  /** It has a tag that is not over this. */
  | { readonly proof: 'invalid' }
  /** It has none: it was shown before there were any. */
  | { readonly proof: 'absent' };

/** `origin`: as the homeserver and the session that decrypted the event say, never as the event says itself. */
export function verdictOf(key: TagKey, origin: Origin, event: ShownEvent): Verdict {
  if (!Object.hasOwn(event.content, proofField)) return { proof: 'absent' };
  const { success, data } = proof.safeParse(event.content[proofField]);
  if (!success || !key.fits(fieldsOf(origin, data, event), data.tag)) return { proof: 'invalid' };
  return { proof: 'valid', message: { id: data.id, sentAt: data.sent_at } };
}

export function withoutProof({ [proofField]: _, ...content }: JsonObject): JsonObject {
  return content;
}

type Facts = Omit<z.output<typeof proof>, 'tag'>;

function fieldsOf({ sender, room }: Origin, facts: Facts, { type, content }: ShownEvent): readonly string[] {
  const { id, sent_at, payload_sha256 } = facts;
  return [sender, room, id, String(sent_at), payload_sha256, type, canonical(withoutProof(content))];
}

/** JSON with sorted keys: the same text for the same content, in whatever order its keys come back from decryption. */
function canonical(content: JsonObject): string {
  return JSON.stringify(content, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
}
