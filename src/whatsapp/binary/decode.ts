/** Bytes to stanza. Accepts every form that the format allows; anything else is a StanzaError. */

import { inflateSync } from 'node:zlib';
import {
  formatJid,
  hostedJid,
  hostedLidJid,
  interopJid,
  type Jid,
  JidError,
  jidFromParts,
  lidJid,
  messengerJid,
  phoneJid,
} from '../../model/jid.ts';
import { StanzaError } from './error.ts';
import { DEFAULT_LIMITS, MAX_DEPTH, type StanzaLimits } from './limits.ts';
import type { AttributeValue, Content, Stanza } from './stanza.ts';
import { DOMAIN, doubleToken, FILLER, FLAG_COMPRESSED, HEX_DIGITS, NIBBLES, singleToken, TAG } from './tags.ts';

/** Decodes the plaintext of one transport frame. Throws StanzaError. */
export function decodeStanza(frame: Uint8Array, limits: StanzaLimits = DEFAULT_LIMITS): Stanza {
  const flags = frame[0];
  if (flags === undefined) throw new StanzaError('truncated');
  const body = frame.subarray(1);
  const bytes = flags & FLAG_COMPRESSED ? inflate(body, limits.maxBytes) : body;
  if (bytes.length > limits.maxBytes) throw new StanzaError('too-large');
  const reader = new Reader(bytes, limits.maxItems);
  try {
    const decoded = reader.stanza(0);
    reader.end();
    return decoded;
  } catch (error) {
    throw error instanceof JidError ? new StanzaError('bad-jid', undefined, error) : error;
  }
}

function inflate(bytes: Uint8Array, maxBytes: number): Uint8Array {
  try {
    return inflateSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    const full = error instanceof RangeError;
    throw new StanzaError(full ? 'too-large' : 'bad-compression', undefined, error);
  }
}

const NO_ATTRIBUTES: ReadonlyMap<string, AttributeValue> = new Map();

