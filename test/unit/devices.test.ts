// Which devices of a contact take part, and what of it is news: the decisions alone.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressees,
  afterRefusal,
  type Claim,
  deviceListMaxAgeMs,
  find,
  firstDevices,
  isDue,
  isProven,
  judge,
  keyText,
  renew,
  stale,
  withStanding,
} from '../../src/bridge/devices.ts';
import type { MessageId } from '../../src/model/ids.ts';
import type { DeviceProof } from '../../src/model/interop.ts';
import type { DeviceList } from '../../src/model/trust.ts';

const key = (): Uint8Array => Uint8Array.of(5, ...randomBytes(32));
const [primaryKey, companionKey, otherKey] = [key(), key(), key()];
const pinned = (of: Uint8Array) => ({ state: 'pinned', key: of }) as const;
const link = { keyIndex: 1, timestamp: 5 };
const proven = { as: 'proven', by: keyText(primaryKey), link } as const;
const listed = (...devices: number[]) => devices.map((device) => ({ device, keyIndex: device || undefined }));
const numbers = ({ devices }: DeviceList): number[] => devices.map(({ device }) => device);

/** The list after the first look at time 10, which named the primary and device 1. */
const known = renew(undefined, listed(0, 1), 10).list;

describe('the list', () => {
  test('is asked for before the first sending, when it is old, when it was marked, and when the clock went back', () => {
    expect(isDue(undefined, 10)).toBe(true);
    expect(isDue(firstDevices(10), 10 + deviceListMaxAgeMs)).toBe(true);
    expect(isDue(known, 10 + deviceListMaxAgeMs - 1)).toBe(false);
    expect(isDue(known, 10 + deviceListMaxAgeMs)).toBe(true);
    expect(isDue(known, 9)).toBe(true);
    expect(isDue(stale(renew(known, listed(0, 1), deviceListMaxAgeMs).list), deviceListMaxAgeMs)).toBe(true);
  });

  test('follows the network, but never without the primary and never beyond bounds', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 }), (named) => {
        const { list } = renew(known, listed(...new Set(named)), 20);
        expect(list.devices.filter(({ device }) => device === 0)).toHaveLength(1);
        expect(list.devices.length).toBeLessThanOrEqual(32);
        for (const device of numbers(list)) expect([0, ...named]).toContain(device);
      }),
    );
  });

  test('tells what has gone, keeps what was proven, and gives the others another try', () => {
    const before = withStanding(
      withStanding(renew(known, listed(0, 1, 2, 3), 20).list, 1, proven, 20),
      2,
      { as: 'unproven' },
      20,
    );
    const { list, removed } = renew(before, listed(0, 1, 2), 30);
    expect(removed.map(({ device }) => device)).toEqual([3]);
    expect(find(list, 1)).toMatchObject({ since: 10, standing: proven });
    expect(find(list, 2)).toMatchObject({ since: 20, standing: { as: 'listed' } });
    expect(renew(list, listed(0), 40).removed.map(({ device }) => device)).toEqual([1, 2]);
  });

  test('leaves out of a message only who could not prove itself', () => {
    const failed = withStanding(known, 1, { as: 'unproven', by: keyText(primaryKey) }, 20);
    expect(addressees(failed, pinned(primaryKey))).toEqual([0]);
    expect(addressees(known, pinned(primaryKey))).toEqual([0, 1]);
    // Another primary may vouch for it.
    expect(addressees(failed, pinned(otherKey))).toEqual([0, 1]);
    expect(addressees(withStanding(known, 1, { as: 'unproven' }, 20), undefined)).toEqual([0]);
  });

  test('a device that turns up by itself is added, and the network asked', () => {
    const list = withStanding(known, 7, proven, 20);
    expect(find(list, 7)).toMatchObject({ since: 20, standing: proven });
    expect(isDue(list, deviceListMaxAgeMs)).toBe(true);
  });
});

