// What the control API takes to send a message, in all its forms.
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { messageIdSchema } from './control-api.ts';
import { mediaFaultSchema } from './media-faults.ts';
import { fileTypes } from './phone-file-messages.ts';

const textSchema = z.string().min(1).max(65_536);
const bytesSchema = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const pixels = z.int().min(0).max(100_000).optional();

const plainSchema = z
  .strictObject({ to: z.string(), text: textSchema.optional(), raw: bytesSchema.optional() })
  .refine(({ text, raw }) => (text === undefined) !== (raw === undefined), 'either text or raw')
  .transform((message) => ({ ...message, type: 'plain' as const }));

/** `id`: of the message that is meant; `fromMe` only where the phone does not know it. */
const target = { to: z.string(), id: messageIdSchema, fromMe: z.boolean().optional() };

const fileSchema = z
  .strictObject({
    to: z.string(),
    type: z.enum(fileTypes),
    path: z.string().refine(isAbsolute, 'must be absolute').optional(),
    base64: bytesSchema.optional(),
    mimetype: z.string().max(200).optional(),
    caption: z.string().max(65_536).optional(),
    fileName: z.string().max(1_000).optional(),
    width: pixels,
    height: pixels,
    seconds: z.int().min(0).max(0xffffffff).optional(),
    waveform: z.array(z.int().min(0).max(255)).max(1_000).optional(),
    thumbnail: bytesSchema.optional(),
    viewOnce: z.boolean().optional(),
    reply: messageIdSchema.optional(),
    fault: mediaFaultSchema.optional(),
    forge: z.enum(['hash', 'encrypted-hash', 'mac', 'size']).optional(),
  })
  .refine(({ path, base64 }) => (path === undefined) !== (base64 === undefined), 'either path or base64');

const typedSchema = z.discriminatedUnion('type', [
  z.strictObject({ ...target, type: z.literal('reply'), text: textSchema }),
  z.strictObject({ ...target, type: z.literal('reaction'), emoji: z.string().max(64) }),
  z.strictObject({ ...target, type: z.literal('edit'), text: textSchema }),
  z.strictObject({ ...target, type: z.literal('delete') }),
  fileSchema,
]);

export const messageRequestSchema = z.union([typedSchema, plainSchema]);
export type MessageRequest = z.output<typeof messageRequestSchema>;
export type FileRequest = z.output<typeof fileSchema>;
