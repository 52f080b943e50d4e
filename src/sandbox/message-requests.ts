// What the control API takes to send a message, in all its forms.
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { messageIdSchema, numberSchema } from './control-api.ts';
import { mediaFaultSchema } from './media-faults.ts';
import { fileTypes } from './phone-file-messages.ts';

const textSchema = z.string().min(1).max(65_536);
const bytesSchema = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const pixels = z.int().min(0).max(100_000).optional();

const seconds = z.int().min(0).max(0xffffffff);
const plainSchema = z
  .strictObject({
    to: z.string(),
    text: textSchema.optional(),
    raw: bytesSchema.optional(),
    disappears: seconds.optional(),
  })
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
    seconds: seconds.optional(),
    waveform: z.array(z.int().min(0).max(255)).max(1_000).optional(),
    thumbnail: bytesSchema.optional(),
    viewOnce: z.boolean().optional(),
    reply: messageIdSchema.optional(),
    fault: mediaFaultSchema.optional(),
    forge: z.enum(['hash', 'encrypted-hash', 'mac', 'size']).optional(),
  })
  .refine(({ path, base64 }) => (path === undefined) !== (base64 === undefined), 'either path or base64');

const to = z.string();
const nameSchema = z.string().max(1_000);
const place = { to, latitude: z.number(), longitude: z.number(), accuracy: z.int().min(0).max(0xffffffff).optional() };
const cardSchema = z.strictObject({ name: nameSchema, number: numberSchema.optional(), vcard: textSchema.optional() });

const otherSchema = z.discriminatedUnion('type', [
  z.strictObject({
    ...place,
    type: z.literal('location'),
    name: nameSchema.optional(),
    address: nameSchema.optional(),
  }),
  z.strictObject({
    ...place,
    type: z.literal('live-location'),
    caption: nameSchema.optional(),
    sequence: z.int().min(0).default(1),
  }),
  z.strictObject({ to, type: z.literal('contact'), contacts: z.array(cardSchema).min(1).max(1_000) }),
  z.strictObject({
    to,
    type: z.literal('poll'),
    question: nameSchema,
    options: z.array(nameSchema).max(100),
    selectable: z.int().min(0).max(100).default(1),
  }),
  z.strictObject({
    to,
    type: z.literal('group-invite'),
    group: z.string().regex(/^[\d-]{1,40}$/),
    code: nameSchema,
    name: nameSchema,
    caption: nameSchema.optional(),
    expiresAt: z.int().min(0).default(0),
  }),
  z.strictObject({ to, type: z.literal('disappearing-timer'), seconds }),
  z.strictObject({ to, type: z.literal('unknown') }),
]);

const typedSchema = z.discriminatedUnion('type', [
  z.strictObject({ ...target, type: z.literal('reply'), text: textSchema }),
  z.strictObject({ ...target, type: z.literal('reaction'), emoji: z.string().max(64) }),
  z.strictObject({ ...target, type: z.literal('edit'), text: textSchema }),
  z.strictObject({ ...target, type: z.literal('delete') }),
  z.strictObject({ ...target, type: z.literal('pin'), unpin: z.boolean().default(false) }),
  z.strictObject({ ...target, type: z.literal('poll-vote'), options: z.array(nameSchema).max(100) }),
  fileSchema,
  otherSchema,
]);

/** The schema of this body: chosen by hand, so that a refusal says what is wrong with it. */
export function messageRequestSchema(body: unknown): typeof typedSchema | typeof plainSchema {
  return typeof body === 'object' && body !== null && 'type' in body ? typedSchema : plainSchema;
}

export type MessageRequest = z.output<ReturnType<typeof messageRequestSchema>>;
export type PlainRequest = z.output<typeof plainSchema>;
export type FileRequest = z.output<typeof fileSchema>;
