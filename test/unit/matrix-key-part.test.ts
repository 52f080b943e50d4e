// What of a pushed transaction reaches which machine.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pushedKeys, syncedKeys } from '../../src/matrix/crypto/key-part.ts';
import { botActorId, type DeviceId, type UserId } from '../../src/model/ids.ts';

const actor = { id: botActorId, user: '@wa_a:example.org' as UserId, device: 'GHOST' as DeviceId };
const message = { type: 'm.room.encrypted', sender: '@walter:example.org', content: { n: 1 } };
const toOurs = { ...message, to_user_id: actor.user, to_device_id: actor.device };
const masterKey = 'q0JCeHTBEnBWOQtCMAyQl5LQ0FrJ2VhzzcfZ7s5F0dE';

test('of a body as Synapse sends it, a machine is fed what is for its own device, once', () => {
  const counts = { [actor.user]: { [actor.device]: { signed_curve25519: 49 }, [masterKey]: {} } };
  const part = pushedKeys({
    'de.sorunome.msc2409.to_device': [toOurs, { ...toOurs, to_device_id: 'OTHER' }, { ...toOurs, content: 'bad' }],
    'org.matrix.msc3202.device_one_time_key_counts': counts,
    'org.matrix.msc3202.device_one_time_keys_count': counts,
    'org.matrix.msc3202.device_unused_fallback_key_types': { [actor.user]: { [actor.device]: [], [masterKey]: [] } },
    'org.matrix.msc3202.device_lists': { changed: ['@walter:example.org'], left: [] },
  }).of(actor);
  expect(part).toEqual({
    toDevice: [message],
    devicesChanged: ['@walter:example.org'],
    devicesLeft: [],
    keyCounts: new Map([['signed_curve25519', 49]]),
    fallbackKeys: new Set(),
  });
});

test('what was not said is unknown, not zero', () => {
  const catchUp = pushedKeys({ ephemeral: [] }).of(actor);
  expect(catchUp).toMatchObject({ toDevice: [], keyCounts: undefined, fallbackKeys: undefined });
  const others = pushedKeys({ device_one_time_keys_count: { [actor.user]: { OTHER: {} } } }).of(actor);
  expect(others.keyCounts).toBeUndefined();
  const exhausted = pushedKeys({ device_one_time_keys_count: { [actor.user]: { [actor.device]: {} } } }).of(actor);
  expect(exhausted.keyCounts).toEqual(new Map());
});

test('stable names come before older ones', () => {
  const part = pushedKeys({ to_device: [toOurs], 'de.sorunome.msc2409.to_device': [toOurs, toOurs] }).of(actor);
  expect(part.toDevice).toHaveLength(1);
});

test('nothing that a homeserver may send throws', () => {
  const names = fc.constantFrom(
    'to_device',
    'device_lists',
    'device_one_time_keys_count',
    'device_unused_fallback_key_types',
  );
  const property = fc.property(fc.dictionary(names, fc.jsonValue()), (body) => {
    expect(Array.isArray(pushedKeys(body).of(actor).toDevice)).toBe(true);
  });
  fc.assert(property);
  expect(() => syncedKeys({})).toThrow();
});
