// Devices of a contact: which are known, which may take part, what is news. Decisions only; device-sessions.ts carries them out.

import type { MessageId } from '../model/ids.ts';
import type { DeviceProof, ListedDevice } from '../model/interop.ts';
import type { ContactDevice, DeviceList, DeviceStanding, LinkedDevice, PeerTrust } from '../model/trust.ts';

export const primaryDevice = 0;

/** After this time the network is asked again, in milliseconds. */
export const deviceListMaxAgeMs = 24 * 60 * 60 * 1000;

/** No person has more; a longer list is a mistake or an attack, and is cut. */
const mostDevices = 32;

/** What is known of a contact before the network was asked. */
export function firstDevices(now: number): DeviceList {
  return { checkedAt: 0, since: 0, devices: [{ device: primaryDevice, since: now, standing: { as: 'primary' } }] };
}

export function isDue(list: DeviceList | undefined, now: number): boolean {
  return list === undefined || now - list.checkedAt >= deviceListMaxAgeMs || list.checkedAt > now;
}

/** The list that must be asked for again before the next sending. */
export const stale = (list: DeviceList): DeviceList => ({ ...list, checkedAt: 0 });

/** Whether something is known to be missing in it, or it was never asked for. */
export const isStale = ({ checkedAt }: DeviceList): boolean => checkedAt === 0;

export interface Renewal {
  readonly list: DeviceList;
  /** Devices that had a part in the chat and are no more. */
  readonly removed: readonly ContactDevice[];
}

/**
 * What follows from the network's answer. The primary never goes; devices that could not prove themselves get another try, and so do those
 * that the primary's newest signed list does not have. `signed`: what came with the answer, verified.
 */
export function renew(
  known: DeviceList | undefined,
  listed: readonly ListedDevice[],
  now: number,
  signed?: DeviceList['signed'],
): Renewal {
  const before = known ?? firstDevices(now);
  const newest = isOlder(before, signed) ? before.signed : (signed ?? before.signed);
  const companions = listed.filter(({ device }) => device !== primaryDevice).slice(0, mostDevices - 1);
  const devices = companions.map(({ device, keyIndex }): ContactDevice => {
    const old = find(before, device);
    const keeps = old?.standing.as === 'proven' && isLinked(newest, old.standing.by, old.standing.link);
    const standing: DeviceStanding = keeps ? old.standing : { as: 'listed' };
    return { device, since: old?.since ?? now, standing, ...(keyIndex === undefined ? {} : { keyIndex }) };
  });
  const primary = before.devices.filter(({ device }) => device === primaryDevice);
  const gone = before.devices.filter(
    ({ device }) => device !== primaryDevice && !devices.some((kept) => kept.device === device),
  );
  return {
    list: {
      ...before,
      since: before.since || now,
      checkedAt: now,
      devices: [...primary, ...devices],
      ...(newest === undefined ? {} : { signed: newest }),
    },
    removed: gone,
  };
}

/** Whether the network has shown a list that the primary has replaced since. */
export function isOlder({ signed: known }: DeviceList, shown: DeviceList['signed']): boolean {
  return known !== undefined && shown?.by === known.by && shown.timestamp < known.timestamp;
}

/** Whether a companion that the primary with this key has vouched for is linked still: it is in the signed list, or came after that. */
function isLinked(signed: DeviceList['signed'], by: string, link: LinkedDevice | undefined): boolean {
  if (signed === undefined || signed.by !== by) return true;
  return link !== undefined && (signed.valid.includes(link.keyIndex) || link.timestamp > signed.timestamp);
}

export function find(list: DeviceList, device: number): ContactDevice | undefined {
  return list.devices.find((known) => known.device === device);
}

/** The list with this device standing so; a device that was not in it is added, and the network asked again soon. */
export function withStanding(list: DeviceList, device: number, standing: DeviceStanding, now: number): DeviceList {
  if (find(list, device) === undefined) {
    if (list.devices.length >= mostDevices) return stale(list);
    return stale({ ...list, devices: [...list.devices, { device, since: now, standing }] });
  }
  return { ...list, devices: list.devices.map((known) => (known.device === device ? { ...known, standing } : known)) };
}

