// The one way in which stanzas of ours become bytes: what the metadata budget does not name is refused before it is encoded.
import { unbudgeted } from '../model/budget/check.ts';
import { namesIn } from '../model/budget/recipients.ts';
import { stanzaFields } from '../model/budget/stanza-fields.ts';
import { encodeStanza, type Stanza } from './binary/index.ts';

interface Node {
  readonly attributes: Set<string>;
  readonly below: Map<string, Node>;
}

const root = read();

function read(): Node {
  const top: Node = { attributes: new Set(), below: new Map() };
  for (const field of stanzaFields.flatMap(({ fields }) => namesIn(fields))) {
    const [path = '', attribute] = field.split('@');
    let node = top;
    for (const tag of path.split('/')) {
      const next = node.below.get(tag) ?? { attributes: new Set(), below: new Map() };
      node.below.set(tag, next);
      node = next;
    }
    if (attribute !== undefined) node.attributes.add(attribute);
  }
  return top;
}

/** Throws BridgeError `privacy.unbudgeted`. */
export function encodeOutgoing(stanza: Stanza): Uint8Array {
  check(stanza, root, '');
  return encodeStanza(stanza);
}

function check({ tag, attrs, content }: Stanza, allowed: Node, above: string): void {
  const node = allowed.below.get(tag);
  const path = `${above}${tag}`;
  if (node === undefined) throw unbudgeted(path);
  for (const name of attrs.keys()) if (!node.attributes.has(name)) throw unbudgeted(`${path}@${name}`);
  if (!Array.isArray(content)) return;
  for (const child of content) check(child, node, `${path}/`);
}
