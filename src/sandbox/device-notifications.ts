// Notifications that one device sends another: so far only a phone's answer to whoever asked it for a lost file.
import { isUserJid } from '../model/jid.ts';
import { attribute, requireAttribute, requireJid, type Stanza, stanza } from '../whatsapp/binary/index.ts';
import { type Network, nothing, type Outcome, type Sender, seconds } from './network.ts';

export function routeNotification(network: Network, { account, device }: Sender, notification: Stanza): Outcome {
  const id = requireAttribute(notification, 'id');
  const to = requireJid(notification, 'to');
  const type = attribute(notification, 'type');
  const addressed = network.directory.byJid(to);
  if (type !== 'mediaretry' || device.device !== 0 || !addressed || !isUserJid(to)) return nothing;
  const reached = network.preKeys.devices(addressed.id).filter((one) => one.device === to.device);
  const { jid: from } = network.directory.appearance(account, addressed);
  const forwarded = stanza('notification', { from, id, type, t: seconds(network.clock) }, notification.content);
  const open = reached.filter((one) => !network.queue.isFull(one));
  for (const one of open) network.queue.add(one, 'notification', account.id, forwarded);
  return { answers: [stanza('ack', { class: 'notification', id, from: to, type })], reached: open };
}
