// The port to the network, assembled: which endpoints each network has, and the clients and calls on them.
import type { Network } from '../model/account.ts';
import type { Disclosed } from '../model/budget/recipients.ts';
import type { Clock } from '../model/clock.ts';
import { BridgeError } from '../model/errors.ts';
import type { InteropNetwork } from '../model/interop.ts';
import type { Logger } from '../observability/logger.ts';
import { proveDevice, readSignedDevices } from './adv.ts';
import { Attempts } from './attempts.ts';
import { Client } from './client.ts';
import { createEnlistmentApi } from './enlistment.ts';
import type { MediaHosts } from './media/hosts.ts';
import { NetworkTime } from './network-time.ts';
import { encodeMessage } from './stanzas-message.ts';
import { type ClientTuning, tuningInHaste } from './tuning.ts';

export interface NetworkEndpoints {
  /** `wss://host/ws/chat`, `ws:` for a sandbox, or `tcp://host:port`. */
  readonly chatUrl: string;
  /** 32 bytes; signs the certificates of the network's servers. */
  readonly rootKey: Uint8Array;
  readonly enlistmentUrl: string;
  /** Whether our users send and see read receipts on this network. Default false. */
  readonly readReceipts?: boolean;
  /** Where its files lie. */
  readonly media?: MediaHosts;
}

export interface InteropNetworkOptions {
  readonly endpoints: { readonly [N in Network]?: NetworkEndpoints | undefined };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tuning?: Partial<ClientTuning>;
  readonly disclosed?: Disclosed;
  /** How many connections are being made at once. Default 50. */
  readonly connecting?: number;
}

const defaultConnecting = 50;

/** `client` and `enlistment` throw BridgeError `interop.not-configured` for a network without endpoints. */
export function createInteropNetwork(options: InteropNetworkOptions): InteropNetwork {
  const { clock, logger, disclosed = () => undefined } = options;
  const tuning = { ...tuningInHaste(), ...options.tuning };
  const times = { whatsapp: new NetworkTime(clock), messenger: new NetworkTime(clock) };
  const attempts = new Attempts(options.connecting ?? defaultConnecting);
  const endpointsOf = (network: Network): NetworkEndpoints => {
    const endpoints = options.endpoints[network];
    if (!endpoints) throw new BridgeError('interop.not-configured', `no endpoints are configured for ${network}`);
    return endpoints;
  };
  return {
    client(account, token, events) {
      const { chatUrl, rootKey, readReceipts = false } = endpointsOf(account.network);
      return new Client({
        account,
        enlistment: account.state.enlistment,
        endpoint: new URL(chatUrl),
        rootKey,
        readReceipts,
        token,
        events,
        clock,
        logger: logger.child({ account: account.id, network: account.network }),
        tuning,
        attempts,
        time: times[account.network],
        disclosed,
      });
    },
    encodeMessage: (_, message) => {
      const stanza = encodeMessage(message);
      const content = message.recipients.reduce((sum, { ciphertext }) => sum + ciphertext.bytes.length, 0);
      for (const to of ['network', 'contact'] as const) disclosed(to, stanza.length - content);
      return stanza;
    },
    proveDevice,
    readSignedDevices,
    enlistment: (network) =>
      createEnlistmentApi({
        url: endpointsOf(network).enlistmentUrl.replace(/\/+$/, ''),
        timeoutMs: tuning.enlistmentTimeoutMs,
        time: times[network],
      }),
    now: (network) => times[network].now(),
  };
}
