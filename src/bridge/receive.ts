// WhatsApp to Matrix, first half: a stanza becomes an inbox row, in one commit with the ratchet that decrypted it.
import { createHash } from 'node:crypto';
import type { Contact } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import { newPortalId } from '../model/ids.ts';
import type { IncomingMessage, InteropClient } from '../model/interop.ts';
import type { UserJid } from '../model/jid.ts';
import type { Portal } from '../model/portal.ts';
import type { PeerDevice, SignalDecryption, SignalWork } from '../model/signal.ts';
import type { Change } from '../model/store.ts';
import { resolveContact } from './contacts.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { contactName } from './labels.ts';
import { noticeOnce } from './notices.ts';

/** What is left to do once the row is committed. */
export type Received = { readonly portal: Portal; readonly askAgain?: AskAgain };

export interface AskAgain {
  readonly count: number;
  /** Send fresh keys along, so that the sender can start a new session. */
  readonly withKeys: boolean;
}

const tries = 3;

/**
 * Stores an incoming message. When it resolves, everything is durable and the stanza may be acknowledged; nothing else has happened.
 */
export async function receiveMessage(
  context: BridgeContext,
  account: ActiveAccount,
  message: IncomingMessage,
): Promise<Received> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await store(context, account, message);
    } catch (error) {
      // Somebody else created the same contact, portal or row in between: look again.
      const lostRace = error instanceof BridgeError && error.code === 'store.conflict';
      if (!lostRace || attempt === tries) throw error;
    }
  }
}

async function store(context: BridgeContext, account: ActiveAccount, message: IncomingMessage): Promise<Received> {
  const addresses = message.alternative === undefined ? [message.from] : [message.from, message.alternative];
  const { contact, changes: before } = await settledContact(context, account, addresses, message.pushName);
  const portal = await portalFor(context, account, contact, before);
  if (await context.store.inbox.find(portal.id, message.id, message.device)) return { portal };
  const peer: PeerDevice = { account: account.id, contact: contact.id, device: message.device };
  return context.signal.exclusively([peer], async (unit) => {
    const decryption = await decryptFirst(unit, peer, message);
    if (decryption.outcome === 'duplicate') return { portal };
    if (decryption.outcome === 'failed') return storeFailure(context, portal, contact, message, decryption, before);
    const changes: Change[] = [...before, ...unit.changes()];
    if (decryption.identityChanged) changes.push(...identityNotice(portal, contact, unit, message.timestamp));
    changes.push({
      change: 'inbox.add',
      row: {
        account: account.id,
        portal: portal.id,
        messageId: message.id,
        device: message.device,
        timestamp: message.timestamp,
        body: { kind: 'message', payload: decryption.plaintext },
      },
    });
    await context.store.commit(changes);
    return { portal };
  });
}

/**
 * Like `resolveContact`, but contacts that turn out to be one person are merged first, in a commit of their own: the merged one's chat
 * and session are looked up afterwards.
 */
async function settledContact(
  context: BridgeContext,
  account: ActiveAccount,
  addresses: readonly UserJid[],
  pushName: string | undefined,
): Promise<{ readonly contact: Contact; readonly changes: Change[] }> {
  const { store, settings } = context;
  const resolved = await resolveContact(store, settings, account.network, addresses, pushName);
  const merges = resolved.changes.filter(({ change }) => change === 'contact.merge');
  if (merges.length === 0) return { contact: resolved.contact, changes: [...resolved.changes] };
  await store.commit(merges);
  const again = await resolveContact(store, settings, account.network, addresses, pushName);
  return { contact: again.contact, changes: [...again.changes] };
}

/** Returns the portal of this chat; a new one is added to `changes`. */
export async function portalFor(
  context: BridgeContext,
  account: ActiveAccount,
  contact: Contact,
  changes: Change[],
): Promise<Portal> {
  const known = await context.store.portals.find(account.id, contact.id);
  if (known !== undefined) return known;
  const portal: Portal = { id: newPortalId(), account: account.id, contact: contact.id, state: { at: 'wanted' } };
  changes.push({ change: 'portal.create', portal });
  return portal;
}

/** A stanza may carry several ciphertexts for us; one of them is the message. */
async function decryptFirst(unit: SignalWork, peer: PeerDevice, message: IncomingMessage): Promise<SignalDecryption> {
  let last: SignalDecryption = { outcome: 'failed', code: 'signal.no-ciphertext', noSession: false };
  for (const ciphertext of message.ciphertexts) {
    last = await unit.decrypt(peer, ciphertext);
    if (last.outcome !== 'failed') return last;
  }
  return last;
}

async function storeFailure(
  context: BridgeContext,
  portal: Portal,
  contact: Contact,
  message: IncomingMessage,
  failure: { readonly code: string; readonly noSession: boolean },
  before: readonly Change[],
): Promise<Received> {
  const { id, device } = message;
  const count = (await context.store.inbox.decryptFailures(portal.id, id, device)) + 1;
  context.logger.warn(
    { account: portal.account, portal: portal.id, code: failure.code, count },
    'a message could not be decrypted',
  );
  const counted: Change = { change: 'inbox.decrypt-failed', portal: portal.id, messageId: id, device, count };
  if (count <= context.settings.retries) {
    await context.store.commit([...before, counted]);
    return { portal, askAgain: { count, withKeys: failure.noSession || count > 1 } };
  }
  const notice = noticeOnce(portal, `undecryptable:${id}`, message.timestamp, {
    code: 'undecryptable',
    text: `A message from ${contactName(contact)} could not be decrypted, and asking for it again did not help. Ask them to send it once more.`,
  });
  await context.store.commit([...before, counted, notice]);
  return { portal };
}

/** Asks the sender for a message again. Best effort: the network delivers it again anyway until it was decrypted. */
export async function askAgain(
  context: BridgeContext,
  account: ActiveAccount,
  client: InteropClient,
  message: IncomingMessage,
  request: AskAgain,
): Promise<void> {
  const identity = await context.store.signal.identity(account.id);
  if (identity === undefined) return;
  let keys: Awaited<ReturnType<typeof context.signal.createPreKeys>>['keys'] | undefined;
  if (request.withKeys) {
    const made = await context.signal.createPreKeys(account.id, 1);
    await context.store.commit(made.changes);
    keys = made.keys;
  }
  await client.sendRetryReceipt({
    id: message.id,
    to: message.from,
    device: message.device,
    timestamp: message.timestamp,
    count: request.count,
    registrationId: identity.registrationId,
    keys,
  });
  context.counters.retry('asked');
}

/** The notice about a changed identity key, once per new key. */
export function identityNotice(portal: Portal, contact: Contact, unit: SignalWork, timestamp: number): Change[] {
  const seen = unit
    .changes()
    .flatMap((change) =>
      change.change === 'peer.trust' && change.trust.state === 'changed' ? [change.trust.seen] : [],
    );
  const name = contactName(contact);
  return seen.map((key) =>
    noticeOnce(portal, `identity-changed:${createHash('sha256').update(key).digest('hex')}`, timestamp, {
      code: 'identity-changed',
      text: [
        `The security key of ${name} has changed. That happens when they reinstall the app or change phones; it would also happen if somebody else took their place.`,
        `Your messages are held back until you decide. To accept the new key and send what is waiting, reply "accept" to this notice. To stay with the earlier key, reply "keep".`,
      ].join('\n\n'),
    }),
  );
}
