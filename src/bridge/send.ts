// Matrix to WhatsApp, second half: the oldest outbox row of a portal is encrypted for the contact's devices, stored as a finished stanza, sent.
import type { Contact } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { PortalId } from '../model/ids.ts';
import type { InteropClient } from '../model/interop.ts';
import type { UserJid } from '../model/jid.ts';
import type { OutboxRow } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { PeerDevice, SignalCiphertext, SignalWork } from '../model/signal.ts';
import { preferredAddress } from './contacts.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { contactName } from './labels.ts';
import { notSent } from './notices.ts';
import { identityNotice } from './receive.ts';
import type { Step } from './workers.ts';

/**
 * Only the primary device is addressed: a companion device must be proven by its account's signature first, and a device that the
 * server merely names gets nothing.
 */
const primaryDevice = 0;

interface Chat {
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly contact: Contact;
  readonly address: UserJid;
  readonly client: InteropClient;
}

/** Sends one row of this portal. `client` finds the account's live connection. */
export async function sendNext(
  context: BridgeContext,
  portalId: PortalId,
  client: (account: ActiveAccount) => InteropClient | undefined,
): Promise<Step> {
  const row = await context.store.outbox.next(portalId);
  if (row === undefined) return 'idle';
  const chat = await openChat(context, portalId, client);
  // No connection: the worker is woken when there is one.
  if (chat === undefined) return 'idle';
  if (row.state.at === 'ready' && (await isHeld(context, chat))) return 'idle';
  try {
    switch (row.state.at) {
      case 'ready':
        return await encryptRow(context, chat, row);
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
    await fail(context, chat, row, error.code, error.userText ?? 'This message could not be sent.');
    return 'again';
  }
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

/** True while an identity key of this contact, or the user's own identity, waits for a decision. */
async function isHeld(context: BridgeContext, chat: Chat): Promise<boolean> {
  const user = await context.store.trust.ofUser(chat.account.user);
  if (user?.state === 'changed') return true;
  const devices = await context.store.trust.ofContact(chat.account.id, chat.contact.id);
  return [...devices.values()].some((trust) => trust.state === 'changed');
}

async function encryptRow(context: BridgeContext, chat: Chat, row: OutboxRow): Promise<Step> {
  const { payload } = row;
  if (payload === undefined) {
    await fail(
      context,
      chat,
      row,
      'outbox.payload-gone',
      'This message waited too long and is not kept any more. Send it again.',
    );
    return 'again';
  }
  const devices = row.retries > 0 && row.waitingFor.length > 0 ? row.waitingFor : [primaryDevice];
  const peers = devices.map((device): PeerDevice => ({ account: chat.account.id, contact: chat.contact.id, device }));
  return context.signal.exclusively(peers, async (unit): Promise<Step> => {
    const recipients: { device: number; ciphertext: SignalCiphertext }[] = [];
    for (const peer of peers) {
      if (!(await ensureSession(context, chat, unit, peer))) return 'idle';
      recipients.push({ device: peer.device, ciphertext: await unit.encrypt(peer, payload) });
    }
    const stanza = context.network.encodeMessage(chat.account.network, {
      id: row.messageId,
      to: chat.address,
      recipients,
      ...(row.retries > 0 ? { retryCount: row.retries } : {}),
    });
    await context.store.commit([
      ...unit.changes(),
      { change: 'outbox.state', id: row.id, state: { at: 'encrypted', stanza }, waitingFor: devices },
    ]);
    return 'again';
  });
}

/** Returns false where the contact's identity has changed: that is recorded, shown, and holds the chat. */
async function ensureSession(context: BridgeContext, chat: Chat, unit: SignalWork, peer: PeerDevice): Promise<boolean> {
  if (await unit.hasSession(peer)) return true;
  const bundle = await chat.client.fetchBundle(chat.address, peer.device);
  if (bundle === undefined) {
    const userText = `${contactName(chat.contact)} cannot be reached at the moment: the network has no keys for them.`;
    throw new BridgeError('signal.no-bundle', 'the network has no pre-key bundle for this device', { userText });
  }
  const start = await unit.start(peer, bundle);
  if (start.outcome === 'started') return true;
  await context.store.commit([
    ...unit.changes(),
    ...identityNotice(chat.portal, chat.contact, unit, context.clock.now()),
  ]);
  return false;
}

async function sendRow(context: BridgeContext, chat: Chat, row: OutboxRow, stanza: Uint8Array): Promise<Step> {
  // Opt-out takes effect before the next packet, and so does a key that changed after this was encrypted.
  if (!isActive(await context.store.accounts.get(chat.account.id))) return 'idle';
  if (await isHeld(context, chat)) return 'idle';
  const result = await chat.client.send(stanza, row.messageId);
  if (!result.accepted) {
    await fail(context, chat, row, `network.${result.code}`, `WhatsApp refused this message (code ${result.code}).`);
    return 'again';
  }
  const expected = { at: 'encrypted', retries: row.retries } as const;
  try {
    await context.store.commit([{ change: 'outbox.state', id: row.id, state: { at: 'acknowledged' }, expected }]);
  } catch (error) {
    // A retry receipt was faster than the acknowledgement: the row is to be encrypted again.
    if (error instanceof BridgeError && error.code === 'store.conflict') return 'again';
    throw error;
  }
  context.counters.delivered('to-whatsapp', row.retries > 0 ? 'retried' : 'delivered');
  return 'again';
}

/** Sets the row aside and tells the sender, under the message, why. */
async function fail(context: BridgeContext, chat: Chat, row: OutboxRow, code: string, text: string): Promise<void> {
  context.logger.warn({ portal: chat.portal.id, code }, 'a message could not be delivered to the network');
  context.counters.delivered('to-whatsapp', 'failed');
  await context.store.commit([
    { change: 'outbox.state', id: row.id, state: { at: 'failed', code }, erasePayload: true },
    notSent(chat.portal, row.event, context.clock.now(), 'not-delivered', `Not delivered. ${text}`),
  ]);
}
