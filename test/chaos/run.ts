// One run: a plan carried out in a world, process after process, and the account of it.
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/model/clock.ts';
import type { DeliveryStep } from '../../src/model/delivery-steps.ts';
import { killVariable, naiveVariable } from '../../src/observability/fail-points.ts';
import type { BridgeProcess } from '../support/bridge-process.ts';
import { hardlyLimited } from '../support/limits.ts';
import { MoodyProxy } from '../support/moody-proxy.ts';
import { createSchema } from '../support/postgres-server.ts';
import { World } from '../support/world.ts';
import { type Account, accountOf, isSound } from './ledger.ts';
import { Marks, switchOn } from './marks.ts';
import type { Kill, Plan, Round } from './plan.ts';
import { laneOf, Traffic } from './traffic.ts';
import { suffer } from './trouble.ts';
import { Visitor } from './visitor.ts';

/** How long a process may live, in milliseconds, that is certain to come to its step. */
const longestLifeMs = 30_000;
/** One that may or may not come there. */
const longestUncertainLifeMs = 3_000;

export interface RunOptions {
  /** Acknowledges before anything is durable: to show that loss is seen. */
  readonly naive?: boolean;
  /** The server on which the bridge keeps what it has; without it, SQLite. */
  readonly postgres?: string | undefined;
  readonly onProgress?: (text: string) => void;
}

export interface Outcome {
  readonly account: Account;
  readonly kills: number;
  /** Milliseconds. */
  readonly took: number;
}

/** Starts a world of its own, carries the plan out, and takes everything down again. */
export async function run(plan: Plan, options: RunOptions = {}): Promise<Outcome> {
  const started = performance.now();
  const place = options.postgres === undefined ? {} : { 'database.postgres': await createSchema(options.postgres) };
  const proxy: { current?: MoodyProxy } = {};
  const world = await World.start({
    overrides: { ...hardlyLimited, ...place, 'networks.whatsapp.read_receipts': true },
    between: async (synapseUrl, sandboxUrl) => {
      proxy.current = await MoodyProxy.start(synapseUrl);
      return { homeserverUrl: proxy.current.url, enlistmentUrl: `${sandboxUrl}/enlist` };
    },
  });
  const traffic: { current?: Traffic } = {};
  try {
    const users = [];
    for (const name of ['alice', 'bob']) {
      const user = await world.homeserver.login(name, { strict: true });
      const botRoom = await world.optIn(user);
      if (users.length === 0) await switchOn(world, user, botRoom);
      users.push(user);
    }
    traffic.current = await Traffic.between(world, users);
    if (proxy.current === undefined) throw new Error('there is no proxy');
    const account = await new Run(world, proxy.current, traffic.current, plan, options).account();
    if (!isSound(account) && !options.naive) options.onProgress?.(`the bridge's log: ${await keptLog(world, plan)}`);
    return { account, kills: plan.rounds.length, took: performance.now() - started };
  } finally {
    await traffic.current?.stop();
    await world.stop();
    await proxy.current?.stop();
  }
}

function lifeOf(kill: Kill): number {
  if (kill.at === 'time') return kill.ms;
  return kill.certain ? longestLifeMs : longestUncertainLifeMs;
}

/** The world is taken down, and with it what the bridge has said. */
async function keptLog(world: World, { seed }: Plan): Promise<string> {
  const path = join(tmpdir(), `chaos-${seed}-${process.pid}.log`);
  await copyFile(world.logPath, path);
  return path;
}

class Run {
  readonly #world: World;
  readonly #proxy: MoodyProxy;
  readonly #traffic: Traffic;
  readonly #plan: Plan;
  readonly #options: RunOptions;
  readonly #notReached: DeliveryStep[] = [];
  readonly #marks: Marks;
  #visitor: Visitor | undefined;

  constructor(world: World, proxy: MoodyProxy, traffic: Traffic, plan: Plan, options: RunOptions) {
    this.#world = world;
    this.#proxy = proxy;
    this.#traffic = traffic;
    this.#marks = new Marks(traffic);
    this.#plan = plan;
    this.#options = options;
  }

