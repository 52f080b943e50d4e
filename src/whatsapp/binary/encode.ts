/** Stanza to bytes. Follows Baileys' choice of form, so that its output and ours are the same bytes. */

import { deflateSync } from 'node:zlib';
import { type Jid, serverOf } from '../../model/jid.ts';
import { StanzaError } from './error.ts';
import { MAX_DEPTH } from './limits.ts';
import type { AttributeValue, Stanza } from './stanza.ts';
import { DOMAIN, FILLER, FLAG_COMPRESSED, HEX_DIGITS, NIBBLES, PACKED_MAX_LENGTH, TAG, tokenBytes } from './tags.ts';

/**
 * Encodes a stanza as the plaintext of a transport frame: a flags byte and the stanza, compressed if asked.
 * Throws StanzaError `unencodable` or `too-deep`.
 */
export function encodeStanza(stanza: Stanza, options: { readonly compress?: boolean } = {}): Uint8Array {
  const writer = new Writer();
  writer.byte(0);
  writeStanza(writer, stanza, 0);
  const frame = writer.finish();
  return options.compress ? Buffer.concat([Uint8Array.of(FLAG_COMPRESSED), deflateSync(frame.subarray(1))]) : frame;
}

class Writer {
  #buffer = Buffer.allocUnsafe(512);
  #length = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  /** Big-endian. */
  integer(value: number, bytes: 2 | 3 | 4): void {
    this.#reserve(bytes);
    this.#length = this.#buffer.writeUIntBE(value, this.#length, bytes);
  }

  bytes(value: ArrayLike<number>): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#buffer.subarray(0, this.#length));
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

function writeStanza(writer: Writer, { tag, attrs, content }: Stanza, depth: number): void {
  if (depth >= MAX_DEPTH) throw new StanzaError('too-deep');
  if (tag === '') throw new StanzaError('unencodable', 'empty tag');
  writeListStart(writer, 1 + 2 * attrs.size + (content === undefined ? 0 : 1));
  writeText(writer, tag);
  for (const [key, value] of attrs) {
    writeText(writer, key);
    writeValue(writer, value);
  }
  if (content === undefined) return;
  if (typeof content === 'string') writeText(writer, content);
  else if (content instanceof Uint8Array) writeBinary(writer, content);
  else {
    writeListStart(writer, content.length);
    for (const child of content) writeStanza(writer, child, depth + 1);
  }
}

function writeListStart(writer: Writer, count: number): void {
  if (count > 0xffff) throw new StanzaError('unencodable', 'list too long');
  if (count === 0) writer.byte(TAG.LIST_EMPTY);
  else if (count <= 0xff) writer.bytes([TAG.LIST_8, count]);
  else {
    writer.byte(TAG.LIST_16);
    writer.integer(count, 2);
  }
}

function writeValue(writer: Writer, value: AttributeValue): void {
  if (typeof value === 'string') writeText(writer, value);
  else writeJid(writer, value);
}

function writeText(writer: Writer, text: string): void {
  const token = tokenBytes(text);
  if (token) writer.bytes(token);
  else if (/^[0-9.-]+$/.test(text) && text.length <= PACKED_MAX_LENGTH)
    writePacked(writer, TAG.NIBBLE_8, NIBBLES, text);
  else if (/^[0-9A-F]+$/.test(text) && text.length <= PACKED_MAX_LENGTH)
    writePacked(writer, TAG.HEX_8, HEX_DIGITS, text);
  else writeBinary(writer, Buffer.from(text, 'utf8'));
}

function writePacked(writer: Writer, tag: number, alphabet: string, text: string): void {
  const odd = text.length % 2;
  writer.bytes([tag, Math.ceil(text.length / 2) | (odd << 7)]);
  for (let i = 0; i < text.length; i += 2) {
    const low = text[i + 1];
    writer.byte((alphabet.indexOf(text.charAt(i)) << 4) | (low === undefined ? FILLER : alphabet.indexOf(low)));
  }
}

function writeBinary(writer: Writer, bytes: Uint8Array): void {
  if (bytes.length < 0x100) writer.bytes([TAG.BINARY_8, bytes.length]);
  else if (bytes.length < 0x100000) {
    writer.byte(TAG.BINARY_20);
    writer.integer(bytes.length, 3);
  } else {
    writer.byte(TAG.BINARY_32);
    writer.integer(bytes.length, 4);
  }
  writer.bytes(bytes);
}

function writeJid(writer: Writer, jid: Jid): void {
  switch (jid.kind) {
    case 'interop':
    case 'messenger':
      writer.byte(jid.kind === 'interop' ? TAG.INTEROP_JID : TAG.FB_JID);
      writeText(writer, jid.user);
      writer.integer(jid.device, 2);
      if (jid.kind === 'interop') writer.integer(jid.integrator, 2);
      writeText(writer, serverOf(jid));
      break;
    case 'phone':
    case 'lid':
      if (jid.device === 0) writeJidPair(writer, jid.user, serverOf(jid));
      else writeDeviceJid(writer, jid);
      break;
    case 'hosted':
    case 'hosted-lid':
      writeDeviceJid(writer, jid);
      break;
    default:
      writeJidPair(writer, jid.kind === 'server' ? '' : jid.user, serverOf(jid));
  }
}

function writeJidPair(writer: Writer, user: string, server: string): void {
  writer.byte(TAG.JID_PAIR);
  if (user === '') writer.byte(TAG.LIST_EMPTY);
  else writeText(writer, user);
  writeText(writer, server);
}

function writeDeviceJid(writer: Writer, jid: Extract<Jid, { kind: keyof typeof DOMAIN }>): void {
  writer.bytes([TAG.AD_JID, DOMAIN[jid.kind], jid.device]);
  writeText(writer, jid.user);
}
