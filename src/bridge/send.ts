// Matrix to WhatsApp, second half: the oldest outbox row of a portal is encrypted for the contact's devices, stored as a finished stanza, sent.
import type { Change } from '../model/change.ts';
import { BridgeError } from '../model/errors.ts';
import type { PortalId } from '../model/ids.ts';
import type { InteropClient } from '../model/interop.ts';
import type { OutboxRow } from '../model/journal.ts';
import type { SignalCiphertext, SignalWork } from '../model/signal.ts';
import { passed } from '../observability/fail-points.ts';
import { type Deed, deedOf, stanzaKind } from '../translate/references.ts';
import { parseMessage } from '../translate/to-matrix.ts';
import { preferredAddress } from './contacts.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { refreshDevices } from './device-lists.ts';
import { type Chat, peerOf, putDevices, reach, withDevices } from './device-sessions.ts';
import { addressees, primaryDevice } from './devices.ts';
import { heldNoLonger, heldOutgoing } from './held-messages.ts';
import { holdOutgoing } from './limits/outgoing.ts';
import {
  afterAnswer,
  afterEncryption,
  afterError,
  afterNobodyReached,
  type Parking,
  payloadGone,
  turnOf,
} from './outbox-steps.ts';
import { parkRow } from './parked-rows.ts';
import { blockerOf } from './policy/blocks.ts';
import type { Step } from './workers.ts';

/** How long a message waits for each device of the contact while the network does not give the keys of one, in milliseconds; as long as the connection has lasted, too. */
const patienceMs = 10 * 60 * 1000;

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
    return await advance(context, chat, row);
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    const after = afterError(error);
    if (after.next === 'retry') throw error;
    return after.next === 'wait' ? 'idle' : park(context, chat, row, after);
  }
}

/** Encrypts and sends it, as far as nothing stands in the way. */
async function advance(context: BridgeContext, chat: Chat, row: OutboxRow): Promise<Step> {
  const blocker = await blockerOf(context, chat.account.id, chat.contact);
  const turn = turnOf(row, blocker, blocker === undefined && (await isHeld(context, chat)));
  switch (turn.next) {
    case 'park':
      return park(context, chat, row, turn);
    case 'hold':
      return heldOutgoing(context, chat, row);
    case 'encrypt': {
      await heldNoLonger(context, chat.portal, 'outbox');
      // What is encrypted again for a device that has asked is no new message.
      const limited = row.retries === 0 ? await holdOutgoing(context, 'messages', { ...chat, row }) : undefined;
      if (limited !== undefined) return { waitMs: limited.waitMs };
      const encrypted = await encryptRow(context, chat, row);
      if (encrypted === 'again') return 'again';
      // Opt-out takes effect before the next packet, and so does what is asked anew.
      return isActive(await context.store.accounts.get(chat.account.id)) ? advance(context, chat, encrypted) : 'idle';
    }
    case 'send':
      return sendRow(context, chat, row, turn.stanza);
    case 'leave':
      return 'idle';
  }
}

async function park(context: BridgeContext, chat: Chat, row: OutboxRow, why: Parking): Promise<'again'> {
  await parkRow(context, chat.portal, row, why);
  return 'again';
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

/** Encrypts for every device of the contact that can be reached, or again for the one that has asked for it. Returns the row as it is then. */
async function encryptRow(context: BridgeContext, chat: Chat, found: OutboxRow): Promise<OutboxRow | 'again'> {
  await refreshDevices(context, chat);
  return withDevices(context, chat, async (unit, list): Promise<OutboxRow | 'again'> => {
    const now = await context.store.outbox.progress(found.id);
    if (now?.at !== 'ready' || (await isHeld(context, chat))) return 'again';
    const row = { ...found, ...now };
    const { payload } = row;
    if (payload === undefined) return park(context, chat, row, payloadGone);
    const [asking] = row.retryFor;
    const wanted = asking === undefined ? addressees(list, await unit.trust(peerOf(chat, primaryDevice))) : [asking];
    const hasWaited = context.clock.now() - row.createdAt >= patienceMs;
    const patience = hasWaited && context.listening.isInVain(chat.account.id, row.id) ? 'impatient' : 'patient';
    const reached = await reach(context, chat, unit, list, wanted, patience);
    if (reached.outcome === 'identity-changed') {
      await context.store.commit([...unit.changes(), ...reached.changes]);
      // Held from now on.
      return 'again';
    }
    const recipients = await encryptFor(context, chat, unit, reached.devices, payload);
    if (recipients.length === 0) {
      await context.store.commit([...unit.changes(), ...reached.changes]);
      return nobodyReached(context, chat, row, reached.cause);
    }
    const message = parseMessage(payload);
    const stanza = context.network.encodeMessage(chat.account.network, {
      id: row.messageId,
      to: chat.address,
      recipients,
      kind: stanzaKind(message),
      ...(asking === undefined ? {} : { retryCount: row.retries }),
    });
    passed('M8-message-encrypted');
    const encrypted = afterEncryption(
      row,
      stanza,
      recipients.map(({ device }) => device),
    );
    const deleted = await deletedBy(context, chat, deedOf(message));
    await context.store.commit([...unit.changes(), ...reached.changes, encrypted.change, ...deleted]);
    passed('M9-stanza-committed');
    return encrypted.row;
  });
}

/** What this deletes goes to no device again: until now it may have been on its way itself. */
async function deletedBy(
  { store }: BridgeContext,
  { account, portal }: Chat,
  deed: Deed | undefined,
): Promise<Change[]> {
  if (deed?.kind !== 'deletion') return [];
  const row = await store.outbox.byMessageId(account.id, portal.id, deed.target.messageId);
  return row === undefined ? [] : [{ change: 'outbox.forget', id: row.id }];
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

async function nobodyReached(
  context: BridgeContext,
  chat: Chat,
  row: OutboxRow,
  cause: BridgeError | undefined,
): Promise<'again'> {
  const after = afterNobodyReached(chat, row, cause);
  if (after.next === 'retry') throw after.cause;
  if (after.next === 'park') return park(context, chat, row, after);
  await context.store.commit([after.change]);
  return 'again';
}

async function sendRow(context: BridgeContext, chat: Chat, row: OutboxRow, stanza: Uint8Array): Promise<Step> {
  const answer = await chat.client.send(stanza, row.messageId);
  passed('M11-stanza-acknowledged');
  return withDevices(context, chat, async (_, list): Promise<Step> => {
    // Receipts may have overtaken the acknowledgement.
    const progress = await context.store.outbox.progress(row.id);
    if (progress?.at !== 'encrypted') return 'again';
    const now = { ...row, ...progress };
    const after = afterAnswer(chat, now, answer, list);
    switch (after.next) {
      case 'park':
        return park(context, chat, now, after);
      case 'encrypt-anew':
        await context.store.commit([putDevices(chat, after.list), after.change]);
        return 'again';
      case 'wait-for-receipts':
        // Whoever had asked for it again has an answer only now.
        if (row.retries > 0) context.listening.asked(row.id);
        context.counters.delivered('to-whatsapp', row.retries > 0 ? 'retried' : 'delivered');
        await context.store.commit([after.change]);
        passed('M12-sending-recorded');
        if (row.retries === 0) await context.limits.count('messages', { account: chat.account });
        context.logger.debug(
          { portal: chat.portal.id, messageId: row.messageId, event: row.event },
          'the network has a message',
        );
        return 'again';
    }
  });
}
