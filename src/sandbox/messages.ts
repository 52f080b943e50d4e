// Routes a message: to the devices it was encrypted for, once, and into their queues before the sender gets its ack.
import { isUserJid, type Jid, withDevice } from '../model/jid.ts';
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

/** Error codes in acks: to oneself, unknown recipient, no device addressed that exists, too much waiting for one of them. */
const BAD_REQUEST = 400;
const NOT_FOUND = 404;
const STALE_DEVICES = 479;
const OVERLOADED = 503;

const PASSED_ON = ['edit', 'category'] as const;
const ENVELOPE = new Set(['participants', 'enc']);

interface Copy {
  readonly to: Device;
  readonly enc: readonly Stanza[];
}

export function routeMessage(network: Network, sender: Sender, message: Stanza): Outcome {
  const id = requireAttribute(message, 'id');
  const to = requireJid(message, 'to');
  const ack = (error?: number): Outcome => ({
    answers: [stanza('ack', { class: 'message', id, from: to, t: seconds(network.clock), error })],
    reached: [],
  });

  const recipient = network.directory.byJid(to);
  if (!recipient || !network.directory.knows(sender.account, recipient)) return ack(NOT_FOUND);
  if (recipient.id === sender.account.id) return ack(BAD_REQUEST);
  const copies = copiesOf(network, recipient, to, message);
  if (copies.length === 0) return ack(STALE_DEVICES);
  if (copies.some((copy) => network.queue.isFull(copy.to))) return ack(OVERLOADED);

  const fresh = network.state.transaction(() => {
    if (!isFirst(network, sender, recipient, id, copies)) return false;
    for (const copy of copies) {
      const delivery = deliveryOf(network, sender, recipient, message, copy);
      network.queue.add(copy.to, 'message', sender.account.id, delivery);
      network.interference.routed(copy.to, delivery);
    }
    return true;
  });
  return { answers: ack().answers, reached: fresh ? copies.map((copy) => copy.to) : [] };
}

/** The ciphertexts by device. Entries for other accounts and for devices that do not exist are dropped. */
function copiesOf(network: Network, recipient: Account, to: Jid, message: Stanza): Copy[] {
  const known = new Map(network.preKeys.devices(recipient.id).map((device) => [device.device, device]));
  const copies: Copy[] = [];
  const add = (jid: Jid, of: Stanza): void => {
    const device = isUserJid(jid) ? known.get(jid.device) : undefined;
    const enc = children(of, 'enc');
    if (!device || enc.length === 0 || network.directory.byJid(jid)?.id !== recipient.id) return;
    if (!copies.some((copy) => copy.to.device === device.device)) copies.push({ to: device, enc });
  };
  const participants = child(message, 'participants');
  if (participants) for (const entry of children(participants, 'to')) add(requireJid(entry, 'jid'), entry);
  else add(to, message);
  return copies;
}

/** Whether this message was not routed before. The answer to a retry receipt has the same id, but is another copy. */
function isFirst(network: Network, sender: Sender, recipient: Account, id: string, copies: readonly Copy[]): boolean {
  const retries = copies.map(({ to, enc }) => {
    const count = enc.map((one) => attribute(one, 'count') ?? '').join();
    return count === '' ? '' : `${to.device}#${count}`;
  });
  const { changes } = network.state.run(
    'INSERT OR IGNORE INTO routed (sender, device, recipient, message_id, copy) VALUES (?, ?, ?, ?, ?)',
    sender.account.id,
    sender.device.device,
    recipient.id,
    id,
    retries.filter((retry) => retry !== '').join(' '),
  );
  return changes === 1;
}

function deliveryOf(network: Network, sender: Sender, recipient: Account, message: Stanza, copy: Copy): Stanza {
  const { jid, alternative, name } = network.directory.appearance(sender.account, recipient);
  return stanza(
    'message',
    {
      from: withDevice(jid, sender.device.device),
      id: attribute(message, 'id'),
      type: attribute(message, 'type') ?? 'text',
      t: seconds(network.clock),
      notify: name,
      ...(alternative ? { [alternative.attribute]: alternative.jid } : {}),
      ...Object.fromEntries(PASSED_ON.map((attr) => [attr, attribute(message, attr)])),
    },
    [...copy.enc, ...children(message).filter(({ tag }) => !ENVELOPE.has(tag))],
  );
}
