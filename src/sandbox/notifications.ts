// What the network itself tells devices: identity keys that change, devices that come and go, one-time keys that run low.
import { createHash, randomBytes } from 'node:crypto';
import { formatJid, SERVER, type UserJid, withDevice } from '../model/jid.ts';
import { type Stanza, stanza } from '../whatsapp/binary/index.ts';
import type { Companion } from './companions.ts';
import type { Account, PhoneAccount } from './directory.ts';
import { type Network, seconds } from './network.ts';
import { type Device, LOW_WATER } from './pre-keys.ts';

const newId = (): string => String(randomBytes(4).readUInt32BE());

/** Tells everybody who has exchanged messages with the account. Returns the devices reached. */
export function announceIdentityChange(network: Network, account: Account): Device[] {
  const devices: Device[] = [];
  for (const peer of network.directory.peers(account.id)) {
    const from = network.directory.appearance(account, peer).jid;
    const attrs = { type: 'encrypt', from, id: newId(), t: seconds(network.clock) };
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
  const attrs = { type: 'encrypt', from: SERVER, id: newId(), t: seconds(network.clock) };
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
  const devices = network.preKeys.devices(account.id).map(({ device }) => device);
  const reached: Device[] = [];
  const tell = (to: Device, notification: Stanza): void => {
    network.queue.add(to, 'notification', account.id, notification);
    reached.push(to);
  };
  const t = seconds(network.clock);
  const keyIndex = (device: number): number | undefined =>
    device === companion.device
      ? companion.keyIndex
      : network.companions.get({ account: account.id, device })?.keyIndex;
  for (const peer of network.directory.peers(account.id)) {
    if (peer.id === account.id) continue;
    const { jid: from, alternative } = network.directory.appearance(account, peer);
    const { device } = companion;
    const other = alternative && { lid: alternative.attribute === 'sender_lid' ? alternative.jid : undefined };
    const changed = stanza('device', { jid: withDevice(from, device), 'key-index': companion.keyIndex });
    const list = network.companions.keyIndexList(account.id);
    const signed = list ? [stanza('key-index-list', { ts: list.signedAt }, list.list)] : [];
    const content = stanza(change, { device_hash: deviceHash(from, devices) }, [changed, ...signed]);
    for (const to of network.preKeys.devices(peer.id)) {
      tell(to, stanza('notification', { type: 'devices', from, id: newId(), t, ...other }, [content]));
    }
  }
  const own = devices.map((device) =>
    stanza('device', { jid: withDevice(account.lid, device), 'key-index': keyIndex(device) }),
  );
  const content = stanza('devices', { dhash: deviceHash(account.lid, devices) }, own);
  for (const to of network.preKeys.devices(account.id)) {
    if (to.device === companion.device) continue;
    tell(to, stanza('notification', { type: 'account_sync', from: account.lid, id: newId(), t }, [content]));
  }
  return reached;
}

/** `2:` and the start of a hash over the sorted devices, each written `user.agent:device@server`. */
function deviceHash(user: UserJid, devices: readonly number[]): string {
  const [name, server] = formatJid({ ...user, device: 0 })
    .replace(/:0@/, '@')
    .split('@');
  const sorted = devices.map((device) => `${name}.0:${device}@${server}`).sort();
  const digest = createHash('sha256').update(sorted.join('')).digest();
  return `2:${digest.subarray(0, 6).toString('base64').replace(/=+$/, '')}`;
}