describe('the key of a companion', () => {
  const claim = (over: Partial<Claim> = {}): Claim => ({
    device: 1,
    identityKey: companionKey,
    purpose: 'sending',
    pinned: undefined,
    primary: pinned(primaryKey),
    prove: () => ({ outcome: 'proven', primaryKey, link }),
    ...over,
  });
  const refused = (why: (DeviceProof & { outcome: 'unproven' })['why']) => (): DeviceProof => ({
    outcome: 'unproven',
    why,
  });
  const standing = withStanding(known, 1, proven, 15);

  test('needs no proof again while it and the primary stay the same', () => {
    const same = claim({ pinned: pinned(companionKey), prove: undefined });
    expect(judge(standing, same, 20)).toEqual({ verdict: 'known' });
    expect(judge(standing, { ...same, identityKey: otherKey }, 20)).toMatchObject({ verdict: 'unproven' });
    expect(judge(standing, { ...same, primary: pinned(otherKey) }, 20)).toMatchObject({ verdict: 'unproven' });
    expect(judge(known, same, 20)).toMatchObject({ verdict: 'unproven' });
  });

  test('is judged by the pinned primary, not by one that was merely seen', () => {
    const seen = { state: 'changed', key: primaryKey, seen: otherKey } as const;
    const asked: (Uint8Array | undefined)[] = [];
    const prove = (by: Uint8Array | undefined): DeviceProof => {
      asked.push(by);
      return { outcome: 'unproven', why: 'other-primary' };
    };
    expect(judge(known, claim({ primary: seen, prove }), 20)).toEqual({ verdict: 'unproven', why: 'other-primary' });
    expect(asked).toEqual([primaryKey]);
  });

  test('that the primary’s new, unaccepted key vouches for is good enough to be read, not to be written to', () => {
    const primary = { state: 'changed', key: primaryKey, seen: otherKey } as const;
    const prove = (by: Uint8Array | undefined): DeviceProof =>
      by === otherKey
        ? { outcome: 'proven', primaryKey: otherKey, link }
        : { outcome: 'unproven', why: 'other-primary' };
    expect(judge(known, claim({ primary, prove }), 20).verdict).toBe('unproven');
    expect(judge(known, claim({ primary, prove, purpose: 'opening' }), 20)).toMatchObject({ primaryKey: otherKey });
    const list = withStanding(known, 1, { as: 'proven', by: keyText(otherKey) }, 20);
    expect(isProven(find(list, 1), primary, 'opening')).toBe(true);
    expect(isProven(find(list, 1), primary, 'sending')).toBe(false);
    expect(isProven(find(list, 1), pinned(otherKey), 'sending')).toBe(true);
  });

  test('that has been unlinked is not proven by its old proof, whatever older list the network shows', () => {
    const signed = (timestamp: number, ...valid: number[]) => ({ by: keyText(primaryKey), timestamp, valid });
    const unlinked = renew(standing, listed(0), 20, signed(10)).list;
    for (const shown of [undefined, signed(9, 1), signed(10)]) {
      const { list } = renew(unlinked, listed(0, 1), 30, shown);
      expect(list.signed).toEqual(signed(10));
      expect(judge(list, claim(), 30)).toEqual({ verdict: 'unproven', why: 'unlinked' });
    }
    // One that the network goes on naming takes no part either, and nor does one of whose linking nothing is known.
    const named = renew(standing, listed(0, 1), 20, signed(10)).list;
    expect(find(named, 1)?.standing).toEqual({ as: 'listed' });
    expect(judge(named, claim({ pinned: pinned(companionKey) }), 30)).toMatchObject({ why: 'unlinked' });
    const earlier = withStanding(known, 1, { as: 'proven', by: keyText(primaryKey) }, 15);
    expect(find(renew(earlier, listed(0, 1), 20, signed(10, 1)).list, 1)?.standing).toEqual({ as: 'listed' });
  });

  test('that is in the newest list, or was linked since, or by another primary, is judged by its proof', () => {
    const by = keyText(primaryKey);
    const first = renew(standing, listed(0, 1), 20, { by, timestamp: 10, valid: [1] }).list;
    expect(find(first, 1)?.standing).toEqual(proven);
    const since = { keyIndex: 2, timestamp: 11 };
    const prove = (): DeviceProof => ({ outcome: 'proven', primaryKey, link: since });
    expect(judge(first, claim({ device: 2, prove }), 30)).toMatchObject({ verdict: 'new', link: since });
    const byOther = (): DeviceProof => ({ outcome: 'proven', primaryKey: otherKey, link });
    const others = claim({ primary: pinned(otherKey), prove: byOther });
    expect(judge({ ...first, signed: { by, timestamp: 12, valid: [] } }, others, 30).verdict).toBe('new');
    expect(renew(first, listed(0), 40, { by: keyText(otherKey), timestamp: 1, valid: [] }).list.signed?.timestamp).toBe(
      1,
    );
  });

  test('without a valid proof is nobody’s', () => {
    expect(judge(known, claim({ prove: undefined }), 20)).toEqual({ verdict: 'unproven', why: 'no-proof' });
    const why = 'account-signature';
    expect(judge(known, claim({ prove: refused(why) }), 20)).toEqual({ verdict: 'unproven', why });
  });

  test('is news unless it was there at the first look', () => {
    const news = (list: DeviceList, over: Partial<Claim> = {}) => {
      const verdict = judge(list, claim(over), 30);
      return verdict.verdict === 'new' && verdict.news;
    };
    expect(news(known)).toBe(false);
    expect(news(firstDevices(5))).toBe(false);
    expect(news(known, { device: 2 })).toBe(true);
    const later = renew(known, listed(0, 1, 2), 20).list;
    expect(news(later, { device: 2 })).toBe(true);
    expect(news(standing, { identityKey: otherKey, pinned: pinned(companionKey) })).toBe(true);
    // Gone and back again is news, a new word of its primary for the same key is not.
    const back = renew(renew(standing, listed(0), 20).list, listed(0, 1), 25).list;
    expect(news(back, { pinned: pinned(companionKey) })).toBe(true);
    expect(news(standing, { pinned: pinned(companionKey), primary: pinned(otherKey) })).toBe(false);
  });

  test('counts as proven for the primary that vouched, and no other', () => {
    expect(isProven(find(standing, 1), pinned(primaryKey), 'sending')).toBe(true);
    expect(isProven(find(standing, 1), pinned(otherKey), 'sending')).toBe(false);
    expect(isProven(find(standing, 1), undefined, 'sending')).toBe(false);
    expect(isProven(find(standing, 9), pinned(primaryKey), 'sending')).toBe(false);
  });
});

test('a list that the network calls stale is believed once for each message', () => {
  const id = 'M1' as MessageId;
  const first = afterRefusal(known, 479, id);
  if (first.next !== 'refresh') throw new Error('not refreshed');
  expect(isDue(first.list, deviceListMaxAgeMs)).toBe(true);
  const again = renew(first.list, listed(0, 1), 30).list;
  expect(afterRefusal(again, 479, id)).toEqual({ next: 'fail' });
  expect(afterRefusal(again, 479, 'M2' as MessageId).next).toBe('refresh');
  expect(afterRefusal(known, 463, id)).toEqual({ next: 'fail' });
});
