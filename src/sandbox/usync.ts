// Answers who exists, with which devices, and under which other address (usync).
import { isUserJid, type Jid, phoneJid } from '../model/jid.ts';
import {
  child,
  children,
  jidAttribute,
  requireChild,
  type Stanza,
  stanza,
  textContent,
} from '../whatsapp/binary/index.ts';
import type { Account } from './directory.ts';
import type { Network } from './network.ts';

const MAX_USERS = 1_000;
const ANSWERED = new Set(['devices', 'lid', 'contact']);

/** People who do not exist are left out of the answer, except where a phone number was asked for: `contact type='out'`. */
export function answerUsync(network: Network, asking: Account, usync: Stanza): Stanza {
  const protocols = children(requireChild(usync, 'query')).filter(({ tag }) => ANSWERED.has(tag));
  const users = children(requireChild(usync, 'list'), 'user').slice(0, MAX_USERS);
  const result = protocols.map(({ tag }) => stanza(tag));
  const list = users.map((user) => answerUser(network, asking, protocols, user)).filter((user) => user !== undefined);
  return stanza('usync', usync.attrs, [stanza('result', {}, result), stanza('list', {}, list)]);
}

function answerUser(network: Network, asking: Account, protocols: readonly Stanza[], user: Stanza): Stanza | undefined {
  const contact = child(user, 'contact');
  const number = contact && numberIn(textContent(contact) ?? '');
  const asked: Jid | undefined = number === undefined ? jidAttribute(user, 'jid') : phoneJid(number);
  const found = asked && network.directory.byJid(asked);
  // Nobody looks third-party users up by number: they have none. By address they are known to those who write to them.
  if (!asked || !found || !network.directory.knows(asking, found)) {
    return contact && stanza('user', {}, [stanza('contact', { type: 'out' }, contact.content)]);
  }
  const jid = number === undefined && isUserJid(asked) ? asked : network.directory.appearance(found, asking).jid;
  const pn = jid.kind === 'lid' && found.kind === 'phone' ? found.pn : undefined;
  const content = protocols.map(({ tag }) => {
    if (tag === 'lid') return stanza('lid', { val: found.lid });
    if (tag === 'contact') return stanza('contact', { type: 'in' }, contact?.content);
    return devicesStanza(network, found);
  });
  return stanza('user', { jid, pn_jid: pn }, content);
}

function devicesStanza(network: Network, account: Account): Stanza {
  const devices = network.preKeys.devices(account.id).map((device) => {
    const companion = network.companions.get(device);
    return stanza('device', { id: device.device, 'key-index': companion?.keyIndex });
  });
  const signed = network.companions.keyIndexList(account.id);
  return stanza('devices', {}, [
    stanza('device-list', {}, devices),
    ...(signed ? [stanza('key-index-list', { ts: signed.signedAt }, signed.list)] : []),
  ]);
}

/** `+31612345678` or the legacy `31612345678@c.us`. */
function numberIn(text: string): string | undefined {
  return /^\+?(\d{5,15})(@c\.us)?$/.exec(text)?.[1];
}
