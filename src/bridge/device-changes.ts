// A contact has linked or unlinked a device: the list is asked for again and the user told, before anything is sent.
import { BridgeError } from '../model/errors.ts';
import type { InteropClient } from '../model/interop.ts';
import type { UserJid } from '../model/jid.ts';
import type { Portal } from '../model/portal.ts';
import { preferredAddress } from './contacts.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { renewDevices } from './device-lists.ts';
import { type Chat, peerOf, putDevices, reach, withDevices } from './device-sessions.ts';
import { addressees, primaryDevice, stale } from './devices.ts';
import { chatWith } from './receipts.ts';

/** Returns the portal in which there may be something to say. */
export async function followDevices(
  context: BridgeContext,
  account: ActiveAccount,
  from: UserJid,
  client: InteropClient | undefined,
): Promise<Portal | undefined> {
  const rows = await chatWith(context, account, from);
  const known = rows && (await context.store.trust.devices(account.id, rows.contact.id));
  // Devices that were never looked at will be, at the first sending.
  if (rows === undefined || known === undefined) return undefined;
  await withDevices(context, rows, (_, list) => context.store.commit([putDevices(rows, stale(list))]));
  const address = preferredAddress(rows.contact);
  if (client === undefined || address === undefined) return undefined;
  try {
    await meet(context, { ...rows, account, address, client });
  } catch (error) {
    // Done before the next sending.
    if (!(error instanceof BridgeError)) throw error;
    context.logger.warn({ portal: rows.portal.id, code: error.code }, 'could not look at the devices of a contact yet');
  }
  return rows.portal;
}

async function meet(context: BridgeContext, chat: Chat): Promise<void> {
  // Whatever answer is under way was given before the change.
  await renewDevices(context, chat);
  await withDevices(context, chat, async (unit, list) => {
    const primary = await unit.trust(peerOf(chat, primaryDevice));
    // Whom the primary vouches for is asked when the user has decided which key is its own.
    if (primary?.state === 'changed') return;
    const reached = await reach(context, chat, unit, list, addressees(list, primary));
    await context.store.commit([...unit.changes(), ...reached.changes]);
  });
}
