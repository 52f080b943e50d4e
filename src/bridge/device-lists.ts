// Which devices a contact has: the network is asked when that is due, and what is gone is forgotten.
import type { Change } from '../model/change.ts';
import { BridgeError, errorCode } from '../model/errors.ts';
import type { ContactLookup, ListedDevice } from '../model/interop.ts';
import type { ContactDevice, DeviceList } from '../model/trust.ts';
import type { BridgeContext } from './context.ts';
import { removedNotice } from './device-notices.ts';
import { type Chat, hasTrouble, peerOf, putDevices, withDevices } from './device-sessions.ts';
import { isDue, isOlder, isStale, keyText, primaryDevice, renew } from './devices.ts';

/** Asks the network for the contact's devices if that is due. */
export async function refreshDevices(context: BridgeContext, chat: Chat): Promise<void> {
  const known = await context.store.trust.devices(chat.portal.account, chat.portal.contact);
  if (!isDue(known, context.clock.now())) return;
  try {
    await renewDevices(context, chat);
  } catch (error) {
    if (!hasTrouble(error) || known === undefined || isStale(known)) throw error;
    // What was true for a day is taken for true a while longer: the network refuses a message for another list.
    context.logger.warn(
      { portal: chat.portal.id, code: errorCode(error) },
      'the network does not name the devices of a contact at the moment; the known ones are used',
    );
  }
}

/** Asks the network for the contact's devices, and forgets those that are no more. */
export async function renewDevices(context: BridgeContext, chat: Chat): Promise<void> {
  const now = context.clock.now();
  const found = await listedDevices(context, chat);
  await withDevices(context, chat, async (unit, list) => {
    const primary = await unit.trust(peerOf(chat, primaryDevice));
    const signed = found?.signedDevices && primary && signedBy(context, found.signedDevices, primary.key);
    if (isOlder(list, signed)) {
      context.logger.warn({ portal: chat.portal.id }, 'the network has shown an old list of devices of a contact');
    }
    const renewed = renew(list, found?.devices ?? list.devices.map(asListed), now, signed);
    const changes: Change[] = [putDevices(chat, renewed.list)];
    for (const gone of renewed.removed) {
      await unit.forget(peerOf(chat, gone.device));
      changes.push({ change: 'outbox.device-gone', portal: chat.portal.id, device: gone.device });
      if (gone.standing.as === 'proven') changes.push(removedNotice(chat.portal, chat.contact, gone, now));
    }
    await context.store.commit([...unit.changes(), ...changes]);
  });
}

/** Undefined where the network has no answer: what is known stays. */
async function listedDevices(context: BridgeContext, chat: Chat): Promise<ContactLookup | undefined> {
  try {
    return await chat.client.lookUp(chat.address);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    context.logger.warn(
      { portal: chat.portal.id, code: error.code },
      'the network did not name the devices of a contact',
    );
    return undefined;
  }
}

function signedBy({ network }: BridgeContext, list: Uint8Array, primaryKey: Uint8Array): DeviceList['signed'] {
  const signed = network.readSignedDevices(list, primaryKey);
  return signed && { ...signed, by: keyText(primaryKey) };
}

const asListed = ({ device, keyIndex }: ContactDevice): ListedDevice => ({ device, keyIndex });
