// WhatsApp to Matrix, first half: a stanza becomes an inbox row, in one commit with the ratchet that decrypted it.
import type { Change, MissingRow, UnansweredMessage } from '../model/change.ts';
import type { Contact } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { PortalId } from '../model/ids.ts';
import type { IncomingMessage, InteropClient } from '../model/interop.ts';
import type { Portal } from '../model/portal.ts';
import type { SignalCiphertext, SignalDecryption, SignalWork } from '../model/signal.ts';
import type { DeviceList } from '../model/trust.ts';
import { passed } from '../observability/fail-points.ts';
import { settledContact } from './contacts.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { identityNotice, unprovenNotice } from './device-notices.ts';
import { admit, mayTakePart, peerOf, putDevices, withDevices } from './device-sessions.ts';
import { primaryDevice } from './devices.ts';
import {
  type AskAgain,
  afterDecryption,
  afterFailure,
  afterNoAnswer,
  answerWaitMs,
  type DecryptionFailure,
  isMissing,
  usedKey,
} from './inbox-steps.ts';
import { admission } from './policy/admission.ts';
import { newPortal, newRequest } from './policy/requests.ts';

/** What is left to do once the row is committed. */
export interface Received {
  /** Undefined where there is no chat because of it. */
  readonly portal?: Portal;
  readonly askAgain?: AskAgain;
}

interface ChatRows {
  readonly portal: Portal;
  readonly contact: Contact;
}

const tries = 3;
/** Messages that are looked at together. */
const unansweredPage = 100;

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
      // Somebody else created the same contact, portal or row in between, or merged two contacts: look again.
      const lostRace = error instanceof BridgeError && /^store\.(conflict|gone)$/.test(error.code);
      if (!lostRace || attempt === tries) throw error;
    }
  }
}

async function store(context: BridgeContext, account: ActiveAccount, message: IncomingMessage): Promise<Received> {
  const addresses = message.alternative === undefined ? [message.from] : [message.from, message.alternative];
  const { contact, changes } = await settledContact(context, account.network, addresses, message.pushName);
  const before = [...changes];
  // A message is known by its id and its sender, whichever device it comes from: whatever refers to it names no device either.
  const chatPortal = await context.store.portals.find(account.id, contact.id);
  const known = chatPortal && (await context.store.inbox.find(chatPortal.id, message.id));
  const missing = known && isMissing(known) ? known : undefined;
  if (chatPortal !== undefined && known !== missing) return { portal: chatPortal };
  switch (await admission(context, account.id, contact, chatPortal)) {
    case 'ignore':
      return {};
    case 'drop':
      if (chatPortal) await context.store.commit([{ change: 'request.dropped', portal: chatPortal.id }]);
      return {};
  }
  const portal = chatPortal ?? newPortal(account, contact, undefined, newRequest(context), before);
  const chat = { portal, contact };
  const open = async (unit: SignalWork, list: DeviceList): Promise<Received> => {
    const { decryption, proven } = await decryptFirst(context, chat, unit, list, message);
    if (decryption.outcome === 'duplicate') {
      // What comes again has its row and was left above.
      return storeFailure(context, chat, message, { code: usedKey, noSession: false }, before);
    }
    if (decryption.outcome === 'unproven') return refuse(context, chat, message, proven, before);
    if (decryption.outcome === 'failed') return storeFailure(context, chat, message, decryption, before);
    const changes: Change[] = [...before, ...unit.changes(), ...proven];
    if (decryption.identityChanged) changes.push(...identityNotice(portal, contact, unit, message.timestamp));
    const body = { kind: 'message', payload: decryption.plaintext } as const;
    changes.push(...afterDecryption(portal, missing, placeOf(portal, message), body));
    passed('W2-message-decrypted');
    await context.store.commit(changes);
    passed('W3-message-committed');
    return { portal };
  };
  return withDevices(context, chat, open, [message.device]);
}

type Opening = SignalDecryption | { readonly outcome: 'unproven' };

interface Opened {
  readonly decryption: Opening;
  /** What is now known of the device that sent it. */
  readonly proven: readonly Change[];
}

/** A stanza may carry several ciphertexts for us; one of them is the message. */
async function decryptFirst(
  context: BridgeContext,
  chat: ChatRows,
  unit: SignalWork,
  list: DeviceList,
  message: IncomingMessage,
): Promise<Opened> {
  let last: Opened = {
    decryption: { outcome: 'failed', code: 'signal.no-ciphertext', noSession: false },
    proven: [],
  };
  for (const ciphertext of message.ciphertexts) {
    last = await decryptFrom(context, chat, unit, list, message, ciphertext);
    if (last.decryption.outcome !== 'failed') return last;
  }
  return last;
}

