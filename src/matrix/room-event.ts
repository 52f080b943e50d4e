// A room event as a homeserver hands it out.
import { z } from 'zod';
import { parseUserId } from '../model/ids.ts';
import type { MatrixEvent } from '../model/journal.ts';

/** Matrix spec, appendix "Common identifier format": at most 255 bytes. A NUL in one could not be stored everywhere. */
const identifier = z.string().regex(/^[^\0]{1,255}$/);

export const roomEvent = z.object({
  event_id: identifier,
  room_id: identifier,
  sender: z.string().refine((text) => parseUserId(text) !== undefined),
  type: z.string(),
  redacts: z.string().optional().catch(undefined),
  state_key: z.string().optional(),
  content: z.record(z.string(), z.unknown()),
  origin_server_ts: z.number(),
});

/** What comes with an event that has been edited (Matrix spec, "Server-side aggregation of m.replace relationships"). */
export const bundledEdit = z.object({
  unsigned: z.object({ 'm.relations': z.object({ 'm.replace': z.record(z.string(), z.unknown()) }) }),
});

/** Of an event that was redacted (Matrix spec, "Redactions"). */
export const bundledRedaction = z.object({
  unsigned: z.object({ redacted_because: z.object({ event_id: z.string() }) }),
});

export function readable(events: readonly unknown[]): readonly MatrixEvent[] {
  return events.flatMap((event) => {
    const read = roomEvent.safeParse(event);
    return read.success ? [read.data as MatrixEvent] : [];
  });
}