  async account(): Promise<Account> {
    const { opening, rounds } = this.#plan;
    this.#traffic.begin(opening);
    await this.#traffic.arrived(opening);
    if (rounds.some(({ stimulus }) => stimulus === 'opt-in')) this.#visitor = await Visitor.arrive(this.#world);
    await this.#world.bridge.kill();
    for (const [index, round] of rounds.entries()) {
      const began = performance.now();
      await this.#live(round);
      const { kill } = round;
      const what = kill.at === 'step' ? `${kill.step}${kill.passing > 1 ? `:${kill.passing}` : ''}` : `${kill.ms} ms`;
      this.#options.onProgress?.(`${index + 1}/${rounds.length} ${what} (${Math.round(performance.now() - began)} ms)`);
    }
    await this.#world.startBridge();
    this.#traffic.lives();
    for (const spell of this.#plan.spells) {
      this.#options.onProgress?.(`${spell.trouble} for ${spell.ms} ms`);
      await suffer(this.#world, this.#proxy, this.#traffic, spell);
    }
    const stuck = await this.#stuck();
    const account = accountOf(await this.#traffic.lanes());
    const complaints = [
      ...account.complaints,
      ...this.#traffic.failures,
      ...((await this.#visitor?.complaints()) ?? []),
      ...stuck,
      ...(await this.#marks.complaints()),
      ...this.#notReached.map((step) => `${step} was not reached`),
    ];
    return { ...account, complaints };
  }

  /** What came only with the next process was not lost: the one before it stood still. */
  async #stuck(): Promise<string[]> {
    const missing = await this.#traffic.close();
    if (missing.length === 0) return [];
    this.#options.onProgress?.(`the bridge's log while it stood still: ${await keptLog(this.#world, this.#plan)}`);
    await this.#world.bridge.kill();
    await this.#world.startBridge();
    this.#traffic.lives();
    const lost = await this.#traffic.awaited(missing);
    const came = missing.filter((action) => !lost.includes(action));
    return came.map((action) => `${laneOf(action)}: #${action.number} stood still until the next start`);
  }

  /** From the start of a process to its end. */
  async #live(round: Round): Promise<void> {
    const { kill } = round;
    const bridge = this.#world.spawnBridge({
      ...(kill.at === 'step' ? { [killVariable]: `${kill.step}:${kill.passing}` } : {}),
      ...(this.#options.naive ? { [naiveVariable]: '1' } : {}),
    });
    await this.#damage(round);
    this.#traffic.begin(round.actions);
    const ended = new AbortController();
    void bridge.exited.then(() => ended.abort());
    await Promise.all([this.#end(bridge, kill, ended.signal), this.#visit(round, ended.signal)]);
  }

  async #end(bridge: BridgeProcess, kill: Kill, ended: AbortSignal): Promise<void> {
    // A step is given its time from when work begins; a moment of death is counted from birth.
    if (kill.at === 'step') await bridge.ready;
    await systemClock.sleep(lifeOf(kill), ended);
    if (!bridge.alive) return;
    if (kill.at === 'step' && kill.certain) this.#notReached.push(kill.step);
    await bridge.kill();
  }

  /** Before anything is sent, and when nothing is on its way that could be damaged in place of it. */
  async #damage({ stimulus }: Round): Promise<void> {
    if (stimulus?.startsWith('damaged')) await this.#traffic.settled();
    const { user, phone } = await this.#traffic.chat(0);
    const fault = (name: string, to: string) => phone.phone.call('POST', `/faults/${name}`, { to });
    if (stimulus === 'damaged-in') await fault('corrupt', user.user.userId);
    if (stimulus === 'damaged-out') await fault('corrupt', phone.phone.number);
    if (stimulus === 'few-keys') await fault('exhausted-keys', user.user.userId);
  }

  async #visit({ stimulus, actions }: Round, ended: AbortSignal): Promise<void> {
    const provoking = actions.at(-1);
    if (provoking && (stimulus === 'read-in' || stimulus === 'read-out')) await this.#marks.read(provoking, ended);
    if (stimulus === 'opt-in') await this.#visitor?.optIn();
    if (stimulus === 'separate') await this.#visitor?.separate((await this.#traffic.chat(0)).phone.phone);
    if (stimulus === 'combined') await this.#visitor?.combine();
    if (stimulus === 'opt-out') await this.#visitor?.optOut();
    if (stimulus === 'help') await this.#visitor?.help();
  }
}
