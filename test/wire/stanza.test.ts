import { deflateSync } from 'node:zlib';
import { type BinaryNode, decodeBinaryNode, encodeBinaryNode } from '@whiskeysockets/baileys';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatJid, interopJid, type Jid, lidJid, messengerJid, SERVER } from '../../src/model/jid.ts';
import {
  decodeStanza,
  encodeStanza,
  jidAttribute,
  requireAttribute,
  requireBytes,
  requireChild,
  requireInteger,
  type Stanza,
  StanzaError,
  type StanzaFault,
  stanza,
  textContent,
} from '../../src/whatsapp/binary/index.ts';
import { stanzas } from './stanza-generator.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const asText = (value: string | Jid): string => (typeof value === 'string' ? value : formatJid(value));

/** The same tree for Baileys' encoder. */
function toBaileys({ tag, attrs, content }: Stanza): BinaryNode {
  const node: BinaryNode = { tag, attrs: Object.fromEntries([...attrs].map(([key, value]) => [key, asText(value)])) };
  if (content !== undefined) {
    node.content = typeof content === 'string' || content instanceof Uint8Array ? content : [...content].map(toBaileys);
  }
  return node;
}

type Tree = { tag: string; attrs: [string, string][]; content: string | Tree[] | undefined };

/** What both decoders must agree on. Text content may come back as bytes, so both are compared as hex. */
const contentHex = (content: string | Uint8Array): string => Buffer.from(content).toString('hex');

function treeOfOurs({ tag, attrs, content }: Stanza): Tree {
  const flat = typeof content === 'string' || content instanceof Uint8Array;
  return {
    tag,
    attrs: [...attrs].map(([key, value]) => [key, asText(value)]),
    content: content === undefined ? undefined : flat ? contentHex(content) : content.map(treeOfOurs),
  };
}

function treeOfBaileys({ tag, attrs, content }: BinaryNode): Tree {
  return {
    tag,
    attrs: Object.entries(attrs),
    content:
      content === undefined ? undefined : Array.isArray(content) ? content.map(treeOfBaileys) : contentHex(content),
  };
}

const faultOf = (run: () => unknown): StanzaFault | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof StanzaError) return error.fault;
    throw error;
  }
  return undefined;
};

describe('stanza codec against Baileys', () => {
  it('agrees on 10,000 generated stanzas, both ways', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(stanzas, async (original) => {
        const tree = treeOfOurs(original);
        const ours = encodeStanza(original);
        const theirs = encodeBinaryNode(toBaileys(original));
        expect(Buffer.compare(ours, theirs)).toBe(0);
        expect(treeOfBaileys(await decodeBinaryNode(Buffer.from(ours)))).toEqual(tree);
        expect(treeOfOurs(decodeStanza(theirs))).toEqual(tree);
        expect(treeOfOurs(decodeStanza(encodeStanza(original, { compress: true })))).toEqual(tree);
      }),
      { numRuns: 10_000 },
    );
  });

  it.each([255, 256, 0xfffff, 0x100000])('agrees on content of %d bytes', async (length) => {
    const original = stanza('enc', { v: 2 }, new Uint8Array(length).fill(7));
    const ours = encodeStanza(original);
    expect(Buffer.compare(ours, encodeBinaryNode(toBaileys(original)))).toBe(0);
    expect(requireBytes(decodeStanza(ours), length)[length - 1]).toBe(7);
  });

  it('agrees on 1000 children and 300 attributes', async () => {
    const attrs = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, i]));
    const original = stanza(
      'list',
      attrs,
      Array.from({ length: 1000 }, (_, id) => stanza('item', { id })),
    );
    const ours = encodeStanza(original);
    expect(Buffer.compare(ours, encodeBinaryNode(toBaileys(original)))).toBe(0);
    expect(treeOfOurs(decodeStanza(ours))).toEqual(treeOfOurs(original));
  });

  it('lets Baileys read a frame that we compressed', async () => {
    const original = stanza('iq', { to: SERVER, id: '1' }, [stanza('ping')]);
    const decoded = await decodeBinaryNode(Buffer.from(encodeStanza(original, { compress: true })));
    expect(treeOfBaileys(decoded)).toEqual(treeOfOurs(original));
  });

  it('writes interop and Messenger addresses that Baileys reads', async () => {
    const users = fc.oneof(fc.stringMatching(/^[0-9]{1,20}$/), fc.stringMatching(/^[a-z0-9-]{1,20}$/));
    const word = fc.nat(0xffff);
    await fc.assert(
      fc.asyncProperty(users, word, word, async (user, device, integrator) => {
        const sent = stanza('message', { from: interopJid(integrator, user, device), to: messengerJid(user, device) });
        const bytes = encodeStanza(sent);
        const read = await decodeBinaryNode(Buffer.from(bytes));
        expect(read.attrs).toEqual({ from: `${integrator}-${user}:${device}@interop`, to: `${user}:${device}@msgr` });
        expect(decodeStanza(bytes)).toEqual(sent);
      }),
    );
  });
});

