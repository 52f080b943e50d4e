// Sessions with the devices of a contact: each device's keys are judged, sessions are started.
// Everything here that writes runs while the primary's session is held, so a contact's devices change one step at a time.

import type { Change } from '../model/change.ts';
import type { Contact } from '../model/contact.ts';
import { BridgeError, errorCode } from '../model/errors.ts';
import type { InteropClient } from '../model/interop.ts';
import type { UserJid } from '../model/jid.ts';
import type { Portal } from '../model/portal.ts';
import type { PeerDevice, PreKeyBundle, SignalWork } from '../model/signal.ts';
import type { DeviceList } from '../model/trust.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { addedNotice, identityNotice, unprovenNotice } from './device-notices.ts';
import { find, firstDevices, isProven, judge, keyText, type Purpose, primaryDevice, withStanding } from './devices.ts';
import { contactName } from './labels.ts';

export interface Chat {
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly contact: Contact;
  readonly address: UserJid;
  readonly client: InteropClient;
}

type ChatRows = Pick<Chat, 'portal' | 'contact'>;

export function peerOf({ portal }: Pick<Chat, 'portal'>, device: number): PeerDevice {
  return { account: portal.account, contact: portal.contact, device };
}

export async function devicesOf(context: BridgeContext, { portal }: Pick<Chat, 'portal'>): Promise<DeviceList> {
  const list = await context.store.trust.devices(portal.account, portal.contact);
  return list ?? firstDevices(context.clock.now());
}

export function putDevices({ portal }: Pick<Chat, 'portal'>, list: DeviceList): Change {
  return { change: 'devices.put', account: portal.account, contact: portal.contact, list };
}

/** Runs `work` while no other work touches this contact's sessions, with what is known of its devices. `also`: devices that may be new. */
export async function withDevices<Result>(
  context: BridgeContext,
  chat: Pick<Chat, 'portal'>,
  work: (unit: SignalWork, list: DeviceList) => Promise<Result>,
  also: readonly number[] = [],
): Promise<Result> {
  for (;;) {
    const held = [...(await devicesOf(context, chat)).devices.map(({ device }) => device), ...also];
    const peers = held.map((device) => peerOf(chat, device));
    const done = await context.signal.exclusively(peers, async (unit) => {
      const list = await devicesOf(context, chat);
      // A device that turned up in between is not held yet.
      if (list.devices.some(({ device }) => !held.includes(device))) return undefined;
      return { result: await work(unit, list) };
    });
    if (done !== undefined) return done.result;
  }
}

export type Reach =
  /** The primary's identity has changed: `changes` record and show it, nothing may be sent. */
  | { readonly outcome: 'identity-changed'; readonly changes: readonly Change[] }
  | {
      readonly outcome: 'reached';
      /** Devices with a session and a trusted key. */
      readonly devices: readonly number[];
      /** To be committed together with the unit's own changes. */
      readonly changes: readonly Change[];
      /** Why one of the others could not be reached. */
      readonly cause: BridgeError | undefined;
    };

/**
 * Makes sure of a session with each of these devices that can be reached. One that cannot does not stop the others; where trying again may
 * help, it does, unless another one is reached and whoever waits for it is `impatient`.
 */
export async function reach(
  context: BridgeContext,
  chat: Chat,
  unit: SignalWork,
  before: DeviceList,
  wanted: readonly number[],
  patience: 'patient' | 'impatient' = 'patient',
): Promise<Reach> {
  let list = before;
  let cause: BridgeError | undefined;
  const devices: number[] = [];
  const notices: Change[] = [];
  // The primary first: its key is what proves the others.
  for (const device of [...wanted].sort((a, b) => a - b)) {
    try {
      const reached = await reachDevice(context, chat, unit, list, device);
      if (reached.outcome === 'identity-changed') {
        return {
          outcome: 'identity-changed',
          changes: identityNotice(chat.portal, chat.contact, unit, context.clock.now()),
        };
      }
      list = reached.list;
      notices.push(...reached.notices);
      if (reached.outcome === 'started') devices.push(device);
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      const isLeftOut = patience === 'impatient' && devices.length > 0 && hasTrouble(error);
      if (!isLeftOut && !concernsOneDevice(error)) throw error;
      cause = error;
      context.logger.warn({ portal: chat.portal.id, device, code: errorCode(error) }, 'a device cannot be reached');
    }
  }
  return {
    outcome: 'reached',
    devices,
    changes: [...(list === before ? [] : [putDevices(chat, list)]), ...notices],
    cause,
  };
}

/** The network is asked in vain: it has trouble of its own, or does not know the question. */
export const hasTrouble = (error: unknown): boolean => {
  const code = errorCode(error);
  return code === 'interop.refused' || code === 'interop.timeout';
};

/** The keys of this device are missing, refused or wrong; the other devices' need not be. */
function concernsOneDevice(error: BridgeError): boolean {
  if (error.code === 'interop.refused') return error.retry !== 'later';
  return error.code === 'signal.no-bundle' || isUnusable(error);
}

