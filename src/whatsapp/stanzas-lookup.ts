// Looking somebody up (usync): all addresses and devices of one person.
import type { ContactLookup, ListedDevice } from '../model/interop.ts';
import { formatJid, isUserJid, type Jid, SERVER, type UserJid, withoutDevice } from '../model/jid.ts';
import {
  attribute,
  child,
  children,
  integerAttribute,
  jidAttribute,
  requireChild,
  requireInteger,
  requireJid,
  type Stanza,
  stanza,
} from './binary/index.ts';

const MAX_DEVICE = 255;

/** A phone number is asked for as a contact, which tells whether anybody is behind it; other addresses as they are. */
export function lookUpRequest(id: string, address: UserJid): Stanza {
  const byNumber = address.kind === 'phone';
  const user = byNumber
    ? stanza('user', {}, [stanza('contact', {}, Buffer.from(`+${address.user}`))])
    : stanza('user', { jid: withoutDevice(address) });
  const protocols = [stanza('devices', { version: 2 }), stanza('lid'), ...(byNumber ? [stanza('contact')] : [])];
  const attrs = { sid: id, mode: 'query', last: true, index: 0, context: 'interactive' };
  return stanza('iq', { id, to: SERVER, type: 'get', xmlns: 'usync' }, [
    stanza('usync', attrs, [stanza('query', {}, protocols), stanza('list', {}, [user])]),
  ]);
}

/** Undefined where nobody is known or reachable there. Throws StanzaError. */
export function readLookUp(reply: Stanza): ContactLookup | undefined {
  const [user] = children(requireChild(requireChild(reply, 'usync'), 'list'), 'user');
  const contact = user && child(user, 'contact');
  if (user === undefined || (contact && attribute(contact, 'type') !== 'in')) return undefined;
  const lid = child(user, 'lid');
  const named = [jidAttribute(user, 'jid'), jidAttribute(user, 'pn_jid'), lid && requireJid(lid, 'val')];
  const addresses = new Map(
    named.filter(isKnownUser).map((jid) => [formatJid(withoutDevice(jid)), withoutDevice(jid)]),
  );
  if (addresses.size === 0) return undefined;
  const place = child(user, 'devices') ?? user;
  const list = child(place, 'device-list');
  const devices = list ? readDevices(list) : [{ device: 0, keyIndex: undefined }];
  if (devices.length === 0) return undefined;
  const signed = child(place, 'key-index-list')?.content;
  return {
    addresses: [...addresses.values()],
    devices,
    ...(signed instanceof Uint8Array ? { signedDevices: signed } : {}),
  };
}

/** What no address can express is no device. */
function readDevices(list: Stanza): ListedDevice[] {
  const devices = new Map<number, ListedDevice>();
  for (const node of children(list, 'device')) {
    const device = requireInteger(node, 'id');
    if (device <= MAX_DEVICE) devices.set(device, { device, keyIndex: integerAttribute(node, 'key-index') });
  }
  return [...devices.values()];
}

function isKnownUser(jid: Jid | undefined): jid is UserJid {
  return jid !== undefined && isUserJid(jid);
}
