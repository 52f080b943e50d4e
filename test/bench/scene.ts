// The bridge as its operator runs it, between a stand-in for the homeserver and one for the network, with chats that are under way.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { currentExplanation } from '../../src/bridge/consent/explanation.ts';
import { bridgeUrl, prepareInstallation } from '../../src/cli/demo-installation.ts';
import type { Settings } from '../../src/cli/installation.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { loadMasterKey } from '../../src/config/master-key.ts';
import { freePort } from '../../src/demo/synapse.ts';
import type { Account } from '../../src/model/account.ts';
import type { Change } from '../../src/model/change.ts';
import { systemClock } from '../../src/model/clock.ts';
import { newAccountId, type RoomId, type UserId } from '../../src/model/ids.ts';
import { interopJid } from '../../src/model/jid.ts';
import type { PreKeyBundle, PublicKeys } from '../../src/model/signal.ts';
import { State } from '../../src/sandbox/state.ts';
import { tlsIdentity } from '../../src/sandbox/tls-certificate.ts';
import { type OpenStore, openStore } from '../../src/store/open-store.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { BridgeProcess } from '../support/bridge-process.ts';
import { hardlyLimited } from '../support/limits.ts';
import { Apart } from './apart.ts';
import type { StandInHomeserver } from './stand-in/homeserver.ts';
import type { StandInNetwork } from './stand-in/network.ts';

export interface SceneOptions {
  readonly overrides?: Settings;
  /** Before the bridge starts for the first time. */
  readonly prepare?: (store: OpenStore, config: Config) => Promise<void>;
  /** Further variables for it, such as `NODE_OPTIONS`. */
  readonly environment?: Readonly<Record<string, string>>;
}

const serverName = 'localhost';
const user = `@alice:${serverName}` as UserId;
/** One-time keys of the account that contacts start sessions with. */
const mostChats = 1000;
const registrationSchema = z.object({ hs_token: z.string() });

export class Scene {
  readonly homeserver: Apart<StandInHomeserver>;
  readonly network: Apart<StandInNetwork>;
  readonly directory: string;
  readonly configPath: string;
  bridge: BridgeProcess;
  readonly #keys: readonly PreKeyBundle[];
  readonly #environment: Readonly<Record<string, string>>;
  #chats = 0;

  private constructor(
    made: Pick<Scene, 'homeserver' | 'network' | 'directory' | 'configPath' | 'bridge'>,
    keys: readonly PreKeyBundle[],
    environment: Readonly<Record<string, string>>,
  ) {
    this.homeserver = made.homeserver;
    this.network = made.network;
    this.directory = made.directory;
    this.configPath = made.configPath;
    this.bridge = made.bridge;
    this.#keys = keys;
    this.#environment = environment;
  }

  static async start(options: SceneOptions = {}): Promise<Scene> {
    const { overrides = {}, prepare, environment = {} } = options;
    const directory = await mkdtemp(join(tmpdir(), 'bench-'));
    const homeserver = Apart.start<StandInHomeserver>(new URL('./stand-in/homeserver.ts', import.meta.url));
    const network = Apart.start<StandInNetwork>(new URL('./stand-in/network.ts', import.meta.url));
    const homeserverUrl = await homeserver.call('listen', undefined);
    const chat = await network.call('listen', undefined);
    const port = await freePort();
    const installation = await prepareInstallation({
      directory: join(directory, 'bridge'),
      serverName,
      homeserverUrl,
      port,
      sandbox: {
        chatUrl: chat.url,
        rootPublicKey: Buffer.from(chat.rootKey).toString('hex'),
        enlistmentUrl: 'http://127.0.0.1:9/v1',
        audience: 'bench',
        mediaHost: 'localhost:9',
        mediaAuthority: certificateAuthority(),
      },
      // All of them write to the one user for the first time at once.
      overrides: { policy: { requests: mostChats }, ...hardlyLimited, ...overrides },
    });
    const masterKey = await homeserver.call('makeUser', user);
    if (masterKey === undefined) throw new Error('the user has no identity');
    const keys = await makeAccount(installation.configPath, masterKey, prepare);
    const registration = registrationSchema.parse(parse(await readFile(installation.registrationPath, 'utf8')));
    await homeserver.call('pushTo', { url: bridgeUrl(port), token: registration.hs_token, bot: installation.bot });
    const { configPath } = installation;
    const bridge = await BridgeProcess.start(configPath, join(directory, 'bridge.log'), environment);
    return new Scene({ homeserver, network, directory, configPath, bridge }, keys, environment);
  }

