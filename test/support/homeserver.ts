// A private Synapse in a temporary directory for one test file, and users on it.
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type LoginOptions, MatrixUser } from '../../src/demo/matrix-user.ts';
import { type StartSynapseOptions, type Synapse, startSynapse } from '../../src/demo/synapse.ts';
import { forkedSynapse } from './forked-synapse.ts';
import { volatileRoot } from './volatile.ts';

export type UserOptions = Omit<LoginOptions, 'homeserverUrl' | 'user' | 'password'>;

export class Homeserver {
  /** The running process; another object after a restart, with the same address and data. */
  synapse: Synapse;
  readonly directory: string;
  readonly #options: StartSynapseOptions;
  readonly #registered = new Set<string>();
  readonly #users: MatrixUser[] = [];

  private constructor(synapse: Synapse, directory: string, options: StartSynapseOptions) {
    this.synapse = synapse;
    this.directory = directory;
    this.#options = options;
  }

  /** Installs Synapse if this machine has none in its cache, which can take minutes the first time; starts within seconds. */
  static async start(
    options: Partial<StartSynapseOptions> = {},
    /** Further options that depend on the directory, such as a registration made there. */
    prepare: (directory: string) => Promise<Partial<StartSynapseOptions>> = async () => ({}),
  ): Promise<Homeserver> {
    const directory = await mkdtemp(join(volatileRoot, 'maw-homeserver-'));
    const onProgress = (text: string) => void process.stderr.write(`${text}\n`);
    const own = { dataDir: join(directory, 'synapse'), onProgress, run: forkedSynapse };
    const complete = { ...own, ...options, ...(await prepare(directory)) };
    return new Homeserver(await startSynapse(complete), directory, complete);
  }

  /** Logs in on a new device; registers the user the first time. */
  async login(localpart: string, options: UserOptions = {}): Promise<MatrixUser> {
    const password = `password of ${localpart}`;
    if (!this.#registered.has(localpart)) {
      await this.synapse.registerUser(localpart, password);
      this.#registered.add(localpart);
    }
    const user = await MatrixUser.login({ homeserverUrl: this.synapse.url, user: localpart, password, ...options });
    this.#users.push(user);
    return user;
  }

  /** Starts the stopped or killed Synapse again, on the same port and data. */
  async startAgain(): Promise<void> {
    this.synapse = await startSynapse({ ...this.#options, port: this.synapse.port });
  }

  /** Stops every user and Synapse, and removes the data. */
  async stop(): Promise<void> {
    for (const user of this.#users) await user.stop();
    await this.synapse.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
