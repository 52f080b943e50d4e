// Routes receipts: they end the wait of the message they are about, tell its sender, and one's own other devices what was read.
import { isUserJid, withDevice } from '../model/jid.ts';
import {
  attribute,
  child,
  children,
  jidAttribute,
  requireAttribute,
  requireJid,
  type Stanza,
  stanza,
} from '../whatsapp/binary/index.ts';
import type { Account } from './directory.ts';
import { askAgain } from './messages.ts';
import { type Network, type Outcome, type Sender, seconds } from './network.ts';
import type { Device } from './pre-keys.ts';

const READ = new Set(['read', 'played']);
/** Said when one's own settings keep reading from others. */
const READ_IN_SECRET = new Set(['read-self', 'played-self']);
/** About a copy from one's own other device. */
const OWN = new Set(['sender', 'peer_msg', 'hist_sync']);
/** Asks for a file that is lost: whoever has it, which is a phone, is to upload it again. */
const ASKS_FOR_FILE = 'server-error';
const MAX_IDS = 1_000;

export function routeReceipt(network: Network, sender: Sender, receipt: Stanza): Outcome {
  const id = requireAttribute(receipt, 'id');
  const to = requireJid(receipt, 'to');
  const type = attribute(receipt, 'type');
  const author = network.directory.byJid(to);
  const ack = stanza('ack', { class: 'receipt', id, from: to, type });
  if (!author) return { answers: [ack], reached: [] };
  const isOwn = author.id === sender.account.id;
  const named = isUserJid(to) && (type === 'retry' || isOwn) ? to.device : undefined;
  const device = type === ASKS_FOR_FILE ? 0 : named;

  const reached: Device[] = [];
  const forward = (device: Device, forwarded: Stanza): void => {
    if (network.queue.isFull(device)) return;
    network.queue.add(device, 'receipt', sender.account.id, forwarded);
    reached.push(device);
  };
  network.state.transaction(() => {
    for (const about of idsOf(receipt, id)) {
      network.queue.acknowledge(sender.device, { class: 'message', id: about, sender: author.id });
    }
    const targets = isShown(sender, author, type) ? targetsOf(network, author, device) : [];
    for (const one of targets) {
      if (one.account === sender.device.account && one.device === sender.device.device) continue;
      forward(one, forwardedTo(network, sender, author, receipt));
      if (type === 'retry') askAgain(network, one, id, sender.device);
    }
    if (isOwn || !(READ.has(type ?? '') || READ_IN_SECRET.has(type ?? ''))) return;
    const told = readElsewhere(network, sender, author, receipt);
    for (const one of network.preKeys.devices(sender.account.id)) {
      if (one.device !== sender.device.device) forward(one, told);
    }
  });
  return { answers: [ack], reached };
}

function isShown(sender: Sender, author: Account, type = ''): boolean {
  if (READ_IN_SECRET.has(type)) return false;
  if (OWN.has(type)) return author.id === sender.account.id;
  return !READ.has(type) || (showsReading(sender.account) && showsReading(author));
}

/**
 * Ordinary clients take the address of ordinary receipts as the chat, so it names the person; a retry is asked by one device.
 * Third-party clients, which keep count of devices, see the device always.
 */
function forwardedTo(network: Network, sender: Sender, author: Account, receipt: Stanza): Stanza {
  const type = attribute(receipt, 'type');
  const { jid } = network.directory.appearance(sender.account, author);
  const isOwn = author.id === sender.account.id;
  const named = isOwn || type === 'retry' || type === ASKS_FOR_FILE || author.kind === 'interop';
  const chat = isOwn ? jidAttribute(receipt, 'recipient') : undefined;
  const attrs = {
    from: named ? withDevice(jid, sender.device.device) : jid,
    id: attribute(receipt, 'id'),
    type,
    recipient: chat,
    t: seconds(network.clock),
  };
  return stanza('receipt', attrs, receipt.content);
}

/** For the reader's other devices. */
function readElsewhere(network: Network, { account }: Sender, author: Account, receipt: Stanza): Stanza {
  const { jid: from } = network.directory.appearance(account, account);
  const recipient = network.directory.appearance(author, account).jid;
  const [id, type] = [attribute(receipt, 'id'), attribute(receipt, 'type')];
  return stanza('receipt', { from, recipient, id, type, t: seconds(network.clock) }, receipt.content);
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
