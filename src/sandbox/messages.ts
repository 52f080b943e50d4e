// Routes a message: to the devices it was encrypted for, once, and into their queues before the sender gets its ack.
import { isUserJid, type Jid, withDevice } from '../model/jid.ts';
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
import { type Network, type Outcome, type Sender, seconds } from './network.ts';
import type { Device } from './pre-keys.ts';

/** Error codes in acks: to oneself, unknown recipient, no device addressed that exists, too much waiting for one of them. */
const BAD_REQUEST = 400;
const NOT_FOUND = 404;
const STALE_DEVICES = 479;
const OVERLOADED = 503;

const PASSED_ON = ['edit', 'category'] as const;
/** What is for the network, not for the recipient. */
const ENVELOPE = new Set(['participants', 'enc', 'device-identity', 'reporting', 'tctoken', 'cstoken']);

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

  const addressed = network.directory.byJid(to);
  if (!addressed || !network.directory.knows(sender.account, addressed)) return ack(NOT_FOUND);
  const toSelf = addressed.id === sender.account.id;
  if (toSelf && sender.account.kind === 'interop') return ack(BAD_REQUEST);
  const copies = copiesOf(network, sender, addressed, to, message);
  if (!copies.some((copy) => copy.to.account === addressed.id)) return ack(STALE_DEVICES);
  if (copies.some((copy) => network.queue.isFull(copy.to))) return ack(OVERLOADED);

  const chat = toSelf ? chatOf(network, sender, id, message) : addressed;
  const routed = network.state.transaction(() => {
    const fresh = isFirst(network, sender, chat, id, copies) ? copies : copies.filter(wanted(network, sender, id));
    for (const copy of fresh) {
      const delivery = deliveryOf(network, sender, chat, message, copy);
      network.queue.add(copy.to, 'message', sender.account.id, delivery);
      network.interference.routed(copy.to, delivery);
    }
    return fresh;
  });
  return { answers: ack().answers, reached: routed.map((copy) => copy.to) };
}

/** The ciphertexts by device. Entries for strangers, for devices that do not exist and for the sending device are dropped. */
function copiesOf(network: Network, sender: Sender, addressed: Account, to: Jid, message: Stanza): Copy[] {
  const accounts = new Set([addressed.id, sender.account.id]);
  const known = new Map([...accounts].flatMap((id) => network.preKeys.devices(id)).map((one) => [keyOf(one), one]));
  known.delete(keyOf(sender.device));
  const copies = new Map<string, Copy>();
  const add = (jid: Jid, of: Stanza): void => {
    const account = isUserJid(jid) ? network.directory.byJid(jid)?.id : undefined;
    const device =
      account !== undefined && isUserJid(jid) ? known.get(keyOf({ account, device: jid.device })) : undefined;
    const enc = children(of, 'enc');
    if (device && enc.length > 0 && !copies.has(keyOf(device))) copies.set(keyOf(device), { to: device, enc });
  };
  const participants = child(message, 'participants');
  if (participants) for (const entry of children(participants, 'to')) add(requireJid(entry, 'jid'), entry);
  else add(to, message);
  return [...copies.values()];
}

const keyOf = ({ account, device }: Device): string => `${account}.${device}`;

/** The conversation of something sent to one's own devices: where it says so, or else where the message went before. */
function chatOf(network: Network, { account, device }: Sender, id: string, message: Stanza): Account {
  const named = jidAttribute(message, 'recipient');
  const sql = 'SELECT recipient FROM routed WHERE sender = ? AND device = ? AND message_id = ? LIMIT 1';
  const before = network.state.row<{ recipient: number }>(sql, account.id, device.device, id);
  return (named && network.directory.byJid(named)) ?? (before && network.directory.byId(before.recipient)) ?? account;
}

/** Whether this message was not routed before. The answer to a retry receipt has the same id, but is another copy. */
function isFirst(network: Network, sender: Sender, chat: Account, id: string, copies: readonly Copy[]): boolean {
  const retries = copies.map(({ to, enc }) => {
    const count = enc.map((one) => attribute(one, 'count') ?? '').join();
    return count === '' ? '' : `${keyOf(to)}#${count}`;
  });
  const { changes } = network.state.run(
    'INSERT OR IGNORE INTO routed (sender, device, recipient, message_id, copy) VALUES (?, ?, ?, ?, ?)',
    sender.account.id,
    sender.device.device,
    chat.id,
    id,
    retries.filter((retry) => retry !== '').join(' '),
  );
  return changes === 1;
}

/** Notes that a device could not read a message. */
export function askAgain(network: Network, author: Device, id: string, asking: Device): void {
  network.state.run(
    'INSERT OR IGNORE INTO asked_again (sender, device, message_id, asking, asking_device) VALUES (?, ?, ?, ?, ?)',
    author.account,
    author.device,
    id,
    asking.account,
    asking.device,
  );
}

/** Some clients answer a device's retry receipt by sending to all devices once more: only the one that asked gets it. */
function wanted(network: Network, { device }: Sender, id: string): (copy: Copy) => boolean {
  return ({ to }) =>
    network.state.run(
      'DELETE FROM asked_again WHERE sender = ? AND device = ? AND message_id = ? AND asking = ? AND asking_device = ?',
      device.account,
      device.device,
      id,
      to.account,
      to.device,
    ).changes === 1;
}

function deliveryOf(network: Network, sender: Sender, chat: Account, message: Stanza, { to, enc }: Copy): Stanza {
  const recipient = to.account === chat.id ? chat : sender.account;
  const { jid, alternative, name } = network.directory.appearance(sender.account, recipient);
  const isOwn = to.account === sender.account.id;
  const isPeerData = attribute(message, 'category') === 'peer';
  // A client believes the other address to be the conversation's, which for a copy of one's own message is somebody else's.
  const other = alternative && !isOwn ? { [alternative.attribute]: alternative.jid } : {};
  const proof = enc.some((one) => attribute(one, 'type') === 'pkmsg') ? children(message, 'device-identity') : [];
  return stanza(
    'message',
    {
      from: withDevice(jid, sender.device.device),
      id: attribute(message, 'id'),
      type: attribute(message, 'type') ?? 'text',
      t: seconds(network.clock),
      notify: name,
      recipient: isOwn && !isPeerData ? network.directory.appearance(chat, sender.account).jid : undefined,
      ...other,
      ...Object.fromEntries(PASSED_ON.map((attr) => [attr, attribute(message, attr)])),
    },
    [...enc, ...proof, ...children(message).filter(({ tag }) => !ENVELOPE.has(tag))],
  );
}
