// What the sandbox's control API says of a phone's messages, calls and so on, and what it takes (docs/sandbox.md).
import { z } from 'zod';

const mediaSchema = z.object({
  kind: z.enum(['image', 'video', 'video-note', 'audio', 'document', 'sticker']),
  mimetype: z.string().optional(),
  size: z.number().optional(),
  sha256: z.string().optional(),
  encryptedSha256: z.string().optional(),
  caption: z.string().optional(),
  fileName: z.string().optional(),
  seconds: z.number().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  waveform: z.array(z.number()).optional(),
  voice: z.boolean().optional(),
  gif: z.boolean().optional(),
  viewOnce: z.boolean().optional(),
  thumbnail: z.boolean(),
  state: z.enum(['fetching', 'verified', 'failed']).optional(),
  error: z.string().optional(),
  downloads: z.number().optional(),
});
/** A file as its message describes it, and how far the phone has come with it. Hashes are hexadecimal. */
export type PhoneMedia = z.infer<typeof mediaSchema>;

/** The message that another one is about; `fromMe` if the one who wrote that wrote this too. */
const target = z.object({ id: z.string().optional(), fromMe: z.boolean() });

export const messageSchema = z.object({
  seq: z.number(),
  id: z.string(),
  from: z.string(),
  to: z.string(),
  direction: z.enum(['in', 'out']),
  type: z.string(),
  text: z.string().optional(),
  media: mediaSchema.optional(),
  reply: z.object({ id: z.string(), author: z.string().optional() }).optional(),
  reaction: target.extend({ emoji: z.string() }).optional(),
  edit: target.extend({ text: z.string().optional() }).optional(),
  deletion: target.optional(),
  pin: target.extend({ pinned: z.boolean() }).optional(),
  location: z
    .object({
      latitude: z.number().optional(),
      longitude: z.number().optional(),
      accuracy: z.number().optional(),
      name: z.string().optional(),
      address: z.string().optional(),
      caption: z.string().optional(),
      live: z.boolean().optional(),
    })
    .optional(),
  contacts: z.array(z.object({ name: z.string().optional(), vcard: z.string().optional() })).optional(),
  poll: z.object({ question: z.string().optional(), options: z.array(z.string()), selectable: z.number() }).optional(),
  vote: target.extend({ options: z.array(z.string()).optional() }).optional(),
  invite: z
    .object({
      group: z.string().optional(),
      code: z.string().optional(),
      name: z.string().optional(),
      caption: z.string().optional(),
      expiresAt: z.number().optional(),
    })
    .optional(),
  timer: z.object({ seconds: z.number() }).optional(),
  disappears: z.object({ seconds: z.number() }).optional(),
  raw: z.string(),
  /** Milliseconds, by the network's clock. */
  timestamp: z.number(),
  status: z.string(),
});
/** As the phone itself has it: decrypted by it, or sent from it. */
export type PhoneMessage = z.infer<typeof messageSchema>;

/** What `messages` of the control API takes for a file. */
export interface PhoneFile {
  readonly type: 'image' | 'video' | 'gif' | 'audio' | 'voice' | 'document' | 'sticker' | 'video-note';
  /** Bytes, or the absolute path of a file, which may be large. */
  readonly content: Uint8Array | string;
  readonly mimetype?: string;
  readonly caption?: string;
  readonly fileName?: string;
  readonly width?: number;
  readonly height?: number;
  readonly seconds?: number;
  readonly waveform?: readonly number[];
  readonly thumbnail?: Uint8Array;
  readonly viewOnce?: boolean;
  /** Id of the message that it replies to. */
  readonly reply?: string;
  /** What happens to the file on its way, from the start. */
  readonly fault?: MediaFault;
  /** What is wrong with the file or with what its message says of it. */
  readonly forge?: 'hash' | 'encrypted-hash' | 'mac' | 'size';
}

/** What may happen to a file between the media host and those who fetch it (docs/sandbox.md). */
export type MediaFault =
  | { readonly fault: 'drop' | 'corrupt' | 'truncate' | 'wrong-mac' | 'huge-length' | 'endless' }
  | { readonly fault: 'cut'; readonly afterBytes: number }
  | { readonly fault: 'slow'; readonly bytesPerSecond: number };

export const typingSchema = z.object({
  seq: z.number(),
  from: z.string(),
  state: z.enum(['composing', 'recording', 'paused']),
});
/** What a phone has seen of somebody who types to it. */
export type PhoneTyping = z.infer<typeof typingSchema>;

export const callSchema = z.object({
  seq: z.number(),
  id: z.string(),
  from: z.string(),
  to: z.string(),
  direction: z.enum(['in', 'out']),
  video: z.boolean(),
  state: z.enum(['ringing', 'accepted', 'rejected', 'ended']),
});
export type PhoneCall = z.infer<typeof callSchema>;

/** Messages of a phone that somebody has reported to the network; `t` in Unix seconds. */
export const spamReportSchema = z.object({
  by: z.string(),
  flow: z.string(),
  messages: z.array(z.object({ id: z.string(), t: z.number() })),
});
export type SpamReport = z.infer<typeof spamReportSchema>;
