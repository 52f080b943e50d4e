// A person's profile picture: where it is.
import type { PictureLookup } from '../model/interop.ts';
import { SERVER, type UserJid, withoutDevice } from '../model/jid.ts';
import {
  attribute,
  child,
  integerAttribute,
  requireAttribute,
  type Stanza,
  StanzaError,
  stanza,
} from './binary/index.ts';

const NOT_CHANGED = 304;

/** `known` is the id of the picture that we have. */
export function pictureRequest(id: string, of: UserJid, known: string | undefined): Stanza {
  const picture = stanza('picture', { type: 'image', query: 'url', id: known });
  return stanza('iq', { id, to: SERVER, type: 'get', xmlns: 'w:profile:picture', target: withoutDevice(of) }, [
    picture,
  ]);
}

/** Throws StanzaError. */
export function readPicture(reply: Stanza, known: string | undefined): PictureLookup {
  const picture = child(reply, 'picture');
  // Nothing to say about a picture that is known means that it has not changed.
  if (picture === undefined) return known === undefined ? { outcome: 'none' } : { outcome: 'unchanged' };
  const status = integerAttribute(picture, 'status');
  if (status !== undefined) return status === NOT_CHANGED ? { outcome: 'unchanged' } : { outcome: 'none' };
  const id = requireAttribute(picture, 'id');
  if (!/^[\x21-\x7e]{1,128}$/.test(id)) throw new StanzaError('wrong-attribute', 'picture.id');
  if (id === known) return { outcome: 'unchanged' };
  return { outcome: 'found', id, url: attribute(picture, 'url'), directPath: attribute(picture, 'direct_path') };
}
