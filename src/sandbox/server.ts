// Puts the sandbox together: one process on loopback with a chat server, an enlistment API, phones and a control API.
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo, Server as NetServer } from 'node:net';
import express from 'express';
import { type Clock, systemClock } from '../model/clock.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { CHAT_PATH, ChatListener } from './chat-listener.ts';
import { phoneApi } from './control-api.ts';
import { Directory, INTEGRATOR } from './directory.ts';
import { enlistmentApi } from './enlistment.ts';
import { Faults } from './faults.ts';
import { answerErrors, HttpError } from './http-error.ts';
import type { Network } from './network.ts';
import { networkApi } from './network-api.ts';
import { NetworkConditions } from './network-conditions.ts';
import { Phones } from './phones.ts';
import { PreKeys } from './pre-keys.ts';
import { Queue } from './queue.ts';
import { Router } from './router.ts';
import { serverIdentity } from './server-identity.ts';
import { State } from './state.ts';
import { type ProviderSettings, Tokens } from './tokens.ts';

export interface SandboxOptions {
  /** For HTTP and WebSockets; 0 or absent takes a free one. */
  readonly port?: number;
  /** For raw TCP; 0 takes a free one, absent offers none. */
  readonly tcpPort?: number;
  readonly host?: string;
  /** Where the state is kept; absent keeps it in memory. */
  readonly dataDir?: string;
  /** The third-party service whose tokens are accepted. May be set later over the control API. */
  readonly provider?: ProviderSettings;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly limits?: Partial<SandboxLimits>;
}

export interface SandboxLimits {
  /** Chat connections at the same time. */
  readonly connections: number;
  /** Stanzas that wait for one device. */
  readonly queue: number;
  /** A chat connection on which nothing arrives for so many milliseconds is closed. */
  readonly keepAliveMs: number;
  readonly handshakeTimeoutMs: number;
}

/** What clients need to know; also `GET /sandbox/info`. */
export interface SandboxInfo {
  readonly chatUrl: string;
  readonly tcpUrl?: string;
  /** 32 bytes, base64. */
  readonly rootPublicKey: string;
  readonly rootPublicKeyHex: string;
  readonly enlistmentUrl: string;
  readonly integrator: number;
  /** Absent until a provider is configured. */
  readonly audience?: string;
}

export interface Sandbox {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string;
  readonly info: SandboxInfo;
  close(): Promise<void>;
}

const defaultLimits: SandboxLimits = {
  connections: 5_000,
  queue: 10_000,
  keepAliveMs: 90_000,
  handshakeTimeoutMs: 20_000,
};
/** How long clients get to say goodbye when the sandbox closes. */
const FAREWELL_MS = 250;

/** Rejects if a port is taken or the data directory cannot be used. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { host = '127.0.0.1', clock = systemClock, logger = createLogger({ level: 'silent' }) } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const state = new State(options.dataDir);
  const faults = new Faults();
  const network: Network = {
    state,
    directory: new Directory(state),
    preKeys: new PreKeys(state),
    queue: new Queue(state, limits.queue),
    interference: faults,
    clock,
  };
  const router = new Router(network, logger);
  const tokens = new Tokens(clock, options.provider);
  const conditions = new NetworkConditions();
  const identity = serverIdentity(state, clock);
  const phones = new Phones(network, router, logger);
  await phones.startAll();

  const listener = new ChatListener(
    { network, router, tokens, identity, conditions, logger, ...limits },
    limits.connections,
  );
  const app = express().disable('x-powered-by');
  const http = createServer(app);
  listener.acceptWebSockets(http);
  const tcp = options.tcpPort === undefined ? undefined : listener.acceptTcp();
  const [port, tcpPort] = await Promise.all([
    listen(http, options.port ?? 0, host),
    tcp && listen(tcp, options.tcpPort ?? 0, host),
  ]).catch((error: unknown) => {
    state.close();
    throw error;
  });

  const authority = host.includes(':') ? `[${host}]` : host;
  const url = `http://${authority}:${port}`;
  const info = (): SandboxInfo => ({
    chatUrl: `ws://${authority}:${port}${CHAT_PATH}`,
    ...(tcpPort === undefined ? {} : { tcpUrl: `tcp://${authority}:${tcpPort}` }),
    rootPublicKey: Buffer.from(identity.rootPublicKey).toString('base64'),
    rootPublicKeyHex: Buffer.from(identity.rootPublicKey).toString('hex'),
    enlistmentUrl: `${url}/enlist`,
    integrator: INTEGRATOR,
    ...(tokens.settings ? { audience: tokens.settings.audience } : {}),
  });
  const disconnect = (): void => listener.cutAll();
  app.use(enlistmentApi(network, router, tokens));
  app.use(networkApi({ network, router, tokens, conditions, faults, info, disconnect }));
  app.use(phoneApi(phones, network.directory));
  app.use(() => {
    throw new HttpError(404, 'not_found', 'there is nothing here');
  });
  app.use(answerErrors(logger));

  return {
    url,
    get info() {
      return info();
    },
    close: async () => {
      router.endAll('shutdown');
      await Promise.race([listener.idle(), clock.sleep(FAREWELL_MS)]);
      await listener.stop();
      await phones.stopAll();
      await Promise.all([stop(http), tcp && stop(tcp)]);
      faults.close();
      state.close();
    },
  };
}

async function listen(server: HttpServer | NetServer, port: number, host: string): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function stop(server: HttpServer | NetServer): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  if ('closeAllConnections' in server) server.closeAllConnections();
  await closed;
}
