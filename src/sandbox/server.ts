// Puts the sandbox together: one process on loopback with a chat server, an enlistment API, phones and a control API.
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo, Server as NetServer } from 'node:net';
import express from 'express';
import { type Clock, systemClock } from '../model/clock.ts';
import { BridgeError } from '../model/errors.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { type BlobLimits, BlobStore } from './blob-store.ts';
import { CHAT_PATH, ChatListener } from './chat-listener.ts';
import { companionApi } from './companion-api.ts';
import { Companions } from './companions.ts';
import { Directory, INTEGRATOR } from './directory.ts';
import { enlistmentApi } from './enlistment.ts';
import { Faults } from './faults.ts';
import { answerErrors, HttpError } from './http-error.ts';
import { Linking } from './linking.ts';
import { mediaProvider } from './media-proxy.ts';
import { messageApi } from './message-api.ts';
import type { Network } from './network.ts';
import { networkApi } from './network-api.ts';
import { NetworkConditions } from './network-conditions.ts';
import { phoneApi } from './phone-api.ts';
import { Phones } from './phones.ts';
import { PreKeys } from './pre-keys.ts';
import { Queue } from './queue.ts';
import { SpamReports } from './reports.ts';
import { Router } from './router.ts';
import { ServerIdentities } from './server-identity.ts';
import { signalsApi } from './signals-api.ts';
import { State } from './state.ts';
import { Storage } from './storage.ts';
import { type ProviderSettings, Tokens } from './tokens.ts';
import { troubleApi } from './trouble-api.ts';

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

export interface SandboxLimits extends BlobLimits {
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
  /** `localhost:<port>`, HTTPS. */
  readonly mediaHost: string;
  /** The certificate authority of the media host, PEM. */
  readonly mediaAuthority: string;
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
  mediaBytes: 100 << 20,
  mediaMs: 30 * 86_400_000,
};
const CONTROL_BODY_LIMIT = '256kb';
/** Files in base64; larger ones come by path. */
const FILE_BODY_LIMIT = '48mb';
const FILE_PATHS = ['/sandbox/phones/:number/messages', '/sandbox/phones/:number/picture'];
/** How long clients get to say goodbye when the sandbox closes. */
const FAREWELL_MS = 250;
/** How long a connection of the control API may do nothing. */
const KEEP_ALIVE_MS = 10 * 60_000;