describe('stanza codec on fixed bytes', () => {
  const interop = 'F5 FF 05 12 34 56 78 90 00 00 00 02 FC 07 69 6E 74 65 72 6F 70';

  it.each<[string, Jid, string]>([
    ['third party', interopJid(2, '1234567890'), interop],
    ['Messenger', messengerJid('987654', 259), 'F6 FF 03 98 76 54 01 03 CC'],
    ['hidden id with device', lidJid('987654', 9), 'F7 01 09 FF 03 98 76 54'],
    ['the server', SERVER, 'FA 00 03'],
  ])('%s', (_name, jid, bytes) => {
    const frame = encodeStanza(stanza('iq', { from: jid }));
    expect(Buffer.from(frame)).toEqual(Buffer.from(hex(`00 F8 03 19 06 ${bytes}`)));
    expect(jidAttribute(decodeStanza(frame), 'from')).toEqual(jid);
  });

  it('reads an interop address whose server name was left out, last and in the middle', () => {
    const bare = interop.slice(0, -' FC 07 69 6E 74 65 72 6F 70'.length);
    const last = decodeStanza(hex(`00 F8 03 19 06 ${bare}`));
    expect(last).toEqual(stanza('iq', { from: interopJid(2, '1234567890') }));
    const middle = decodeStanza(hex(`00 F8 05 19 06 ${bare} 08 FF 01 12`));
    expect(middle).toEqual(stanza('iq', { from: interopJid(2, '1234567890'), id: '12' }));
  });

  it('keeps names that every object inherits', () => {
    const names = new Map(['constructor', '__proto__', 'toString', 'hasOwnProperty'].map((name) => [name, name]));
    const original = stanza('constructor', names, [stanza('__proto__')]);
    expect(decodeStanza(encodeStanza(original))).toEqual(original);
  });

  it('does not take text for an address', () => {
    const read = decodeStanza(encodeStanza(stanza('message', { from: '123@lid' })));
    expect(read.attrs.get('from')).toBe('123@lid');
    expect(faultOf(() => jidAttribute(read, 'from'))).toBe('wrong-attribute');
  });

  it('has readers that say what is missing', () => {
    const read = stanza('iq', { id: 'x' }, 'text');
    expect(requireAttribute(read, 'id')).toBe('x');
    expect(textContent(read)).toBe('text');
    expect(faultOf(() => requireAttribute(read, 'to'))).toBe('missing-attribute');
    expect(faultOf(() => requireInteger(read, 'id'))).toBe('wrong-attribute');
    expect(faultOf(() => requireChild(read, 'ping'))).toBe('missing-child');
    expect(faultOf(() => requireBytes(read))).toBe('wrong-content');
    expect(faultOf(() => requireBytes(stanza('key', {}, new Uint8Array(31)), 32))).toBe('wrong-content');
  });
});

describe('malformed stanzas', () => {
  it.each<[string, StanzaFault]>([
    ['', 'truncated'],
    ['00', 'truncated'],
    ['00 00', 'bad-list'],
    ['00 F8 00', 'bad-list'],
    ['00 19', 'bad-list'],
    ['00 F8 01 00', 'bad-list'],
    ['00 F8 01 F0', 'bad-tag'],
    ['00 F8 01 F8', 'bad-tag'],
    ['00 F8 01 19 00', 'trailing-data'],
    ['00 F8 02 19 FE FF FF FF FF', 'truncated'],
    ['00 F8 02 19 FD 0F FF FF', 'truncated'],
    ['00 F8 02 19 FF 01 CC', 'bad-packed'],
    ['00 F8 02 19 FF 80', 'bad-packed'],
    ['00 F8 05 19 06 04 06 04', 'duplicate-attribute'],
    ['00 F8 03 19 06 FA 00 00', 'bad-jid'],
    ['00 F8 03 19 06 F7 05 00 FF 01 12', 'bad-jid'],
    ['00 F8 03 19 06 F7 01 00 00', 'bad-jid'],
    ['02 01 02 03', 'bad-compression'],
  ])('%s: %s', (bytes, fault) => {
    expect(faultOf(() => decodeStanza(hex(bytes)))).toBe(fault);
  });

  it('stops at nesting, however deep', () => {
    const nested = Buffer.concat([Uint8Array.of(0), ...Array.from({ length: 100_000 }, () => hex('F8 02 19 F8 01'))]);
    expect(faultOf(() => decodeStanza(nested))).toBe('too-deep');
    let deep = stanza('a');
    for (let i = 0; i < 40; i++) deep = stanza('a', {}, [deep]);
    expect(faultOf(() => encodeStanza(deep))).toBe('too-deep');
  });

  it('stops at a compressed frame that unpacks to gigabytes', () => {
    const bomb = Buffer.concat([Uint8Array.of(2), deflateSync(Buffer.alloc(256 << 20))]);
    const before = process.memoryUsage.rss();
    expect(faultOf(() => decodeStanza(bomb))).toBe('too-large');
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 << 20);
  });

  it('stops at a small frame that would become millions of objects', () => {
    const leaf = Buffer.concat([hex('F8 02 19 F9 FF FF'), Buffer.alloc(3 * 0xffff, hex('F8 01 19'))]);
    const frame = Buffer.concat([hex('00 F8 02 19 F8 40'), ...Array.from({ length: 64 }, () => leaf)]);
    expect(faultOf(() => decodeStanza(frame))).toBe('too-large');
  });

  it('gives a typed error or a stanza for any bytes and any damage', { timeout: 120_000 }, () => {
    const survives = (bytes: Uint8Array): void => void faultOf(() => decodeStanza(bytes));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), survives), { numRuns: 20_000 });
    const damage = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(stanzas, damage, fc.nat(400), (original, changes, cut) => {
        const frame = encodeStanza(original).slice();
        for (const [at, value] of changes) frame[at % frame.length] = value;
        survives(frame);
        survives(frame.subarray(0, cut));
        survives(Buffer.concat([frame, frame.subarray(0, cut)]));
      }),
      { numRuns: 10_000 },
    );
  });
});
