// A chat server on loopback that does what a test tells it: the real handshake and stanzas, no behaviour of its own.
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { SERVER } from '../../src/model/jid.ts';
import { decodeProto } from '../../src/proto/decode.ts';
import { type ClientPayload, ClientPayloadSchema } from '../../src/proto/wire_pb.ts';
import { attribute, decodeStanza, encodeStanza, type Stanza, stanza } from '../../src/whatsapp/binary/index.ts';
import {
  type AcceptedConnection,
  acceptNoise,
  generateKeyPair,
  issueCertChain,
  type NoiseConnection,
  webSocketCarrier,
} from '../../src/whatsapp/noise/index.ts';

/** Values that come one by one to whoever waits for them. */
class Arrivals<Value> {
  readonly #values: Value[] = [];
  readonly #waiting: ((value: Value) => void)[] = [];

  push(value: Value): void {
    const next = this.#waiting.shift();
    if (next) next(value);
    else this.#values.push(value);
  }
  next(): Promise<Value> {
    const value = this.#values.shift();
    return value === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(value);
  }
  get count(): number {
    return this.#values.length;
  }
}

/** One client's connection, seen from the server. */
export class ScriptedConnection {
  readonly payload: ClientPayload;
  /** What the client was told to show, so that it reaches the same server. */
  readonly routingInfo: Uint8Array | undefined;
  readonly closed: Promise<void>;
  readonly #noise: NoiseConnection;
  readonly #stanzas = new Arrivals<Stanza>();

  constructor({ payload, routingInfo, connection: noise }: AcceptedConnection) {
    this.payload = decodeProto(ClientPayloadSchema, payload);
    this.routingInfo = routingInfo;
    this.#noise = noise;
    this.closed = new Promise((resolve) => {
      noise.start({ onFrame: (frame) => this.#stanzas.push(decodeStanza(frame)), onClose: () => resolve() });
    });
  }

  /** The next stanza that nobody has taken. */
  next(): Promise<Stanza> {
    return this.#stanzas.next();
  }
  send(out: Stanza): void {
    this.sendBytes(encodeStanza(out));
  }
  sendBytes(frame: Uint8Array): void {
    this.#noise.send(frame);
  }
  close(): void {
    this.#noise.close();
  }
  reply(request: Stanza, content?: readonly Stanza[]): void {
    this.send(stanza('iq', { from: SERVER, id: attribute(request, 'id'), type: 'result' }, content));
  }
  refuse(request: Stanza, code: number): void {
    const error = stanza('error', { code, text: 'refused' });
    this.send(stanza('iq', { from: SERVER, id: attribute(request, 'id'), type: 'error' }, [error]));
  }
  /** Lets the client in and answers what it asks for then; `preKeys` is the number of its keys that are left. */
  async logIn(preKeys = 100): Promise<void> {
    this.send(stanza('success', { t: 1_700_000_000 }));
    this.reply(await this.next());
    this.reply(await this.next(), [stanza('count', { value: preKeys })]);
  }
}

export interface ScriptedNetwork {
  readonly url: string;
  readonly rootKey: Uint8Array;
  /** The next connection that has come through the handshake. */
  connection(): Promise<ScriptedConnection>;
  /** Connections that nobody has taken. */
  readonly waiting: number;
  close(): Promise<void>;
}

export async function startScriptedNetwork(): Promise<ScriptedNetwork> {
  const root = generateKeyPair();
  const staticKeyPair = generateKeyPair();
  const life = { notBefore: Date.now() - 86_400_000, notAfter: Date.now() + 365 * 86_400_000 };
  const leaf = { ...life, serial: 2, key: staticKeyPair.publicKey };
  const certChain = issueCertChain(root, generateKeyPair(), { ...life, serial: 1 }, leaf);
  const connections = new Arrivals<ScriptedConnection>();
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.once('listening', resolve));
  server.on('connection', (socket) => {
    acceptNoise(webSocketCarrier(socket), { staticKeyPair, certChain }).then(
      (accepted) => connections.push(new ScriptedConnection(accepted)),
      () => socket.terminate(),
    );
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/chat`,
    rootKey: root.publicKey,
    connection: () => connections.next(),
    get waiting() {
      return connections.count;
    },
    close: () => {
      for (const socket of server.clients) socket.terminate();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