/** Nothing of a companion is opened before its primary has vouched for the key that it comes with. */
async function decryptFrom(
  context: BridgeContext,
  chat: ChatRows,
  unit: SignalWork,
  list: DeviceList,
  message: IncomingMessage,
  ciphertext: SignalCiphertext,
): Promise<Opened> {
  const peer = peerOf(chat, message.device);
  if (message.device === primaryDevice) return { decryption: await unit.decrypt(peer, ciphertext), proven: [] };
  const identityKey = context.signal.claimedIdentity(ciphertext);
  if (identityKey === undefined) {
    if (await mayTakePart(chat, unit, list, message.device, 'opening')) {
      return { decryption: onlyPinned(await unit.decrypt(peer, ciphertext)), proven: [] };
    }
    // Asked for again, it comes with the sender's keys and proof.
    return { decryption: { outcome: 'failed', code: 'device.unproven', noSession: true }, proven: [] };
  }
  const claimed = { identityKey, proof: message.deviceIdentity, purpose: 'opening' } as const;
  const admission = await admit(context, chat, unit, list, peer, claimed);
  const proven = [...(admission.list === list ? [] : [putDevices(chat, admission.list)]), ...admission.notices];
  if (!admission.admitted) return { decryption: { outcome: 'unproven' }, proven };
  return { decryption: onlyPinned(await unit.decrypt(peer, ciphertext)), proven };
}

/** A companion has the key that its primary vouched for, or it is not the companion. */
function onlyPinned(decryption: SignalDecryption): Opening {
  return decryption.outcome === 'plaintext' && decryption.identityChanged ? { outcome: 'unproven' } : decryption;
}

/** What an unproven device sends is not the contact's: the user is told once, where there is a chat already. */
async function refuse(
  context: BridgeContext,
  { portal, contact }: ChatRows,
  message: IncomingMessage,
  judged: readonly Change[],
  before: readonly Change[],
): Promise<Received> {
  context.counters.delivered('to-matrix', 'unproven-device');
  if (portal.acceptance.at !== 'accepted') return {};
  const notice = unprovenNotice(portal, contact, message.device, message.timestamp);
  await context.store.commit([...before, ...judged, notice]);
  return { portal };
}

async function storeFailure(
  context: BridgeContext,
  chat: ChatRows,
  message: IncomingMessage,
  failure: Omit<DecryptionFailure, 'count'>,
  before: readonly Change[],
): Promise<Received> {
  const { portal } = chat;
  const { store, clock, settings, logger, listening } = context;
  const count = (await store.inbox.decryptFailures(portal.id, message.id, message.device)) + 1;
  const { code } = failure;
  logger.warn({ account: portal.account, portal: portal.id, code, count }, 'a message could not be decrypted');
  const bounds = { now: clock.now(), mostRetries: settings.retries };
  const place = placeOf(portal, message);
  const after = afterFailure(chat, place, { ...failure, count }, bounds);
  if (after.next === 'ask') listening.asked(questionOf(place));
  await store.commit([...before, ...after.changes]);
  if (after.next === 'give-up') {
    context.counters.delivered('to-matrix', 'failed');
    return { portal };
  }
  passed('WU1-failure-counted');
  return after.ask === undefined ? {} : { portal, askAgain: after.ask };
}

/** Where it stands, or would stand. */
export function placeOf(
  portal: Portal,
  { id, device, timestamp }: Pick<IncomingMessage, 'id' | 'device' | 'timestamp'>,
): MissingRow {
  return { account: portal.account, portal: portal.id, messageId: id, device, timestamp };
}

/**
 * Tells users of messages that were asked for again and have not come, although we have listened for long enough. Returns the portals in
 * which something was said.
 */
export async function giveUpUnanswered(context: BridgeContext): Promise<readonly PortalId[]> {
  const { store, clock } = context;
  const before = clock.now() - answerWaitMs;
  const next = (after?: number) => store.inbox.unanswered(before, unansweredPage, after);
  const told = new Set<PortalId>();
  for (let found = await next(); found.length > 0; found = await next(found.at(-1)?.id)) {
    for (const { message } of found) if (await giveUp(context, message)) told.add(message.portal);
  }
  return [...told];
}

/** Whether it is given up now. */
async function giveUp(context: BridgeContext, message: UnansweredMessage): Promise<boolean> {
  const { store, clock, listening } = context;
  const portal = await store.portals.get(message.portal);
  const contact = portal && (await store.contacts.get(portal.contact));
  if (portal === undefined || contact === undefined) return false;
  const { messageId, device } = message;
  const end = async (): Promise<boolean> => {
    if (!listening.isInVain(portal.account, questionOf(message))) return false;
    const known = await store.inbox.find(portal.id, messageId, device);
    const place = { ...message, account: portal.account, timestamp: clock.now() };
    await store.commit([{ change: 'inbox.given-up', message }, ...afterNoAnswer({ portal, contact }, known, place)]);
    return true;
  };
  // While one of theirs is opened and stored, it may be this one.
  return withDevices(context, { portal }, end, [device]);
}

const questionOf = ({ portal, messageId, device }: UnansweredMessage): string => [portal, messageId, device].join(' ');

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
  passed('WU2-asked-again');
  context.counters.retry('asked');
}
