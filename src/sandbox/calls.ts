// Routes calls: the offer, and whatever ends it. What would make people talk is not carried.
import { withDevice } from '../model/jid.ts';
import {
  attribute,
  children,
  jidAttribute,
  requireAttribute,
  requireJid,
  type Stanza,
  stanza,
} from '../whatsapp/binary/index.ts';
import type { Account } from './directory.ts';
import { type Network, type Outcome, type Sender, seconds } from './network.ts';

const CARRIED = new Set(['offer', 'accept', 'reject', 'terminate']);
const NOT_FOUND = 404;

export function routeCall(network: Network, sender: Sender, call: Stanza): Outcome {
  const id = requireAttribute(call, 'id');
  const to = requireJid(call, 'to');
  const [event] = children(call);
  const addressed = network.directory.byJid(to);
  const isKnown = addressed !== undefined && network.directory.knows(sender.account, addressed);
  const ack = stanza('ack', { class: 'call', id, from: to, type: event?.tag, error: isKnown ? undefined : NOT_FOUND });
  if (!isKnown || !event || !CARRIED.has(event.tag)) return { answers: [ack], reached: [] };
  const reached = network.preKeys.devices(addressed.id).filter((device) => !network.queue.isFull(device));
  const delivered = deliveryOf(network, sender, addressed, id, event);
  for (const device of reached) network.queue.add(device, 'call', sender.account.id, delivered);
  return { answers: [ack], reached };
}

function deliveryOf(network: Network, sender: Sender, recipient: Account, id: string, event: Stanza): Stanza {
  const { jid, alternative, name } = network.directory.appearance(sender.account, recipient);
  const attrs = { from: withDevice(jid, sender.device.device), id, t: seconds(network.clock), notify: name };
  const number = alternative?.attribute === 'sender_pn' && event.tag === 'offer' ? alternative.jid : undefined;
  const seen = {
    'call-id': attribute(event, 'call-id'),
    'call-creator': creatorOf(network, event, recipient),
    caller_pn: number,
    reason: attribute(event, 'reason'),
  };
  return stanza('call', { ...attrs, platform: 'android', version: '2' }, [stanza(event.tag, seen, event.content)]);
}

/** Under the address that the recipient knows. */
function creatorOf(network: Network, event: Stanza, recipient: Account) {
  const named = jidAttribute(event, 'call-creator');
  const creator = named && network.directory.byJid(named);
  return creator ? network.directory.appearance(creator, recipient).jid : named;
}
