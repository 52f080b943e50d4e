// What senders say of their files in numbers and small pictures, believed only within what makes sense.
import type { JsonObject } from '../../model/journal.ts';
import type { Thumbnail } from './types.ts';

/** In pixels. */
const mostPixels = 65_535;
/** A week, in seconds. */
const longestPlay = 604_800;
/** Of a thumbnail inside a message, in bytes. */
const largestReceivedThumbnail = 131_072;

/** Returns a whole number of 1 to `most`, or undefined. */
function within(value: unknown, most: number): number | undefined {
  return typeof value === 'number' && value >= 1 && value <= most ? Math.floor(value) : undefined;
}

export const pixels = (value: unknown): number | undefined => within(value, mostPixels);

/** In seconds; of what begins, the whole second counts. */
export const seconds = (milliseconds: unknown): number | undefined =>
  typeof milliseconds === 'number' ? within(Math.ceil(milliseconds / 1000), longestPlay) : undefined;

export const milliseconds = (value: number | undefined): number | undefined => {
  const whole = within(value, longestPlay);
  return whole === undefined ? undefined : whole * 1000;
};

/** In bytes. */
export function claimedSize(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** Returns the small picture inside a message if it begins like one. Nothing more of it is read here. */
export function thumbnail(bytes: Uint8Array | undefined): Thumbnail | undefined {
  if (bytes === undefined || bytes.length > largestReceivedThumbnail) return undefined;
  const contentType = pictureType(bytes);
  return contentType === undefined ? undefined : { bytes, contentType };
}

/** By the first bytes (JPEG: ITU-T T.81; PNG: W3C PNG, 5.2; WebP: RFC 9649). */
export function pictureType(bytes: Uint8Array): Thumbnail['contentType'] | undefined {
  const start = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  if (start.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  return start.startsWith('RIFF') && start.endsWith('WEBP') ? 'image/webp' : undefined;
}

/** Returns the fields that have a value. */
export function known(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
