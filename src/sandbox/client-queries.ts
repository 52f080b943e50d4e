// What ordinary clients ask at login and on the side: settings, lists, the way to the media store. Nothing of it is kept.
import { randomUUID } from 'node:crypto';
import { attribute, children, requireAttribute, requireChild, type Stanza, stanza } from '../whatsapp/binary/index.ts';
import type { Network } from './network.ts';

type Query = (network: Network, iq: Stanza) => readonly Stanza[];

const PRIVACY = new Map([
  ['readreceipts', 'all'],
  ['last', 'all'],
  ['online', 'all'],
  ['profile', 'all'],
  ['status', 'all'],
  ['groupadd', 'all'],
  ['calladd', 'all'],
  ['messages', 'all'],
  ['defense', 'off'],
  ['stickers', 'contacts'],
]);

/** By namespace, type and the tag of the first child. */
export const clientQueries = new Map<string, Query>([
  ['abt get props', () => [stanza('props', { protocol: 1, hash: 'sandbox', ab_key: 'sandbox', refresh: 86_400 })]],
  ['blocklist get ', () => [stanza('list')]],
  ['privacy get privacy', () => [stanza('privacy', {}, [...PRIVACY].map(category))]],
  ['w:g2 get participating', () => [stanza('groups')]],
  ['w:m set media_conn', mediaConnection],
  ['w:sync:app:state set sync', syncAppState],
]);

const category = ([name, value]: readonly [string, string]): Stanza => stanza('category', { name, value });

function mediaConnection({ blobs }: Network): readonly Stanza[] {
  const { auth, seconds } = blobs.permit();
  const attrs = { id: randomUUID(), auth, ttl: seconds, auth_ttl: seconds, max_buckets: 12 };
  return [stanza('media_conn', attrs, [stanza('host', { hostname: blobs.host })])];
}

/** There are no settings to share among devices: every collection is at the version that the client has. */
function syncAppState(_network: Network, iq: Stanza): readonly Stanza[] {
  const collections = children(requireChild(iq, 'sync'), 'collection').map((collection) =>
    stanza('collection', {
      name: requireAttribute(collection, 'name'),
      version: attribute(collection, 'version') ?? 0,
    }),
  );
  return [stanza('sync', {}, collections)];
}
