// What becomes of an encrypted event of a chat: what counts as said by the user, and the order of the reasons why it does not.
import { expect, test } from 'vitest';
import { type Evidence, verdictOn } from '../../src/bridge/message-verdict.ts';

const decrypted = {
  outcome: 'decrypted',
  type: 'm.room.message',
  content: { body: 'hello' },
  crossSigned: true,
  masterKey: 'pinned',
  use: { session: 'session', index: 0 },
} as const;
const sound: Evidence = {
  decryption: decrypted,
  pinned: 'pinned',
  devicePolicy: 'cross-signed',
  replayed: false,
  asideMs: undefined,
  asideAtMostMs: 1_000,
};
const missingKey = { outcome: 'missing-key' } as const;

test.each<[string, Partial<Evidence>]>([
  ['a message of a verified session', {}],
  ['the first message, before an identity is pinned', { pinned: undefined }],
  ['one that stood aside until its key came', { asideMs: 5_000 }],
  [
    'one of any session, where the administrator has allowed that',
    { devicePolicy: 'all', decryption: { ...decrypted, crossSigned: false, masterKey: undefined } },
  ],
])('counts: %s', (_, over) => {
  const evidence = { ...sound, ...over };
  expect(verdictOn(evidence)).toEqual({ kind: 'counts', decrypted: evidence.decryption });
});

test.each<[string, Partial<Evidence>, object]>([
  ['a key that may still come', { decryption: { outcome: 'wait', waitMs: 7 } }, { kind: 'wait', waitMs: 7 }],
  ['a key that has not come in time', { decryption: missingKey }, { kind: 'aside' }],
  ['the same, as long as it may stand aside', { decryption: missingKey, asideMs: 999 }, { kind: 'held' }],
  ['the same, after that', { decryption: missingKey, asideMs: 1_000 }, { kind: 'refused', code: 'no-room-key' }],
  ['a failure', { decryption: { outcome: 'failed', code: 'x' } }, { kind: 'refused', code: 'undecryptable' }],
  [
    'another identity, before anything is said of its sessions',
    { decryption: { ...decrypted, masterKey: 'another', crossSigned: false }, replayed: true },
    { kind: 'identity-changed', seen: 'another' },
  ],
  [
    'a session that is not verified',
    { decryption: { ...decrypted, crossSigned: false } },
    { kind: 'refused', code: 'unverified-device' },
  ],
  ['a repetition', { replayed: true }, { kind: 'refused', code: 'replayed' }],
])('does not count: %s', (_, over, expected) => {
  expect(verdictOn({ ...sound, ...over })).toMatchObject(expected);
});
