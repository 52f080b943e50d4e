// Everything together for one end-to-end test file: private Synapse, sandbox, and the bridge as a process of its own.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, parseDocument } from 'yaml';
import { bridgeUrl, type DemoInstallation, prepareInstallation } from '../../src/cli/demo-installation.ts';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { freePort } from '../../src/demo/synapse.ts';
import type { Clock } from '../../src/model/clock.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/server.ts';
import { BridgeProcess } from './bridge-process.ts';
import { Homeserver } from './homeserver.ts';
import { onSmallDisk, seenBy } from './small-disk.ts';
import { volatileRoot } from './volatile.ts';

const audience = 'sandbox';

const diskOf = (directory: string): string => join(directory, 'disk');

async function onDisk(directory: string): Promise<Readonly<Record<string, string>>> {
  await mkdir(diskOf(directory), { recursive: true });
  return {
    'database.sqlite': join(diskOf(directory), 'bridge.db'),
    'database.crypto': join(diskOf(directory), 'crypto.db'),
  };
}

export interface WorldOptions {
  /** Configuration keys, such as `delivery.missing_key_wait_s`. */
  readonly overrides?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** The largest file that the homeserver takes, in bytes. */
  readonly uploadLimit?: number;
  /** Puts something between the bridge and Synapse or the sandbox, whose addresses are given; answers those to use instead. */
  readonly between?: (
    synapseUrl: string,
    sandboxUrl: string,
  ) => Promise<{ homeserverUrl: string; enlistmentUrl: string }>;
  /** The clock of the network, where it is another than ours. */
  readonly networkClock?: Clock;
  /** Keeps both database files on a disk of so many kibibytes, which lasts as long as the process of the bridge. */
  readonly diskKibibytes?: number;
  /** Further variables for the bridge, at every start. */
  readonly environment?: Readonly<Record<string, string>>;
}

export class World {
  readonly homeserver: Homeserver;
  sandbox: Sandbox;
  readonly installation: DemoInstallation;
  bridge: BridgeProcess;
  readonly #sandboxOptions: SandboxOptions & { readonly dataDir: string };
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(
    homeserver: Homeserver,
    sandbox: Sandbox,
    sandboxOptions: SandboxOptions & { readonly dataDir: string },
    installation: DemoInstallation,
    bridge: BridgeProcess,
    environment: Readonly<Record<string, string>>,
  ) {
    this.#environment = environment;
    this.homeserver = homeserver;
    this.sandbox = sandbox;
    this.#sandboxOptions = sandboxOptions;
    this.installation = installation;
    this.bridge = bridge;
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const { overrides = {}, uploadLimit, between, diskKibibytes, networkClock, environment = {} } = options;
    const port = await freePort();
    const synapsePort = await freePort();
    const discoveryUrl = `${bridgeUrl(port)}/.well-known/openid-configuration`;
    const dataDir = await mkdtemp(join(volatileRoot, 'world-sandbox-'));
    const clock = networkClock && { clock: networkClock };
    const sandboxOptions = { provider: { discoveryUrl, audience }, dataDir, port: await freePort(), ...clock };
    const sandbox = await startSandbox(sandboxOptions);
    const prepared: { installation?: DemoInstallation } = {};
    const synapse = { port: synapsePort, ...(uploadLimit === undefined ? {} : { uploadLimit }) };
    const homeserver = await Homeserver.start(synapse, async (directory) => {
      const { chatUrl, rootPublicKeyHex, mediaHost, mediaAuthority } = sandbox.info;
      const homeserverUrl = `http://127.0.0.1:${synapsePort}`;
      const direct = { homeserverUrl, enlistmentUrl: sandbox.info.enlistmentUrl };
      const { enlistmentUrl, ...addresses } = (await between?.(homeserverUrl, sandbox.url)) ?? direct;
      prepared.installation = await prepareInstallation({
        directory: join(directory, 'bridge'),
        serverName: 'localhost',
        homeserverUrl: addresses.homeserverUrl,
        port,
        sandbox: { chatUrl, rootPublicKey: rootPublicKeyHex, enlistmentUrl, mediaHost, mediaAuthority, audience },
        overrides: diskKibibytes === undefined ? overrides : { ...overrides, ...(await onDisk(directory)) },
      });
      return { registrationPath: prepared.installation.registrationPath };
    });
    const { installation } = prepared;
    if (installation === undefined) throw new Error('no installation was prepared');
    const bridge = await BridgeProcess.start(
      installation.configPath,
      join(homeserver.directory, 'bridge.log'),
      environment,
      diskKibibytes === undefined
        ? undefined
        : (command) => onSmallDisk(diskOf(homeserver.directory), diskKibibytes, command),
    );
    return new World(homeserver, sandbox, sandboxOptions, installation, bridge, environment);
  }

