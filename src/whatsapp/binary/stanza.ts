/** The stanza: WhatsApp's XML-like unit of conversation, how one is built, and typed readers for received ones. */

import { formatJid, type Jid } from '../../model/jid.ts';
import { StanzaError } from './error.ts';

export type AttributeValue = string | Jid;
export type Content = Uint8Array | string | readonly Stanza[];

/**
 * On the wire free text is indistinguishable from bytes, so text content may be read back as bytes: read it with
 * {@link textContent}. Attributes are a Map because any text may be a key, `__proto__` too.
 */
export interface Stanza {
  readonly tag: string;
  readonly attrs: ReadonlyMap<string, AttributeValue>;
  readonly content?: Content;
}

/** Numbers become decimal text, booleans `true` and `false`; undefined is left out. */
export type AttributeInput = AttributeValue | number | boolean | undefined;
export type AttributesInput = Readonly<Record<string, AttributeInput>> | ReadonlyMap<string, AttributeInput>;

/** Builds a stanza: `stanza('iq', { to: SERVER, id, type: 'get', xmlns: 'w:p' }, [stanza('ping')])`. */
export function stanza(tag: string, attrs: AttributesInput = {}, content?: Content): Stanza {
  const entries = attrs instanceof Map ? attrs.entries() : Object.entries(attrs);
  const written = new Map<string, AttributeValue>();
  for (const [key, value] of entries) {
    if (value === undefined) continue;
    written.set(key, typeof value === 'number' || typeof value === 'boolean' ? String(value) : value);
  }
  return content === undefined ? { tag, attrs: written } : { tag, attrs: written, content };
}

/** The attribute as text; a JID in its text form. */
export function attribute({ attrs }: Stanza, name: string): string | undefined {
  const value = attrs.get(name);
  return value === undefined || typeof value === 'string' ? value : formatJid(value);
}

export function requireAttribute(from: Stanza, name: string): string {
  return required(attribute(from, name), 'missing-attribute', name);
}

/** Undefined if absent. Throws StanzaError if it is plain text: an address counts only if it was a JID on the wire. */
export function jidAttribute({ attrs }: Stanza, name: string): Jid | undefined {
  const value = attrs.get(name);
  if (typeof value === 'string') throw new StanzaError('wrong-attribute', name);
  return value;
}

export function requireJid(from: Stanza, name: string): Jid {
  return required(jidAttribute(from, name), 'missing-attribute', name);
}

/** A non-negative decimal integer; undefined if absent. Throws StanzaError for any other text. */
export function integerAttribute(from: Stanza, name: string): number | undefined {
  const text = attribute(from, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw new StanzaError('wrong-attribute', name);
  return value;
}

export function requireInteger(from: Stanza, name: string): number {
  return required(integerAttribute(from, name), 'missing-attribute', name);
}

/** The child stanzas, all or those with a tag; none if the content is something else. */
export function children({ content }: Stanza, tag?: string): readonly Stanza[] {
  if (content === undefined || typeof content === 'string' || content instanceof Uint8Array) return [];
  return tag === undefined ? content : content.filter((child) => child.tag === tag);
}

/** The first child with the tag. */
export function child(of: Stanza, tag: string): Stanza | undefined {
  return children(of).find((candidate) => candidate.tag === tag);
}

export function requireChild(of: Stanza, tag: string): Stanza {
  return required(child(of, tag), 'missing-child', tag);
}

/** The content as bytes; undefined if there is none. Throws StanzaError if it is stanzas or a text token. */
export function bytesContent({ tag, content }: Stanza): Uint8Array | undefined {
  if (content === undefined || content instanceof Uint8Array) return content;
  throw new StanzaError('wrong-content', tag);
}

/** The content as bytes, of exactly `length` bytes if that is given. */
export function requireBytes(of: Stanza, length?: number): Uint8Array {
  const bytes = required(bytesContent(of), 'wrong-content', of.tag);
  if (length !== undefined && bytes.length !== length) throw new StanzaError('wrong-content', of.tag);
  return bytes;
}

/** The content as text, decoded from UTF-8 if it came as bytes; undefined if there is none or it is stanzas. */
export function textContent({ content }: Stanza): string | undefined {
  if (content instanceof Uint8Array) return Buffer.from(content).toString('utf8');
  return typeof content === 'string' ? content : undefined;
}

function required<T>(
  value: T | undefined,
  fault: 'missing-attribute' | 'missing-child' | 'wrong-content',
  name: string,
): T {
  if (value === undefined) throw new StanzaError(fault, name);
  return value;
}
