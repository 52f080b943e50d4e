// Which addresses count as public, and that a name is looked up once for the check and the connection.
import type { LookupAddress } from 'node:dns';
import { describe, expect, it } from 'vitest';
import { checkedLookup, isPublic, type Resolve } from '../../src/whatsapp/media/public-address.ts';

describe('an address', () => {
  it.each(['8.8.8.8', '157.240.0.60', '2a03:2880:f2ff::1', '2606:4700::1', '::ffff:8.8.8.8'])(
    '%s is public',
    (address) => {
      expect(isPublic(address)).toBe(true);
    },
  );

  it.each([
    ['this machine', ['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '::1', '::', '::ffff:127.0.0.1']],
    ['a private network', ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd12::1', 'fec0::1']],
    ['the link', ['169.254.169.254', 'fe80::1', 'fe80::1%eth0', '::ffff:a9fe:a9fe']],
    ['a provider’s own network', ['100.64.0.1', '100.127.255.255']],
    ['many hosts', ['224.0.0.1', '239.1.1.1', '255.255.255.255', 'ff02::1']],
    ['nobody', ['192.0.2.1', '198.18.0.1', '203.0.113.1', '240.0.0.1', '2001:db8::1', '100::1', '4000::1']],
    ['an IPv4 address in disguise', ['64:ff9b::7f00:1', '2002:7f00:1::', '2001::1', '::7f00:1', '::127.0.0.1']],
    ['none at all', ['', 'localhost', '1.2.3.4.5', '[::1]', 'fe80::1::1']],
  ])('of %s is not public', (_, addresses) => {
    expect(addresses.filter(isPublic)).toEqual([]);
  });
});

describe('looking up a name', () => {
  const answers = (...given: LookupAddress[][]) => {
    const asked: string[] = [];
    const resolve: Resolve = (name, _options, done) => {
      asked.push(name);
      done(null, given[asked.length - 1] ?? []);
    };
    const lookup = checkedLookup(isPublic, resolve);
    const ask = (all: boolean) =>
      new Promise((settle) => {
        lookup('media.example', { all }, (error, address, family) => settle(error ?? { address, family }));
      });
    return { ask, asked };
  };
  const open = { address: '157.240.0.60', family: 4 };
  const hidden = { address: '192.168.0.1', family: 4 };

  it('gives the addresses that were checked, all or the first', async () => {
    const { ask, asked } = answers([open], [open]);
    expect(await ask(true)).toEqual({ address: [open], family: undefined });
    expect(await ask(false)).toEqual(open);
    expect(asked).toHaveLength(2);
  });

  it('is judged anew each time, whatever it was before', async () => {
    const refused = expect.objectContaining({ code: 'media.refused' });
    const { ask, asked } = answers([open], [hidden], [open, hidden], [open]);
    expect([await ask(true), await ask(true), await ask(true)]).toEqual([
      { address: [open], family: undefined },
      refused,
      refused,
    ]);
    expect(asked).toHaveLength(3);
  });

  it('fails where there is nothing', async () => {
    expect(await answers([]).ask(true)).toBeInstanceOf(Error);
  });
});
