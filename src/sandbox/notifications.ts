// What the network itself tells devices: identity keys that change, devices that come and go, one-time keys that run low.
import { createHash, randomBytes } from 'node:crypto';
import { formatJid, SERVER, type UserJid, withDevice } from '../model/jid.ts';
import { type Stanza, stanza } from '../whatsapp/binary/index.ts';
import type { Companion } from './companions.ts';
import type { Account, PhoneAccount } from './directory.ts';
import { type Network, seconds } from './network.ts';
import { type Device, LOW_WATER } from './pre-keys.ts';

export const newNotificationId = (): string => String(randomBytes(4).readUInt32BE());

/** Tells everybody who has exchanged messages with the account. Returns the devices reached. */
export function announceIdentityChange(network: Network, account: Account): Device[] {
  const devices: Device[] = [];
  for (const peer of network.directory.peers(account.id)) {
    const from = network.directory.appearance(account, peer).jid;
    const attrs = { type: 'encrypt', from, id: newNotificationId(), t: seconds(network.clock) };
    for (const device of network.preKeys.devices(peer.id)) {
      network.queue.add(device, 'notification', account.id, stanza('notification', attrs, [stanza('identity')]));
      devices.push(device);
    }
  }
  return devices;
}

/** Asks the device for more one-time keys, if it has few left and has not been asked yet. Returns the devices reached. */
export function announceFewPreKeys(network: Network, device: Device): Device[] {
  const value = network.preKeys.count(device);
  if (value >= LOW_WATER || network.queue.hasOwn(device, 'notification', 'encrypt')) return [];
  const attrs = { type: 'encrypt', from: SERVER, id: newNotificationId(), t: seconds(network.clock) };
  network.queue.add(device, 'notification', undefined, stanza('notification', attrs, [stanza('count', { value })]));
  return [device];
}

/** Tells everybody who has exchanged messages with the account, and its own other devices. Returns the devices reached. */
export function announceDevice(
  network: Network,
  account: PhoneAccount,
  companion: Companion,
  change: 'add' | 'remove',
): Device[] {
  const own = network.preKeys.devices(account.id);
  const reached: Device[] = [];
  const tell = (to: Device, type: string, from: UserJid, content: Stanza): void => {
    const attrs = { type, from, id: newNotificationId(), t: seconds(network.clock) };
    network.queue.add(to, 'notification', account.id, stanza('notification', attrs, [content]));
    reached.push(to);
  };
  for (const peer of network.directory.peers(account.id)) {
    if (peer.id === account.id) continue;
    // Ordinary clients keep a list for each of the two addresses, and learn of a change only under the one that it names.
    const known = peer.kind === 'phone' ? [account.lid, account.pn] : [network.directory.appearance(account, peer).jid];
    for (const to of network.preKeys.devices(peer.id)) {
      for (const user of known) tell(to, 'devices', user, changeOf(network, user, companion, change));
    }
  }
  for (const to of own.filter(({ device }) => device !== companion.device)) {
    for (const user of [account.lid, account.pn]) {
      tell(to, 'devices', user, changeOf(network, user, companion, change));
    }
    const listed = own.map((one) =>
      stanza('device', {
        jid: withDevice(account.lid, one.device),
        'key-index': network.companions.get(one)?.keyIndex,
      }),
    );
    tell(to, 'account_sync', account.lid, stanza('devices', { dhash: deviceHash(account.lid, own) }, listed));
  }
  return reached;
}

/** `<add/>` or `<remove/>` with the device under one of its user's addresses. */
function changeOf(network: Network, user: UserJid, companion: Companion, change: 'add' | 'remove'): Stanza {
  const { account, device, keyIndex } = companion;
  const list = network.companions.keyIndexList(account);
  return stanza(change, { device_hash: deviceHash(user, network.preKeys.devices(account)) }, [
    stanza('device', { jid: withDevice(user, device), 'key-index': keyIndex }),
    ...(list ? [stanza('key-index-list', { ts: list.signedAt }, list.list)] : []),
  ]);
}

/** `2:` and the start of a hash over the sorted devices, each written `user.agent:device@server`. */
function deviceHash(user: UserJid, devices: readonly Device[]): string {
  const [name, server] = formatJid({ ...user, device: 0 })
    .replace(/:0@/, '@')
    .split('@');
  const sorted = devices.map(({ device }) => `${name}.0:${device}@${server}`).sort();
  const digest = createHash('sha256').update(sorted.join('')).digest();
  return `2:${digest.subarray(0, 6).toString('base64').replace(/=+$/, '')}`;
}