/** Devices that a message is meant for: all but those that could not prove themselves to the primary that counts now. */
export function addressees(list: DeviceList, primary: PeerTrust | undefined): number[] {
  const failed = ({ standing }: ContactDevice): boolean =>
    standing.as === 'unproven' && standing.by === (primary && keyText(primary.key));
  return list.devices.filter((device) => !failed(device)).map(({ device }) => device);
}

/** What a key is wanted for: to send to the device, or to open what it has sent. */
export type Purpose = 'sending' | 'opening';

/**
 * The primary's keys that may vouch for a companion. Nothing is sent on the word of a key that was seen but not accepted; what comes on
 * its word is opened, as what the primary itself sends with it is: the user has been warned.
 */
function vouchers(primary: PeerTrust | undefined, purpose: Purpose): readonly Uint8Array[] {
  if (primary === undefined) return [];
  return primary.state === 'changed' && purpose === 'opening' ? [primary.key, primary.seen] : [primary.key];
}

/** Whether the contact's primary has vouched for the device. */
export function isProven(device: ContactDevice | undefined, primary: PeerTrust | undefined, purpose: Purpose): boolean {
  const { standing } = device ?? {};
  if (standing?.as !== 'proven') return false;
  return vouchers(primary, purpose).some((key) => keyText(key) === standing.by);
}

export const keyText = (key: Uint8Array): string => Buffer.from(key).toString('base64');

export interface Claim {
  readonly device: number;
  /** 33 bytes. */
  readonly identityKey: Uint8Array;
  readonly purpose: Purpose;
  /** What is pinned for this device, and for the primary. */
  readonly pinned: PeerTrust | undefined;
  readonly primary: PeerTrust | undefined;
  /** Verifies what came with the key; undefined where nothing came. */
  readonly prove: ((primaryKey: Uint8Array | undefined) => DeviceProof) | undefined;
}

export type Verdict =
  /** The key is the one that the primary has vouched for before. */
  | { readonly verdict: 'known' }
  /** The primary vouches for it now; `news`: the user is told of another device. */
  | {
      readonly verdict: 'new';
      readonly primaryKey: Uint8Array;
      readonly link: LinkedDevice;
      readonly news: boolean;
    }
  | { readonly verdict: 'unproven'; readonly why: string };

/** Judges an identity key that is said to be a companion's. */
export function judge(list: DeviceList, claim: Claim, now: number): Verdict {
  const known = find(list, claim.device);
  const pinnedKey = claim.pinned?.key;
  const sameKey = pinnedKey !== undefined && keyText(pinnedKey) === keyText(claim.identityKey);
  if (sameKey && isProven(known, claim.primary, claim.purpose)) return { verdict: 'known' };
  if (claim.prove === undefined) return { verdict: 'unproven', why: 'no-proof' };
  const { primary, prove } = claim;
  const proofs = primary === undefined ? [prove(undefined)] : vouchers(primary, claim.purpose).map((key) => prove(key));
  const proof = proofs.find(({ outcome }) => outcome === 'proven') ?? proofs[0];
  if (proof?.outcome !== 'proven') return { verdict: 'unproven', why: proof?.why ?? 'no-primary' };
  if (!isLinked(list.signed, keyText(proof.primaryKey), proof.link)) return { verdict: 'unproven', why: 'unlinked' };
  const cameLater = list.since > 0 && (known?.since ?? now) > list.since && known?.standing.as !== 'proven';
  const changed = pinnedKey !== undefined && !sameKey;
  return { verdict: 'new', primaryKey: proof.primaryKey, link: proof.link, news: cameLater || changed };
}

/** What the network's refusal of a sending means: 479 is a list of devices that is not true any more, believed once per message. */
export function afterRefusal(
  list: DeviceList | undefined,
  code: number,
  message: MessageId,
): { readonly next: 'fail' } | { readonly next: 'refresh'; readonly list: DeviceList } {
  if (code !== 479 || list === undefined || list.refusedFor === message) return { next: 'fail' };
  return { next: 'refresh', list: { ...stale(list), refusedFor: message } };
}
