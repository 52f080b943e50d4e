// What the network itself tells devices: somebody's identity key has changed, or their own one-time keys run low.
import { randomBytes } from 'node:crypto';
import { SERVER } from '../model/jid.ts';
import { stanza } from '../whatsapp/binary/index.ts';
import type { Account } from './directory.ts';
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