/** Keys that are none, or that their identity key has not signed. */
export function isUnusable(error: unknown): boolean {
  return error instanceof BridgeError && ['signal.invalid-bundle', 'signal.invalid-key'].includes(error.code);
}

export type Reached =
  | { readonly outcome: 'identity-changed' }
  | { readonly outcome: 'started' | 'unproven'; readonly list: DeviceList; readonly notices: readonly Change[] };

async function reachDevice(
  context: BridgeContext,
  chat: Chat,
  unit: SignalWork,
  list: DeviceList,
  device: number,
): Promise<Reached> {
  const peer = peerOf(chat, device);
  if ((await unit.hasSession(peer)) && (await mayTakePart(chat, unit, list, device, 'sending'))) {
    return { outcome: 'started', list, notices: [] };
  }
  const bundle = await chat.client.fetchBundle(chat.address, device);
  if (bundle === undefined) {
    const userText = `${contactName(chat.contact, chat.portal)} cannot be reached at the moment: the network has no keys for them. Try again later.`;
    throw new BridgeError('signal.no-bundle', 'the network has no pre-key bundle for this device', { userText });
  }
  return startSession(context, chat, unit, list, peer, bundle);
}

/** Whether a device whose key has been pinned may take part: the primary always, a companion while its primary vouches for it. */
export async function mayTakePart(
  chat: Pick<Chat, 'portal'>,
  unit: SignalWork,
  list: DeviceList,
  device: number,
  purpose: Purpose,
): Promise<boolean> {
  if (device === primaryDevice) return true;
  return isProven(find(list, device), await unit.trust(peerOf(chat, primaryDevice)), purpose);
}

/** Starts a session from a bundle: with the primary by its pinned key, with a companion by its proof. */
export async function startSession(
  context: BridgeContext,
  chat: ChatRows,
  unit: SignalWork,
  list: DeviceList,
  peer: PeerDevice,
  bundle: PreKeyBundle,
): Promise<Reached> {
  if (peer.device === primaryDevice) {
    const { outcome } = await unit.start(peer, bundle);
    return outcome === 'started' ? { outcome, list, notices: [] } : { outcome };
  }
  const identityKey = Uint8Array.of(5, ...bundle.identityKey);
  const claimed = { identityKey, proof: bundle.deviceIdentity, purpose: 'sending' } as const;
  const admission = await admit(context, chat, unit, list, peer, claimed);
  const { list: judged, notices } = admission;
  if (!admission.admitted) return { outcome: 'unproven', list: judged, notices };
  await unit.start(peer, bundle);
  return { outcome: 'started', list: judged, notices };
}

export interface Admission {
  readonly admitted: boolean;
  readonly list: DeviceList;
  readonly notices: readonly Change[];
}

/** An identity key (33 bytes) and what came with it. */
export interface Claimed {
  readonly identityKey: Uint8Array;
  readonly proof: Uint8Array | undefined;
  readonly purpose: Purpose;
}

/** Judges the identity key of a companion and pins it if its primary vouches for it. The unit must hold both devices. */
export async function admit(
  context: BridgeContext,
  chat: ChatRows,
  unit: SignalWork,
  list: DeviceList,
  peer: PeerDevice,
  { identityKey, proof, purpose }: Claimed,
): Promise<Admission> {
  const { device } = peer;
  const now = context.clock.now();
  const primary = peerOf(chat, primaryDevice);
  const claim = {
    device,
    identityKey,
    purpose,
    pinned: await unit.trust(peer),
    primary: await unit.trust(primary),
    prove: proof && ((key: Uint8Array | undefined) => context.network.proveDevice(proof, identityKey, key)),
  };
  const verdict = judge(list, claim, now);
  switch (verdict.verdict) {
    case 'known':
      return { admitted: true, list, notices: [] };
    case 'new': {
      if (claim.primary === undefined) await unit.observeIdentity(primary, verdict.primaryKey);
      await unit.vouch(peer, identityKey);
      const standing = { as: 'proven', by: keyText(verdict.primaryKey), link: verdict.link } as const;
      const notices = verdict.news
        ? [addedNotice(chat.portal, chat.contact, find(list, device)?.since ?? now, identityKey, now)]
        : [];
      return { admitted: true, list: withStanding(list, device, standing, now), notices };
    }
    case 'unproven': {
      context.logger.warn({ portal: chat.portal.id, device, why: verdict.why }, 'a device without proof takes no part');
      // The key that was vouched for stays in force beside one that was not.
      const by = claim.primary && { by: keyText(claim.primary.key) };
      const keeps = isProven(find(list, device), claim.primary, 'sending');
      const judged = keeps ? list : withStanding(list, device, { as: 'unproven', ...by }, now);
      return { admitted: false, list: judged, notices: [unprovenNotice(chat.portal, chat.contact, device, now)] };
    }
  }
}
