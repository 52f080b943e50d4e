// All phones of the network: made on request, and taken up again after a restart.
import { Serial } from '../model/serial.ts';
import type { Logger } from '../observability/logger.ts';
import type { Network } from './network.ts';
import { Phone } from './phone.ts';
import type { Router } from './router.ts';

export class Phones {
  readonly #network: Network;
  readonly #router: Router;
  readonly #files: string;
  readonly #logger: Logger;
  readonly #phones = new Map<string, Phone>();
  readonly #making = new Serial<string>();

  /** `files`: the directory for what phones fetch. */
  constructor(network: Network, router: Router, files: string, logger: Logger) {
    this.#network = network;
    this.#router = router;
    this.#files = files;
    this.#logger = logger;
  }

  async startAll(): Promise<void> {
    for (const { number, name } of this.#network.directory.phones()) await this.ensure(number, name);
  }

  of(account: number): Phone | undefined {
    return [...this.#phones.values()].find((phone) => phone.account.id === account);
  }

  get(number: string): Phone | undefined {
    return this.#phones.get(number);
  }

  /** Resolves when the phone's keys are with the network. `made` is false if there was one with this number. */
  ensure(number: string, name: string): Promise<{ readonly phone: Phone; readonly made: boolean }> {
    return this.#making.run(number, async () => {
      const known = this.#phones.get(number);
      const account = this.#network.directory.addPhone(number, name);
      if (known) return { phone: known, made: false };
      const phone = new Phone(this.#network, this.#router, account, this.#files, this.#logger);
      await phone.start();
      this.#phones.set(number, phone);
      return { phone, made: true };
    });
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#phones.values()].map((phone) => phone.stop()));
  }
}
