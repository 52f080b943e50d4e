// Receipts: delivered and read, and retry receipts that ask for a message again.
import type { MessageId } from '../model/ids.ts';
import type { IncomingReceipt, InteropClient, RetryReceipt } from '../model/interop.ts';
import { type UserJid, withDevice, withoutDevice } from '../model/jid.ts';
import {
  attribute,
  child,
  children,
  integerAttribute,
  requireAttribute,
  requireChild,
  requireInteger,
  type Stanza,
  StanzaError,
  stanza,
} from './binary/index.ts';
import { keyNodes, readKeyNodes, readRegistration, registrationNode } from './stanzas-keys.ts';

export function deliveryReceipt(id: MessageId, to: UserJid, device: number): Stanza {
  return stanza('receipt', { id, to: withDevice(to, device) });
}

/** The first id stands in the receipt itself, the others in a list. `now` in milliseconds. */
export function readReceiptFor([first, ...others]: ReadIds, to: UserJid, now: number): Stanza {
  const list = stanza(
    'list',
    {},
    others.map((id) => stanza('item', { id })),
  );
  const attrs = { id: first, to: withoutDevice(to), type: 'read', t: Math.floor(now / 1000) };
  return stanza('receipt', attrs, others.length > 0 ? [list] : undefined);
}

type ReadIds = Parameters<InteropClient['sendReadReceipt']>[0];

export function retryReceipt(request: Parameters<InteropClient['sendRetryReceipt']>[0]): Stanza {
  const { id, to, device, timestamp, count, registrationId, keys } = request;
  return stanza('receipt', { id, to: withDevice(to, device), type: 'retry' }, [
    stanza('retry', { count, id, t: Math.floor(timestamp / 1000), v: 1 }),
    registrationNode(registrationId),
    ...(keys ? [stanza('keys', {}, keyNodes(keys))] : []),
  ]);
}

const TYPES: Readonly<Record<string, IncomingReceipt['type']>> = {
  inactive: 'delivered',
  read: 'read',
  'read-self': 'read',
  played: 'played',
  'played-self': 'played',
};

/** `now` stands in for a missing time, in milliseconds. Throws StanzaError. */
export function readReceipt(receipt: Stanza, from: UserJid, now: number): IncomingReceipt {
  const type = attribute(receipt, 'type');
  const seconds = integerAttribute(receipt, 't');
  const more = children(receipt, 'list').flatMap((list) => children(list, 'item'));
  return {
    ids: [receipt, ...more].map((item) => requireAttribute(item, 'id') as MessageId),
    from: withoutDevice(from),
    device: from.device,
    type: type === undefined ? 'delivered' : ((Object.hasOwn(TYPES, type) ? TYPES[type] : undefined) ?? 'other'),
    timestamp: seconds === undefined ? now : seconds * 1000,
  };
}

/** Throws StanzaError. */
export function readRetryReceipt(receipt: Stanza, from: UserJid): RetryReceipt {
  const registrationId = readRegistration(receipt);
  const keys = child(receipt, 'keys');
  return {
    id: requireAttribute(receipt, 'id') as MessageId,
    from: withoutDevice(from),
    device: from.device,
    count: requireInteger(requireChild(receipt, 'retry'), 'count'),
    registrationId,
    bundle: keys && offeredKeys(keys, registrationId),
  };
}

/** Keys that cannot be read are as good as none: the network has others. */
function offeredKeys(keys: Stanza, registrationId: number): RetryReceipt['bundle'] {
  try {
    return readKeyNodes(keys, registrationId);
  } catch (error) {
    if (error instanceof StanzaError) return undefined;
    throw error;
  }
}
