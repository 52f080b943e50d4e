// Media types as strangers write them: parsed, in one spelling, and believed only as far as they name a format that is known here.

/** Formats that are shown as themselves, with the usual ending of a file's name. */
const endings: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'image/gif': 'gif',
  'image/avif': 'avif',
  'image/heic': 'heic',
  'image/heif': 'heif',
  'image/bmp': 'bmp',
  'image/tiff': 'tiff',
  'video/mp4': 'mp4',
  'video/3gpp': '3gp',
  'video/quicktime': 'mov',
  'video/webm': 'webm',
  'video/x-matroska': 'mkv',
  'audio/ogg': 'ogg',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'audio/aac': 'aac',
  'audio/amr': 'amr',
  'audio/wav': 'wav',
  'audio/flac': 'flac',
  'audio/webm': 'webm',
  'application/pdf': 'pdf',
  'application/zip': 'zip',
  'text/plain': 'txt',
};

/** Other names of the same formats. */
const synonyms: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'audio/mp3': 'audio/mpeg',
  'audio/x-m4a': 'audio/mp4',
  'audio/m4a': 'audio/mp4',
  'audio/x-wav': 'audio/wav',
  'audio/wave': 'audio/wav',
  'audio/opus': 'audio/ogg',
  'application/ogg': 'audio/ogg',
};

/** A file of which nothing is claimed. */
export const anyType = 'application/octet-stream';

const longestType = 255;
const token = '[a-z0-9][a-z0-9!#$&^_.+-]{0,99}';
const pattern = new RegExp(`^\\s*(${token}/${token})\\s*(?:;|$)`, 'i');

/** Returns type and subtype in lower case without parameters, or undefined where that is no media type (RFC 6838). */
export function mediaType(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  const type = pattern.exec(text.slice(0, longestType))?.[1]?.toLowerCase();
  if (type === undefined) return undefined;
  return Object.hasOwn(synonyms, type) ? synonyms[type] : type;
}

/** Whether it is a format of this family (`image`, say) that clients show as such. SVG is not: it is a program, not a picture. */
export function isShown(type: string, family: 'image' | 'video' | 'audio'): boolean {
  return type.startsWith(`${family}/`) && Object.hasOwn(endings, type);
}

/** Without a dot; empty where none is known. */
export function endingOf(type: string): string {
  return Object.hasOwn(endings, type) ? (endings[type] ?? '') : '';
}

/** The type that the ending of a file's name stands for. */
export function typeByEnding(name: string): string | undefined {
  const ending = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1]?.toLowerCase().replace('jpeg', 'jpg');
  return Object.keys(endings).find((type) => endings[type] === ending);
}