  /** The small disk, as it can be reached from here. */
  get disk(): string {
    return seenBy(this.bridge.pid, diskOf(this.homeserver.directory));
  }

  get logPath(): string {
    return join(this.homeserver.directory, 'bridge.log');
  }

  /** Changes the configuration file; the next start of the bridge reads it. */
  async configure(change: (config: Document) => void): Promise<void> {
    const path = this.installation.configPath;
    const config = parseDocument(await readFile(path, 'utf8'));
    change(config);
    await writeFile(path, config.toString());
  }

  async startBridge(): Promise<void> {
    this.bridge = await BridgeProcess.start(this.installation.configPath, this.logPath, this.#environment);
  }

  /** Starts the bridge and does not wait for it. `environment`: further variables for it. */
  spawnBridge(environment: Readonly<Record<string, string>> = {}): BridgeProcess {
    const variables = { ...this.#environment, ...environment };
    this.bridge = BridgeProcess.spawn(this.installation.configPath, this.logPath, variables);
    return this.bridge;
  }

  /** The sandbox goes away; what it has stored stays. */
  async stopSandbox(): Promise<void> {
    await this.sandbox.close();
  }

  /** After `stopSandbox`: the same network at the same address. */
  async startSandbox(): Promise<void> {
    this.sandbox = await startSandbox(this.#sandboxOptions);
  }

  phone(number: string, name: string): Promise<SandboxPhone> {
    return SandboxPhone.create(this.sandbox.url, number, name);
  }

  /** Opens a room with the bot and opts in; returns that room once the bot says that the account is connected. */
  async optIn(user: MatrixUser, { encrypted = true } = {}): Promise<string> {
    const room = await this.talkToBot(user, { encrypted });
    await this.ask(user, room, 'opt-in', /Answer "yes"/);
    await this.ask(user, room, 'yes', /You are connected/);
    return room;
  }

  /** Opens a room with the bot. */
  async talkToBot(user: MatrixUser, { encrypted = true } = {}): Promise<string> {
    const room = await user.createDirectRoom(this.installation.bot, { encrypted });
    await user.waitForMessage(room, ({ sender, body }) => sender === this.installation.bot && /Hello/.test(body ?? ''));
    return room;
  }

  /** Says something to the bot and waits for an answer like `answer` that comes after it. */
  async ask(user: MatrixUser, room: string, text: string, answer: RegExp): Promise<Message> {
    const seen = new Set((await user.messages(room)).map(({ eventId }) => eventId));
    await user.sendText(room, text);
    return user.waitForMessage(
      room,
      ({ eventId, sender, body }) => !seen.has(eventId) && sender === this.installation.bot && answer.test(body ?? ''),
    );
  }

  /** Joins the portal that a contact's ghost invites to. */
  async joinPortal(user: MatrixUser): Promise<string> {
    const invite = await user.waitForInvite(({ inviter }) => inviter?.startsWith('@wa_') ?? false);
    await user.join(invite.roomId);
    return invite.roomId;
  }

  /** An open chat with a new contact, in which both have written. */
  async chat(user: MatrixUser, number: string, name: string): Promise<{ phone: SandboxPhone; portal: string }> {
    const phone = await this.phone(number, name);
    await phone.send(user.userId, `hello from ${name}`);
    const portal = await this.joinPortal(user);
    await user.waitForMessage(portal, ({ body }) => body === `hello from ${name}`);
    await user.sendText(portal, `hello ${name}`);
    await phone.received(`hello ${name}`);
    return { phone, portal };
  }

  async stop(): Promise<void> {
    await this.bridge.stop();
    await this.sandbox.close();
    await this.homeserver.stop();
    await rm(this.#sandboxOptions.dataDir, { recursive: true, force: true });
  }
}
