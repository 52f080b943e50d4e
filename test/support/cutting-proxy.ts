// A proxy in front of PostgreSQL that cuts connections: all of them, or one at a chosen moment of a commit; or lets them hang.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Before the commit has reached the server, or after it was carried out and before the answer is passed on. */
type Moment = 'before-commit' | 'after-commit';

export class CuttingProxy {
  readonly #server: Server;
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  #trap: { readonly moment: Moment; readonly sprung: () => void } | undefined;
  #away = false;

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((socket) => this.#pass(socket));
  }

  static async start(url: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(new URL(url));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return url.href;
  }

  /** Cuts the connection of the next commit. */
  cutAt(moment: Moment): void {
    this.#trap = { moment, sprung: () => undefined };
  }

  /** Cuts every connection at the next commit and takes no new one, until it is back; resolves when that has happened. */
  goAwayAt(moment: Moment): Promise<void> {
    return new Promise((resolve) => {
      const sprung = (): void => {
        this.setAway(true);
        resolve();
      };
      this.#trap = { moment, sprung };
    });
  }

  /** Cuts every connection and takes no new one, until it is back. */
  setAway(away: boolean): void {
    this.#away = away;
    if (away) this.cutAll();
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From now on nothing passes over the connections that there are, and neither side is told. */
  hangAll(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.cutAll();
    await once(this.#server, 'close');
  }

  #pass(client: Socket): void {
    if (this.#away) {
      client.destroy();
      return;
    }
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const cut = (): void => {
      client.destroy();
      server.destroy();
    };
    let muted: (() => void) | undefined;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    client.on('data', (bytes) => {
      const trap = bytes.includes('commit') ? this.#trap : undefined;
      if (trap === undefined) return void server.write(bytes);
      this.#trap = undefined;
      const spring = (): void => {
        trap.sprung();
        cut();
      };
      if (trap.moment === 'before-commit') return spring();
      muted = spring;
      server.write(bytes);
    });
    server.on('data', (bytes) => (muted ? muted() : client.write(bytes)));
  }
}
