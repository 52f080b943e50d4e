// Names of files, as strangers choose them: a name, never a path, and nothing in it that cannot be seen.
import { visible } from '../visible.ts';
import { endingOf } from './mime-type.ts';

/** In UTF-8, as most file systems take it. */
const longestName = 255;
const longestEnding = 16;
/** More of it is not looked at, in UTF-16 units. */
const longestRead = 4096;

/** Returns the name without folders, on one line, or `otherwise` where nothing is left. A missing ending is that of the media type. */
export function fileName(text: string, type: string, otherwise: string): string {
  const name = visible(text.slice(-longestRead).toWellFormed())
    .replace(/^.*[/\\]/, '')
    // Dots in front hide a file or name a folder; behind, some systems drop them.
    .replace(/^[. ]+/, '')
    .replace(/[. ]+$/, '');
  const ending = endingOf(type);
  if (!/[\p{L}\p{N}\p{So}]/u.test(name)) return ending === '' ? otherwise : `${otherwise}.${ending}`;
  return within(name.includes('.') || ending === '' ? name : `${name}.${ending}`);
}

/** Cuts the stem, not the ending. */
function within(name: string): string {
  if (Buffer.byteLength(name) <= longestName) return name;
  const ending = new RegExp(`\\.[^. ]{1,${longestEnding}}$`, 'u').exec(name)?.[0] ?? '';
  let room = longestName - Buffer.byteLength(ending);
  let stem = '';
  for (const character of name.slice(0, name.length - ending.length)) {
    room -= Buffer.byteLength(character);
    if (room < 0) break;
    stem += character;
  }
  return stem.trimEnd() + ending;
}
