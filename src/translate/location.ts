// Places: WhatsApp's degrees <-> Matrix's geo URIs (RFC 5870; client-server API, m.location).
import type { JsonObject } from '../model/journal.ts';
import { oneLine } from './names.ts';

/** WGS 84. */
export interface Place {
  /** Degrees, -90 to 90. */
  readonly latitude: number;
  /** Degrees, -180 to 180. */
  readonly longitude: number;
  /** Metres. */
  readonly accuracy: number | undefined;
  /** Name and address, on one line; may be empty. */
  readonly name: string;
}

const longestName = 200;
/** About ten centimetres, and no number so small that it would be written with an exponent. */
const decimals = 6;

/** Returns undefined where that is no place on Earth. */
export function place(
  latitude: number | undefined,
  longitude: number | undefined,
  accuracy: number | undefined,
  names: readonly (string | undefined)[],
): Place | undefined {
  if (latitude === undefined || longitude === undefined) return undefined;
  if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)) return undefined;
  const name = oneLine(names.filter(Boolean).join(', '), longestName);
  return { latitude, longitude, accuracy: accuracy === 0 ? undefined : accuracy, name };
}

export function geoUri({ latitude, longitude, accuracy }: Place): string {
  const degrees = (value: number): number => Number(value.toFixed(decimals)) || 0;
  return `geo:${degrees(latitude)},${degrees(longitude)}${accuracy === undefined ? '' : `;u=${accuracy}`}`;
}

/** Returns the place of an `m.location`, or undefined where it has none that can be read. */
export function placeOf(content: JsonObject): Place | undefined {
  const { geo_uri: uri, body } = content;
  const number = '(-?\\d{1,3}(?:\\.\\d{1,20})?)';
  const pattern = new RegExp(`^geo:${number},${number}(?:,-?[\\d.]{1,20})?((?:;[^;]{1,50}){0,10})$`, 'i');
  const [match, latitude, longitude, parameters = ''] = (typeof uri === 'string' && pattern.exec(uri)) || [];
  const system = /;crs=([^;]*)/i.exec(parameters)?.[1] ?? 'wgs84';
  if (match === undefined || system.toLowerCase() !== 'wgs84') return undefined;
  const uncertainty = /;u=(\d{1,7})(?:\.\d+)?(?:;|$)/i.exec(parameters)?.[1];
  return place(Number(latitude), Number(longitude), uncertainty === undefined ? undefined : Number(uncertainty), [
    descriptionOf(content) ??
      (typeof body === 'string' && !body.includes('geo:') && !/-?\d+\.\d{3}/.test(body) ? body : ''),
  ]);
}

/** MSC3488, under its stable and its unstable name. */
function descriptionOf(content: JsonObject): string | undefined {
  const location = content['m.location'] ?? content['org.matrix.msc3488.location'];
  if (typeof location !== 'object' || location === null) return undefined;
  const { description } = location as JsonObject;
  return typeof description === 'string' ? description : undefined;
}
