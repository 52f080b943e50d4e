// The network's side of files, assembled: fetched from its hosts and decrypted, encrypted for it, asked for again.
import { Agent } from 'node:https';
import { getCACertificates } from 'node:tls';
import type { Network } from '../../model/account.ts';
import type { Clock } from '../../model/clock.ts';
import { BridgeError } from '../../model/errors.ts';
import type { NetworkFile, NetworkMedia, NetworkPicture, OpenedFile, TransferOptions } from '../../model/media.ts';
import { corrupt, tooLarge } from '../../model/media-errors.ts';
import type { AttemptTuning } from './attempts.ts';
import { download } from './download.ts';
import type { ExchangeTuning } from './exchange.ts';
import { addressOf, isAllowed, type MediaHosts } from './hosts.ts';
import { checkedLookup, isPublic, type Resolve } from './public-address.ts';
import { readMediaRetry } from './retry.ts';
import { isSealedSize, seal, sealedSize } from './seal.ts';
import { unseal } from './unseal.ts';

export type MediaTuning = ExchangeTuning & AttemptTuning;

const DEFAULT_TUNING: MediaTuning = {
  connectMs: 20_000,
  firstByteMs: 30_000,
  paceBytes: 256 * 1024,
  paceMs: 30_000,
  tries: 5,
  backOffBaseMs: 500,
  backOffCapMs: 10_000,
  longestWaitMs: 30_000,
};
/** A connection that nobody uses is kept so long for the next file, in milliseconds. */
const IDLE_MS = 15_000;

export interface NetworkMediaOptions {
  readonly endpoints: { readonly [N in Network]?: { readonly media?: MediaHosts } | undefined };
  readonly clock: Clock;
  readonly tuning?: Partial<MediaTuning>;
  /** Stands in for the system's resolver. */
  readonly resolve?: Resolve;
}

interface Source {
  readonly hosts: MediaHosts;
  readonly agent: Agent;
}

/** What fetches rejects with BridgeError `interop.not-configured` for a network without media hosts. */
export function createNetworkMedia({ endpoints, clock, tuning, resolve }: NetworkMediaOptions): NetworkMedia {
  const sources = new Map<string, Source>();
  for (const [network, endpoint] of Object.entries(endpoints)) {
    if (endpoint?.media) sources.set(network, { hosts: endpoint.media, agent: agentFor(endpoint.media, resolve) });
  }
  const sourceOf = (network: Network): Source => {
    const source = sources.get(network);
    if (!source) throw new BridgeError('interop.not-configured', `no media hosts are configured for ${network}`);
    return source;
  };
  const allTuning = { ...DEFAULT_TUNING, ...tuning };
  return {
    open: async (network, file, options) => open(sourceOf(network), clock, allTuning, file, options),
    openPicture: async (network, picture, options) =>
      openPicture(sourceOf(network), clock, allTuning, picture, options),
    seal,
    readMediaRetry,
  };
}

function agentFor({ privateAddresses, authority }: MediaHosts, resolve?: Resolve): Agent {
  return new Agent({
    keepAlive: true,
    timeout: IDLE_MS,
    lookup: checkedLookup(privateAddresses ? () => true : isPublic, resolve),
    ...(authority !== undefined && { ca: [...getCACertificates('default'), authority] }),
  });
}

async function open(
  { hosts, agent }: Source,
  clock: Clock,
  tuning: MediaTuning,
  file: NetworkFile,
  { maxBytes, signal }: TransferOptions,
): Promise<OpenedFile> {
  if (file.size > maxBytes) throw tooLarge(file.size, maxBytes);
  const claimed = sealedSize(file.size);
  const { length = claimed, bytes } = await download(addressOf(file, hosts), {
    agent,
    clock,
    tuning,
    signal,
    isAllowed: (address) => isAllowed(address, hosts),
    accept: (bytes, whole) => {
      if (bytes > sealedSize(maxBytes)) throw tooLarge(whole ? bytes : undefined, maxBytes);
      if (whole && !isSealedSize(bytes)) throw corrupt('no encrypted file has this size');
    },
  });
  const size = length === claimed ? file.size : undefined;
  return { size, bytes: unseal(file, size, bytes) };
}

/** Where the network names a whole address it counts, not the path: pictures may lie on a host of their own. */
async function openPicture(
  { hosts, agent }: Source,
  clock: Clock,
  tuning: MediaTuning,
  { url, directPath }: NetworkPicture,
  { maxBytes, signal }: TransferOptions,
): Promise<OpenedFile> {
  const address = addressOf(url === undefined ? { url, directPath } : { url, directPath: undefined }, hosts);
  const { length, bytes } = await download(address, {
    agent,
    clock,
    tuning,
    signal,
    isAllowed: (target) => isAllowed(target, hosts),
    accept: (bytes, whole) => {
      if (bytes > maxBytes) throw tooLarge(whole ? bytes : undefined, maxBytes);
    },
  });
  return { size: length, bytes };
}
