// Matrix to WhatsApp, second half: the oldest outbox row of a portal is encrypted for the contact's devices, stored as a finished stanza, sent.
import { BridgeError } from '../model/errors.ts';
import type { PortalId } from '../model/ids.ts';
import type { InteropClient } from '../model/interop.ts';
import type { OutboxRow } from '../model/journal.ts';
import type { SignalCiphertext, SignalWork } from '../model/signal.ts';
import { passed } from '../observability/fail-points.ts';
import { stanzaKind } from '../translate/references.ts';
import { parseMessage } from '../translate/to-matrix.ts';
import { preferredAddress } from './contacts.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { type Chat, peerOf, putDevices, reach, refreshDevices, withDevices } from './device-sessions.ts';
import { addressees, afterRefusal, primaryDevice } from './devices.ts';
import { heldNoLonger, heldOutgoing } from './held-messages.ts';
import { contactName, networkNames } from './labels.ts';
import { holdOutgoing } from './limits/outgoing.ts';
import { afterSending, afterStaleList, withoutDevice } from './outbox-steps.ts';
import { parkRow } from './parked-rows.ts';
import { blockedText, blockerOf } from './policy/blocks.ts';
import type { Step } from './workers.ts';

/** Sends one row of this portal. `client` finds the account's live connection. */
export async function sendNext(
  context: BridgeContext,
  portalId: PortalId,
  client: (account: ActiveAccount) => InteropClient | undefined,
  wakeFiles: (portal: PortalId) => void,
): Promise<Step> {
  const row = await context.store.outbox.next(portalId);
  if (row === undefined) return 'idle';
  if (row.state.at === 'transfer') {
    wakeFiles(portalId);
    return 'idle';
  }
  const chat = await openChat(context, portalId, client);
  // No connection: the worker is woken when there is one.
  if (chat === undefined) return 'idle';
  try {
    switch (row.state.at) {
      case 'ready': {
        if (await parkBlocked(context, chat, row)) return 'again';
        if (await isHeld(context, chat)) return heldOutgoing(context, chat, row);
        await heldNoLonger(context, chat.portal, 'outbox');
        // What is encrypted again for a device that has asked is no new message.
        const limited = row.retries === 0 ? await holdOutgoing(context, 'messages', { ...chat, row }) : undefined;
        if (limited !== undefined) return { waitMs: limited.waitMs };
        const encrypted = await encryptRow(context, chat, row);
        if (typeof encrypted !== 'object') return encrypted;
        return await sendRow(context, chat, row, encrypted.stanza);
      }
      case 'encrypted':
        return await sendRow(context, chat, row, row.state.stanza);
      default:
        return 'idle';
    }
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    if (error.code === 'interop.offline') return 'idle';
    if (error.code === 'signal.untrusted') return 'idle';
    if (error.retry === 'later' || error.code.startsWith('store.')) throw error;
    await parkRow(
      context,
      chat.portal,
      row,
      error.code,
      error.userText ?? 'This message could not be sent. Trying again may help.',
    );
    return 'again';
  }
}

async function parkBlocked(context: BridgeContext, chat: Chat, row: OutboxRow): Promise<boolean> {
  const blocker = await blockerOf(context, chat.account.id, chat.contact);
  if (blocker !== undefined) await parkRow(context, chat.portal, row, 'blocked', blockedText(blocker));
  return blocker !== undefined;
}

async function openChat(
  context: BridgeContext,
  portalId: PortalId,
  client: (account: ActiveAccount) => InteropClient | undefined,
): Promise<Chat | undefined> {
  const portal = await context.store.portals.get(portalId);
  if (portal === undefined) return undefined;
  const account = await context.store.accounts.get(portal.account);
  const contact = await context.store.contacts.get(portal.contact);
  if (!isActive(account) || contact === undefined) return undefined;
  const connection = client(account);
  const address = preferredAddress(contact);
  if (connection === undefined || !connection.connected || address === undefined) return undefined;
  return { account, portal, contact, address, client: connection };
}

/** True while an identity key of this contact, the user's own identity, or somebody else in the room waits for a decision. */
export async function isHeld(
  context: BridgeContext,
  chat: Pick<Chat, 'account' | 'contact' | 'portal'>,
): Promise<boolean> {
  const user = await context.store.trust.ofUser(chat.account.user);
  if (user?.state === 'changed' || (await context.store.visitors.hold(chat.portal.id))) return true;
  const devices = await context.store.trust.ofContact(chat.account.id, chat.contact.id);
  return [...devices.values()].some((trust) => trust.state === 'changed');
}

/** The stanza that is stored, or what is to be done instead of sending it. */
type Encrypted = { readonly stanza: Uint8Array } | 'again' | 'idle';