  get chats(): number {
    return this.#chats;
  }

  /** New chats, with a message either way behind them, so that every session is at its usual work. Answers what the first contacts took. */
  async addChats(count: number): Promise<{ readonly ms: number; readonly requests: number }> {
    const { homeserver, network } = this;
    const skip = this.#chats;
    const total = skip + count;
    await waitUntil(async () => (await network.call('connections', undefined)) > 0);
    await network.call('makeContacts', { from: skip, count, keys: this.#keys.slice(skip, total) });
    const requestsBefore = sum(await homeserver.call('requests', undefined));
    const takenBefore = await homeserver.call('taken', undefined);
    await network.call('write', { count, messages: count, skip });
    const started = performance.now();
    await network.call('send', { count: total, perSecond: 0 });
    // The user is asked in the new room.
    await waitUntil(async () => (await homeserver.call('taken', undefined)) >= takenBefore + count);
    const ms = performance.now() - started;
    const requests = sum(await homeserver.call('requests', undefined)) - requestsBefore;
    this.#chats = total;
    await homeserver.call('join', { from: skip, count });
    // Accepted by joining: what has waited comes.
    await waitUntil(async () => (await homeserver.call('taken', undefined)) >= takenBefore + 2 * count);
    await network.call('open', true);
    const before = await network.call('taken', undefined);
    await homeserver.call('record', { count: total, messages: total });
    await homeserver.call('replay', { count: total, perSecond: 0 });
    await waitUntil(async () => (await network.call('taken', undefined)) === before + total);
    await network.call('open', false);
    // From here on everything is an established chat.
    await network.call('takenAt', total);
    await homeserver.call('takenAt', total);
    return { ms, requests };
  }

  async startBridge(): Promise<void> {
    this.bridge = await BridgeProcess.start(this.configPath, join(this.directory, 'bridge.log'), this.#environment);
  }

  async stop(): Promise<void> {
    await this.bridge.stop();
    await Promise.all([this.homeserver.stop(), this.network.stop()]);
    if (process.env.KEEP) console.log(this.directory);
    else await rm(this.directory, { recursive: true, force: true });
  }
}

function certificateAuthority(): string {
  const state = new State(undefined);
  const { caPem } = tlsIdentity(state);
  state.close();
  return caPem;
}

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);

/** Asks every few milliseconds: the other processes tell nothing by themselves. */
export async function waitUntil(reached: () => Promise<boolean>): Promise<void> {
  while (!(await reached())) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function makeAccount(
  configPath: string,
  masterKey: string,
  prepare: SceneOptions['prepare'],
): Promise<readonly PreKeyBundle[]> {
  const config = loadConfig(configPath);
  const { sqlite, postgres } = config.database;
  const location = postgres === undefined ? { path: sqlite } : { postgres };
  const store = await openStore({ ...location, masterKey: loadMasterKey(config), clock: systemClock });
  const account: Account = {
    id: newAccountId(),
    network: 'whatsapp',
    user,
    managementRoom: `!management:${serverName}` as RoomId,
    state: { at: 'active', enlistment: { interopAccountId: '900000000', jid: interopJid(7, 'alice') } },
    createdAt: systemClock.now(),
  };
  const { keys, changes } = createSignal({ reads: store.signal, clock: systemClock }).createIdentity(
    account.id,
    mostChats,
  );
  await store.commit([
    { change: 'account.put', account },
    consent(config, user),
    ...changes,
    { change: 'user.trust', trust: { state: 'pinned', user, masterKey } },
  ]);
  await prepare?.(store, config);
  await store.close();
  return bundles(keys);
}

/** What an account that takes part has on record. */
export function consent({ homeserver, operator, encryption }: Config, of: UserId): Change {
  const { name, contact, privacy_url: privacyUrl } = operator;
  const facts = {
    serverName: homeserver.server_name,
    operator: { name, contact, privacyUrl },
    devicePolicy: encryption.devices,
  };
  const explanation = currentExplanation(facts, 'whatsapp');
  return { change: 'consent.record', user: of, event: { what: 'given', network: 'whatsapp', explanation } };
}

const bundles = ({ preKeys, ...keys }: PublicKeys): PreKeyBundle[] => preKeys.map((preKey) => ({ ...keys, preKey }));
