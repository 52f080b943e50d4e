// Routes receipts: they end the wait of the message they are about, and tell its sender.
import { isUserJid, withDevice } from '../model/jid.ts';
import {
  attribute,
  child,
  children,
  requireAttribute,
  requireJid,
  type Stanza,
  stanza,
} from '../whatsapp/binary/index.ts';
import type { Account } from './directory.ts';
import { type Network, type Outcome, type Sender, seconds } from './network.ts';
import type { Device } from './pre-keys.ts';

const READ = new Set(['read', 'played']);
const MAX_IDS = 1_000;

export function routeReceipt(network: Network, sender: Sender, receipt: Stanza): Outcome {
  const id = requireAttribute(receipt, 'id');
  const to = requireJid(receipt, 'to');
  const type = attribute(receipt, 'type');
  const author = network.directory.byJid(to);
  const ack = stanza('ack', { class: 'receipt', id, from: to, type });
  if (!author) return { answers: [ack], reached: [] };

  const targets = targetsOf(network, author, isUserJid(to) && type === 'retry' ? to.device : undefined);
  const shown = !READ.has(type ?? '') || (showsReading(sender.account) && showsReading(author));
  const reached = shown ? targets.filter((device) => !network.queue.isFull(device)) : [];
  const { jid } = network.directory.appearance(sender.account, author);
  // Clients take the address of ordinary receipts as the chat, so it names the person; a retry is asked by one device.
  const from = type === 'retry' ? withDevice(jid, sender.device.device) : jid;
  const forwarded = stanza('receipt', { from, id, type, t: seconds(network.clock) }, receipt.content);

  network.state.transaction(() => {
    for (const about of idsOf(receipt, id)) {
      network.queue.acknowledge(sender.device, { class: 'message', id: about, sender: author.id });
    }
    for (const device of reached) network.queue.add(device, 'receipt', sender.account.id, forwarded);
  });
  return { answers: [ack], reached };
}

/** A client's ack: the stanza has arrived and need not be sent again. */
export function takeAck(network: Network, sender: Sender, ack: Stanza): Outcome {
  const id = requireAttribute(ack, 'id');
  const kind = requireAttribute(ack, 'class');
  const about = ack.attrs.get('to');
  const author = about === undefined || typeof about === 'string' ? undefined : network.directory.byJid(about);
  const type = kind === 'receipt' ? attribute(ack, 'type') : undefined;
  network.queue.acknowledge(sender.device, { class: kind, id, type, sender: author?.id });
  return { answers: [], reached: [] };
}

const showsReading = (account: Account): boolean => account.kind === 'phone' || account.readReceipts;

function targetsOf(network: Network, author: Account, device: number | undefined): Device[] {
  return network.preKeys.devices(author.id).filter((one) => device === undefined || one.device === device);
}

function idsOf(receipt: Stanza, first: string): string[] {
  const list = child(receipt, 'list');
  const more = list ? children(list, 'item').map((item) => requireAttribute(item, 'id')) : [];
  return [first, ...more].slice(0, MAX_IDS);
}