/** Encrypts for every device of the contact that can be reached, or again for the one that has asked for it. */
async function encryptRow(context: BridgeContext, chat: Chat, found: OutboxRow): Promise<Encrypted> {
  await refreshDevices(context, chat);
  return withDevices(context, chat, async (unit, list): Promise<Encrypted> => {
    const now = await context.store.outbox.progress(found.id);
    if (now?.at !== 'ready' || (await isHeld(context, chat))) return 'again';
    const row = { ...found, ...now };
    const { payload } = row;
    if (payload === undefined) {
      const text = 'This message waited too long and is not kept any more. Send it again.';
      await parkRow(context, chat.portal, row, 'outbox.payload-gone', text);
      return 'again';
    }
    const [asking] = row.retryFor;
    const wanted = asking === undefined ? addressees(list, await unit.trust(peerOf(chat, primaryDevice))) : [asking];
    const reached = await reach(context, chat, unit, list, wanted);
    if (reached.outcome === 'identity-changed') {
      await context.store.commit([...unit.changes(), ...reached.changes]);
      // Held from now on.
      return 'again';
    }
    const recipients = await encryptFor(context, chat, unit, reached.devices, payload);
    if (recipients.length === 0) {
      await context.store.commit([...unit.changes(), ...reached.changes]);
      return unreachable(context, chat, row, reached.cause);
    }
    const stanza = context.network.encodeMessage(chat.account.network, {
      id: row.messageId,
      to: chat.address,
      recipients,
      kind: stanzaKind(parseMessage(payload)),
      ...(asking === undefined ? {} : { retryCount: row.retries }),
    });
    passed('M8-message-encrypted');
    const waitingFor = asking === undefined ? recipients.map(({ device }) => device) : row.waitingFor;
    const retryFor = row.retryFor.slice(1);
    await context.store.commit([
      ...unit.changes(),
      ...reached.changes,
      { change: 'outbox.state', id: row.id, state: { at: 'encrypted', stanza }, waitingFor, retryFor },
    ]);
    passed('M9-stanza-committed');
    return { stanza };
  });
}

type Recipients = readonly { readonly device: number; readonly ciphertext: SignalCiphertext }[];

/** A session that turns out to be broken is dropped, and everything tried again: the next try starts another one. */
async function encryptFor(
  context: BridgeContext,
  chat: Chat,
  unit: SignalWork,
  devices: readonly number[],
  payload: Uint8Array,
): Promise<Recipients> {
  const recipients: { device: number; ciphertext: SignalCiphertext }[] = [];
  for (const device of devices) {
    const peer = peerOf(chat, device);
    try {
      recipients.push({ device, ciphertext: await unit.encrypt(peer, payload) });
    } catch (error) {
      if (error instanceof BridgeError && error.code === 'signal.no-session') {
        await unit.forget(peer);
        await context.store.commit(unit.changes());
      }
      throw error;
    }
  }
  return recipients;
}

/** Nobody wanted can be reached: tried again later where that may help; otherwise nothing waits for them any longer. */
async function unreachable(
  context: BridgeContext,
  chat: Chat,
  row: OutboxRow,
  cause: BridgeError | undefined,
): Promise<'again'> {
  if (cause?.retry === 'later') throw cause;
  const [asking] = row.retryFor;
  if (asking !== undefined && (row.confirmed || row.waitingFor.some((device) => device !== asking))) {
    await context.store.commit([withoutDevice(row, asking)]);
    return 'again';
  }
  const text =
    cause?.userText ??
    `No device of ${contactName(chat.contact, chat.portal)} can be reached at the moment. Try again later.`;
  await parkRow(context, chat.portal, row, cause?.code ?? 'signal.no-device', text);
  return 'again';
}

async function sendRow(context: BridgeContext, chat: Chat, row: OutboxRow, stanza: Uint8Array): Promise<Step> {
  // Opt-out takes effect before the next packet, and so does a key that changed after this was encrypted.
  if (!isActive(await context.store.accounts.get(chat.account.id))) return 'idle';
  if (await parkBlocked(context, chat, row)) return 'again';
  if (await isHeld(context, chat)) return heldOutgoing(context, chat, row);
  const result = await chat.client.send(stanza, row.messageId);
  passed('M11-stanza-acknowledged');
  return withDevices(context, chat, async (_, list): Promise<Step> => {
    // Receipts may have overtaken the acknowledgement.
    const progress = await context.store.outbox.progress(row.id);
    if (progress?.at !== 'encrypted') return 'again';
    const now = { ...row, ...progress };
    if (result.accepted) {
      context.counters.delivered('to-whatsapp', row.retries > 0 ? 'retried' : 'delivered');
      await context.store.commit([afterSending(now)]);
      passed('M12-sending-recorded');
      if (row.retries === 0) await context.limits.count('messages', { account: chat.account });
      const { event, messageId } = row;
      context.logger.debug({ portal: chat.portal.id, messageId, event }, 'the network has a message');
      return 'again';
    }
    const refusal = afterRefusal(list, result.code, row.messageId);
    if (refusal.next === 'refresh') {
      await context.store.commit([putDevices(chat, refusal.list), afterStaleList(now)]);
    } else {
      await parkRow(
        context,
        chat.portal,
        now,
        `network.${result.code}`,
        `${networkNames[chat.contact.network]} refused this message (code ${result.code}). If that happens again, tell whoever runs this server.`,
      );
    }
    return 'again';
  });
}
