// The composition root: builds every part from the configuration, plugs adapters into ports, starts and stops them in order.
import { adminRouter } from './admin/router.ts';
import { adminToken } from './admin/token.ts';
import { botDevice } from './app/bot-device.ts';
import { closeServer, listenAll } from './app/listeners.ts';
import { everyHour, startBridge } from './app/schedule.ts';
import { bridgeSettings, endpoints, limitSettings } from './app/settings.ts';
import { Bridge } from './bridge/bridge.ts';
import type { BridgeContext } from './bridge/context.ts';
import { eraseOffline } from './bridge/erasures.ts';
import { Limits } from './bridge/limits/limits.ts';
import { Listening } from './bridge/listening.ts';
import { queueAdmin } from './bridge/queue-admin.ts';
import { userDataAdmin } from './bridge/user-data-admin.ts';
import type { Config } from './config/config.ts';
import { loadMasterKey } from './config/master-key.ts';
import { createMatrix } from './matrix/matrix.ts';
import { loadRegistration } from './matrix/registration.ts';
import type { Disclosed } from './model/budget/recipients.ts';
import { type Clock, systemClock } from './model/clock.ts';
import { botActorId, type UserId } from './model/ids.ts';
import type { OptInRegister } from './model/provider.ts';
import type { Store } from './model/store.ts';
import { healthRouter } from './observability/health.ts';
import type { Logger } from './observability/logger.ts';
import { createMetrics } from './observability/metrics.ts';
import { createMediaHost } from './provider/media-host.ts';
import { createProvider } from './provider/provider.ts';
import { openCryptoJournal } from './store/crypto-journal.ts';
import { openStore } from './store/open-store.ts';
import { installationReport } from './store/report.ts';
import { createNetworkMedia } from './whatsapp/media/network-media.ts';
import { createInteropNetwork } from './whatsapp/network.ts';
import { createSignal } from './whatsapp/signal/index.ts';

export { eraseOffline, queueAdmin, userDataAdmin };

export interface AppOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly clock?: Clock;
}

export interface App {
  readonly ready: boolean;
  /** Resolves when the bridge has taken up its work; waits as long as the homeserver is away. */
  readonly whenReady: Promise<void>;
  stop(): Promise<void>;
}

const dayMs = 24 * 60 * 60 * 1000;
const megabyte = 1024 * 1024;