/** Rejects if a port is taken or the data directory cannot be used. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { host = '127.0.0.1', clock = systemClock, logger = createLogger({ level: 'silent' }) } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const state = new State(options.dataDir);
  const faults = new Faults();
  const preKeys = new PreKeys(state);
  const storage = new Storage(options.dataDir);
  const blobs = new BlobStore({ state, directory: storage.blobs, limits, clock, logger });
  blobs.proxy.provider = options.provider && mediaProvider(options.provider);
  const directory = new Directory(state);
  const network: Network = {
    state,
    directory,
    preKeys,
    companions: new Companions(state, preKeys),
    blobs,
    queue: new Queue(state, limits.queue),
    reports: new SpamReports(directory),
    interference: faults,
    clock,
  };
  const router = new Router(network, logger);
  const tokens = new Tokens(clock, options.provider);
  const conditions = new NetworkConditions();
  const identity = new ServerIdentities(state, clock);
  const phones = new Phones(network, router, storage.phoneFiles, logger);
  await phones.startAll();
  const linking = new Linking(network, router);
  router.events.on('active', ({ account }) => phones.of(account)?.welcome((device) => router.isConnected(device)));
  router.events.on('leaving', (device) => {
    const [phone, companion] = [phones.of(device.account), network.companions.get(device)];
    if (phone && companion) linking.unlink(phone, companion);
  });

  const listener = new ChatListener(
    { network, router, linking, tokens, identity, conditions, logger, ...limits },
    limits.connections,
  );
  const app = express().disable('x-powered-by');
  const http = createServer(app);
  // Whoever asks now and then would else ask on a connection that is just being closed.
  http.keepAliveTimeout = KEEP_ALIVE_MS;
  listener.acceptWebSockets(http);
  const tcp = options.tcpPort === undefined ? undefined : listener.acceptTcp();
  const close = async (): Promise<void> => {
    router.endAll('shutdown');
    await Promise.race([listener.idle(), clock.sleep(FAREWELL_MS)]);
    await listener.stop();
    await phones.stopAll();
    await Promise.all([stop(http), stop(blobs.server), stop(blobs.inner), tcp && stop(tcp)]);
    await storage.close();
    faults.close();
    state.close();
  };
  const ports = await Promise.allSettled([
    listen(http, options.port ?? 0, host),
    tcp && listen(tcp, options.tcpPort ?? 0, host),
    listenAsBefore(state, blobs.server, host),
    listen(blobs.inner, 0, '127.0.0.1'),
  ]);
  const failed = ports.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  const [port, tcpPort, mediaPort, innerPort] = ports.map((result) =>
    result.status === 'fulfilled' ? result.value : undefined,
  );
  if (mediaPort === undefined || innerPort === undefined) throw new Error('the media store has no port');

  blobs.listening(mediaPort, innerPort);
  const authority = host.includes(':') ? `[${host}]` : host;
  const url = `http://${authority}:${port}`;
  const info = (): SandboxInfo => ({
    chatUrl: `ws://${authority}:${port}${CHAT_PATH}`,
    ...(tcpPort === undefined ? {} : { tcpUrl: `tcp://${authority}:${tcpPort}` }),
    rootPublicKey: Buffer.from(identity.rootPublicKey).toString('base64'),
    rootPublicKeyHex: Buffer.from(identity.rootPublicKey).toString('hex'),
    enlistmentUrl: `${url}/enlist`,
    mediaHost: blobs.host,
    mediaAuthority: blobs.caPem,
    integrator: INTEGRATOR,
    ...(tokens.settings ? { audience: tokens.settings.audience } : {}),
  });
  const disconnect = (): void => listener.cutAll();
  app.use(enlistmentApi(network, router, tokens));
  const configure = (provider: ProviderSettings): void => {
    tokens.configure(provider);
    blobs.proxy.provider = mediaProvider(provider);
  };
  app.use(FILE_PATHS, express.json({ limit: FILE_BODY_LIMIT }));
  app.use(express.json({ limit: CONTROL_BODY_LIMIT }));
  app.use(networkApi({ network, router, configure, conditions, faults, info, disconnect }));
  app.use(troubleApi({ network, router, faults, identity }));
  app.use(phoneApi(phones, network, linking));
  app.use(messageApi(network, phones));
  app.use(signalsApi(network, router, phones));
  app.use(companionApi({ network, router, linking, phones }));
  app.use(() => {
    throw new HttpError(404, 'not_found', 'there is nothing here');
  });
  app.use(answerErrors(logger));

  return {
    url,
    get info() {
      return info();
    },
    close,
  };
}

async function listen(server: HttpServer | HttpsServer | NetServer, port: number, host: string): Promise<number> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new BridgeError('sandbox.listen', `cannot listen on ${host}:${port} (${code})`, { cause });
  }
  return (server.address() as AddressInfo).port;
}

/** Addresses of media lie in messages, so they should hold after a restart: the port of last time, if it is free. */
async function listenAsBefore(state: State, server: HttpsServer, host: string): Promise<number> {
  const before = Buffer.from(state.setting('media-port', () => Buffer.alloc(2))).readUInt16BE();
  const port = await listen(server, before, host).catch(() => listen(server, 0, host));
  const stored = Buffer.alloc(2);
  stored.writeUInt16BE(port);
  state.run("UPDATE setting SET value = ? WHERE name = 'media-port'", stored);
  return port;
}

async function stop(server: HttpServer | HttpsServer | NetServer): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  if ('closeAllConnections' in server) server.closeAllConnections();
  await closed;
}