class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #itemsLeft: number;

  constructor(bytes: Uint8Array, maxItems: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#itemsLeft = maxItems;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new StanzaError('trailing-data');
  }

  stanza(depth: number): Stanza {
    if (depth >= MAX_DEPTH) throw new StanzaError('too-deep');
    const count = this.#listSize(this.#byte());
    if (count === 0) throw new StanzaError('bad-list');
    const attributes = (count - 1) >> 1;
    this.#itemsLeft -= 1 + attributes;
    if (this.#itemsLeft < 0) throw new StanzaError('too-large');
    const tag = this.#text(this.#byte());
    if (tag === '') throw new StanzaError('bad-list');
    const attrs = this.#attributes(attributes);
    return count % 2 === 0 ? { tag, attrs, content: this.#content(depth) } : { tag, attrs };
  }

  #attributes(count: number): ReadonlyMap<string, AttributeValue> {
    if (count === 0) return NO_ATTRIBUTES;
    const attrs = new Map<string, AttributeValue>();
    for (let i = 0; i < count; i++) {
      const key = this.#text(this.#byte());
      if (attrs.has(key)) throw new StanzaError('duplicate-attribute');
      attrs.set(key, this.#value(this.#byte()));
    }
    return attrs;
  }

  #content(depth: number): Content {
    const tag = this.#byte();
    switch (tag) {
      case TAG.LIST_EMPTY:
      case TAG.LIST_8:
      case TAG.LIST_16: {
        const size = this.#listSize(tag);
        const list: Stanza[] = [];
        for (let i = 0; i < size; i++) list.push(this.stanza(depth + 1));
        return list;
      }
      case TAG.BINARY_8:
      case TAG.BINARY_20:
      case TAG.BINARY_32:
        // A copy: a view would keep the whole frame alive.
        return Uint8Array.from(this.#take(this.#binaryLength(tag)));
      default: {
        const value = this.#value(tag);
        return typeof value === 'string' ? value : formatJid(value);
      }
    }
  }

  #value(tag: number): AttributeValue {
    switch (tag) {
      case TAG.JID_PAIR:
      case TAG.AD_JID:
      case TAG.FB_JID:
      case TAG.INTEROP_JID:
        return this.#jid(tag);
      default:
        return this.#text(tag);
    }
  }

  #text(tag: number): string {
    switch (tag) {
      case TAG.LIST_EMPTY:
        return '';
      case TAG.BINARY_8:
      case TAG.BINARY_20:
      case TAG.BINARY_32:
        return this.#take(this.#binaryLength(tag)).toString('utf8');
      case TAG.NIBBLE_8:
        return this.#packed(NIBBLES);
      case TAG.HEX_8:
        return this.#packed(HEX_DIGITS);
    }
    const isDouble = tag >= TAG.DICTIONARY_0 && tag <= TAG.DICTIONARY_3;
    if (!isDouble && tag > TAG.DICTIONARY_0) throw new StanzaError('bad-tag');
    const token = isDouble ? doubleToken(tag - TAG.DICTIONARY_0, this.#byte()) : singleToken(tag);
    if (token === undefined) throw new StanzaError('bad-token');
    return token;
  }

  #packed(alphabet: string): string {
    const head = this.#byte();
    const odd = head >> 7 === 1;
    const packed = this.#take(head & 0x7f);
    if (odd && packed.length === 0) throw new StanzaError('bad-packed');
    const digit = (value: number): string => {
      const char = alphabet[value];
      if (char === undefined) throw new StanzaError('bad-packed');
      return char;
    };
    let text = '';
    for (const [i, byte] of packed.entries()) {
      text += digit(byte >> 4);
      if (!odd || i < packed.length - 1) text += digit(byte & FILLER);
    }
    return text;
  }

  #jid(tag: typeof TAG.JID_PAIR | typeof TAG.AD_JID | typeof TAG.FB_JID | typeof TAG.INTEROP_JID): Jid {
    switch (tag) {
      case TAG.JID_PAIR: {
        const user = this.#text(this.#byte());
        return jidFromParts(user, this.#text(this.#byte()));
      }
      case TAG.AD_JID: {
        const domain = this.#byte();
        const device = this.#byte();
        const user = this.#text(this.#byte());
        if (domain === DOMAIN.phone) return phoneJid(user, device);
        if (domain === DOMAIN.lid) return lidJid(user, device);
        if (domain === DOMAIN.hosted) return hostedJid(user, device);
        if (domain === DOMAIN['hosted-lid']) return hostedLidJid(user, device);
        throw new StanzaError('bad-jid');
      }
      case TAG.FB_JID: {
        const user = this.#text(this.#byte());
        const device = this.#integer(2);
        if (this.#text(this.#byte()) !== 'msgr') throw new StanzaError('bad-jid');
        return messengerJid(user, device);
      }
      case TAG.INTEROP_JID: {
        const user = this.#text(this.#byte());
        const device = this.#integer(2);
        const integrator = this.#integer(2);
        this.#skipInteropServer();
        return interopJid(integrator, user, device);
      }
    }
  }

  /** Some servers seem to leave the server name out; then the next byte already belongs to what follows. */
  #skipInteropServer(): void {
    const start = this.#at;
    try {
      if (this.#text(this.#byte()) === 'interop') return;
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error;
    }
    this.#at = start;
  }

  #listSize(tag: number): number {
    if (tag === TAG.LIST_EMPTY) return 0;
    if (tag === TAG.LIST_8) return this.#byte();
    if (tag === TAG.LIST_16) return this.#integer(2);
    throw new StanzaError('bad-list');
  }

  #binaryLength(tag: typeof TAG.BINARY_8 | typeof TAG.BINARY_20 | typeof TAG.BINARY_32): number {
    if (tag === TAG.BINARY_8) return this.#byte();
    return tag === TAG.BINARY_20 ? this.#integer(3) & 0xfffff : this.#integer(4);
  }

  #byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new StanzaError('truncated');
    return value;
  }

  #integer(bytes: 2 | 3 | 4): number {
    return this.#take(bytes).readUIntBE(0, bytes);
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new StanzaError('truncated');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