/** Rejects with BridgeError where it cannot start: configuration, keys, database, an address in use. */
export async function startApp({ config, logger, clock = systemClock }: AppOptions): Promise<App> {
  const localUser = (localpart: string) => `@${localpart}:${config.homeserver.server_name}` as UserId;
  const botUser = localUser(config.appservice.bot.localpart);
  const registration = await loadRegistration(config.appservice.registration, {
    bot: botUser,
    ghost: localUser(`${config.appservice.ghost_prefix}${'0'.repeat(32)}`),
  });
  const masterKey = loadMasterKey(config);
  const { sqlite, crypto, postgres } = config.database;
  const onTakenOver = (error: Error): void => {
    logger.error({ err: error }, 'another process has taken the database over; this one ends');
    process.exit(70);
  };
  let bridge: Bridge | undefined;
  const store = await openStore({
    ...(postgres ? { postgres, onTakenOver } : { path: sqlite }),
    masterKey,
    clock,
    onAway: (error) =>
      logger.error(
        { code: error.code, err: error },
        'the database cannot be written; nothing new is taken until it can',
      ),
    onBack: () => {
      logger.info({}, 'the database can be written again');
      bridge?.databaseIsBack();
    },
  });
  const journal = await openCryptoJournal({ ...(postgres ? { postgres, onTakenOver } : { path: crypto }), masterKey });
  const lifetime = new AbortController();

  const disclosed: Disclosed = (to, bytes) => metrics.disclosed(to, bytes);
  const matrix = createMatrix({
    disclosed,
    homeserverUrl: config.homeserver.url,
    registration,
    journal,
    logger,
    maxOpenMachines: config.limits.open_crypto_stores,
    clock,
    events: {
      roomKeys: (rooms) => bridge?.roomKeys(rooms),
      devicesChanged: (users) => bridge?.devicesChanged(users),
    },
    onBack: () => bridge?.homeserverIsBack(),
    // A ratchet that may run ahead of the disk must not run on: what is stored is taken up again at the next start.
    onFatal: (error) => {
      logger.error({ err: error }, 'a crypto store failed; the process ends so that no key is used twice');
      process.exit(70);
    },
  });
  const provider = createProvider({
    publicUrl: config.provider.public_url,
    audience: config.provider.audience,
    algorithm: config.provider.algorithm,
    tokenLifetimeS: config.provider.token_lifetime_s,
    keyRotationDays: config.provider.key_rotation_days,
    jwksPath: config.provider.jwks_path,
    claims: config.provider.claims,
    serverName: config.homeserver.server_name,
    keys: store.signingKeys,
    optIns: optInRegister(store),
    clock,
    logger,
  });
  const mediaHost = await createMediaHost({
    directory: config.media.directory,
    publicUrl: config.provider.public_url,
    quotaBytes: config.media.quota_mb * megabyte,
    keepMs: config.media.keep_days * dayMs,
    files: store.hostedFiles,
    clock,
    logger,
  });
  const metrics = createMetrics({
    processMetrics: true,
    gauges: {
      inboxWaiting: store.counts.inboxWaiting,
      outboxWaiting: store.counts.outboxWaiting,
      parked: store.counts.parked,
      heldChats: store.counts.heldChats,
      ghosts: store.counts.ghosts,
      hostedBytes: store.hostedFiles.total,
      limitedChats: () => limits.heldChats(),
      connections: () => {
        const { connected, wanted } = bridge?.connections ?? { connected: 0, wanted: 0 };
        return { online: connected, offline: wanted - connected };
      },
    },
  });
  const limits = new Limits({ settings: limitSettings(config), store, clock, onWait: metrics.counters.limited });
  const context: BridgeContext = {
    store,
    limits,
    listening: new Listening(clock),
    homeserver: matrix.homeserver,
    crypto: matrix.crypto,
    network: createInteropNetwork({
      disclosed,
      endpoints: endpoints(config),
      clock,
      logger,
      connecting: config.limits.connecting,
    }),
    networkMedia: createNetworkMedia({ endpoints: endpoints(config), clock }),
    matrixMedia: matrix.media,
    mediaHost,
    signal: createSignal({ reads: store.signal, clock }),
    minter: provider.minter,
    clock,
    logger,
    settings: bridgeSettings(config, store.instanceId),
    bot: {
      id: botActorId,
      user: botUser,
      device: await botDevice(store, journal),
    },
    counters: metrics.counters,
  };
  const running = new Bridge(context);
  bridge = running;

  let ready = false;
  const checks = {
    homeserver: () => ready && matrix.reachable,
    database: async () => {
      await journal.flushed();
      return store.writable;
    },
  };
  const warnings = {
    'consent-records': () => !running.recordsDamaged,
    'policy-rooms': () => running.policyRoomsAreRead(),
    'moderation-room': () => running.takesReports,
  };
  const health = healthRouter({
    checks,
    warnings,
    metrics: config.metrics.enabled && !config.metrics.listen ? metrics : undefined,
  });
  const servers = await listenAll(config, logger, {
    appservice: [
      metrics.measureTransactions,
      adminRouter(
        running.queue,
        running.userData,
        () => installationReport(store, running.keyCounts),
        adminToken(masterKey),
      ),
      matrix.router(running.transactions),
    ],
    provider: [provider.router, mediaHost.router],
    health,
    metrics: healthRouter({ checks, warnings, metrics }),
  });
  await provider.rotateIfDue();
  logger.info({ port: config.appservice.listen.port }, 'listening for the homeserver');

  const whenReady = startBridge(running, context, config.appservice.bot.display_name, lifetime.signal).then(() => {
    ready = !lifetime.signal.aborted;
    if (ready) logger.info({}, 'ready');
  });
  // Whoever does not wait for it learns of a failure from the log and from readiness.
  whenReady.catch((error: unknown) => logger.error({ err: error }, 'the bridge could not take up its work'));
  const housekeeping = everyHour(
    {
      'signing keys could not be rotated': provider.rotateIfDue,
      'hosted files could not be swept': () => mediaHost.sweep(),
    },
    clock,
    logger,
    lifetime.signal,
  );

  return {
    get ready() {
      return ready;
    },
    whenReady,
    stop: async () => {
      ready = false;
      lifetime.abort();
      matrix.stopWaiting();
      await Promise.all(servers.map(closeServer));
      await running.stop();
      await housekeeping;
      await matrix.crypto.close();
      await store.close();
      await journal.close();
    },
  };
}

function optInRegister(store: Store): OptInRegister {
  return {
    isOptedIn: async (user: UserId) => (await store.accounts.ofUser(user)).length > 0,
    isLeaving: (user: UserId) => store.accounts.isLeaving(user),
  };
}
