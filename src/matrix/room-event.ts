// A room event as a homeserver hands it out.
import { z } from 'zod';
import { parseUserId } from '../model/ids.ts';

export const roomEvent = z.object({
  event_id: z.string().min(1),
  room_id: z.string().min(1),
  sender: z.string().refine((text) => parseUserId(text) !== undefined),
  type: z.string(),
  redacts: z.string().optional().catch(undefined),
  state_key: z.string().optional(),
  content: z.record(z.string(), z.unknown()),
  origin_server_ts: z.number(),
});
