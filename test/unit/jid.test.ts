import { describe, expect, it } from 'vitest';
import { errorCode } from '../../src/model/errors.ts';
import {
  formatJid,
  groupJid,
  hostedLidJid,
  interopJid,
  JidError,
  lidJid,
  messengerJid,
  parseJid,
  phoneJid,
  SERVER,
  STATUS_BROADCAST,
  sameUser,
  withDevice,
  withoutDevice,
} from '../../src/model/jid.ts';

describe('JID', () => {
  it.each([
    ['31612345678@s.whatsapp.net', phoneJid('31612345678')],
    ['31612345678:7@s.whatsapp.net', phoneJid('31612345678', 7)],
    ['123:99@hosted.lid', hostedLidJid('123', 99)],
    ['123:255@lid', lidJid('123', 255)],
    ['2-1234567890:0@interop', interopJid(2, '1234567890')],
    ['65535-a-b:300@interop', interopJid(65535, 'a-b', 300)],
    ['1000:3@msgr', messengerJid('1000', 3)],
    ['123-456@g.us', groupJid('123-456')],
    ['status@broadcast', STATUS_BROADCAST],
    ['@s.whatsapp.net', SERVER],
    ['ABC@call', { kind: 'other', user: 'ABC', server: 'call' }],
  ])('reads and writes %s', (text, jid) => {
    expect(parseJid(text)).toEqual(jid);
    expect(formatJid(jid as ReturnType<typeof parseJid>)).toBe(text);
  });

  it.each([
    's.whatsapp.net',
    '@',
    'a@',
    'a b@lid',
    'a@b@lid',
    '1:256@lid',
    '1:07@lid',
    '1:@lid',
    ':1@lid',
    '1:1:1@lid',
    '1:65536@msgr',
    '123:0@interop',
    '65536-1:0@interop',
    '-1:0@interop',
    '1:2@g.us',
    `${'9'.repeat(129)}@lid`,
  ])('refuses %s without repeating it', (text) => {
    const refusal = (): void => void parseJid(text);
    expect(refusal).toThrow(JidError);
    try {
      refusal();
    } catch (error) {
      expect(errorCode(error)).toBe('jid.malformed');
      if (text.length > 2) expect(String(error)).not.toContain(text);
    }
  });

  it('knows devices of one user, and keeps number, hidden id and other services apart', () => {
    expect(sameUser(lidJid('1', 3), lidJid('1'))).toBe(true);
    expect(sameUser(lidJid('1'), phoneJid('1'))).toBe(false);
    expect(sameUser(interopJid(1, '5', 2), interopJid(1, '5', 9))).toBe(true);
    expect(sameUser(interopJid(1, '5'), interopJid(2, '5'))).toBe(false);
    expect(withoutDevice(interopJid(1, '5', 2))).toEqual(interopJid(1, '5'));
    expect(withDevice(lidJid('1'), 255)).toEqual(lidJid('1', 255));
    expect(() => withDevice(lidJid('1'), 256)).toThrow(JidError);
  });
});
