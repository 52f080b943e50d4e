import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  type BinaryNode,
  Curve,
  decodeBinaryNode,
  encodeBinaryNode,
  makeNoiseHandler,
  NOISE_WA_HEADER,
  proto,
  WA_CERT_DETAILS,
} from '@whiskeysockets/baileys';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { decodeStanza, encodeStanza, requireAttribute, stanza } from '../../src/whatsapp/binary/index.ts';
import { ByteQueue } from '../../src/whatsapp/noise/byte-queue.ts';
import { encodeFrame } from '../../src/whatsapp/noise/frame.ts';
import {
  type AcceptedConnection,
  acceptNoise,
  type Carrier,
  type CloseReason,
  type ConnectOptions,
  connectNoise,
  encodeCertChain,
  generateKeyPair,
  issueCertChain,
  issueCertificate,
  type NoiseConnection,
  NoiseError,
  tcpCarrier,
  verifyCertChain,
  webSocketCarrier,
} from '../../src/whatsapp/noise/index.ts';
import { Initiator } from '../../src/whatsapp/noise/initiator.ts';
import { takeIntro } from '../../src/whatsapp/noise/intro.ts';
import { Responder } from '../../src/whatsapp/noise/responder.ts';

const NOW = Date.UTC(2026, 10, 22);
const DAY = 86_400_000;
const root = generateKeyPair();
const intermediateKey = generateKeyPair();
const serverKey = generateKeyPair();
const clientKey = generateKeyPair();
const validity = { notBefore: NOW - DAY, notAfter: NOW + DAY };
const certChain = issueCertChain(
  root,
  intermediateKey,
  { serial: 1, ...validity },
  { serial: 2, key: serverKey.publicKey, ...validity },
);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytes = (content: string): Uint8Array => Uint8Array.from(Buffer.from(content));

const faultOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof NoiseError) return error.fault;
    throw error;
  }
  return undefined;
};

/** What a connection says, in the order it says it. */
class Heard {
  readonly #items: (string | CloseReason)[] = [];
  readonly #waiting: ((item: string | CloseReason) => void)[] = [];

  constructor(connection: NoiseConnection) {
    const add = (item: string | CloseReason): void => {
      const waiter = this.#waiting.shift();
      if (waiter) waiter(item);
      else this.#items.push(item);
    };
    connection.start({ onFrame: (plaintext) => add(text(plaintext)), onClose: add });
  }

  next(): Promise<string | CloseReason> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item);
  }
}

interface Listening {
  readonly endpoint: URL;
  accepted(): Promise<AcceptedConnection>;
}

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanUp.splice(0)) undo();
});

/** Accepts one client with our responder, on a real socket. */
function listen(scheme: 'ws' | 'tcp', accept = { staticKeyPair: serverKey, certChain }): Promise<Listening> {
  const accepted = Promise.withResolvers<AcceptedConnection>();
  accepted.promise.catch(() => {});
  const take = (carrier: Carrier): void => {
    acceptNoise(carrier, { ...accept, timeoutMs: 2_000 }).then(accepted.resolve, accepted.reject);
  };
  return serve(scheme, {
    socket: (socket) => take(tcpCarrier(socket)),
    webSocket: (ws) => take(webSocketCarrier(ws)),
  }).then((endpoint) => ({ endpoint, accepted: () => accepted.promise }));
}

function serve(
  scheme: 'ws' | 'tcp',
  on: { socket?: (socket: Socket) => void; webSocket?: (socket: WebSocket) => void },
): Promise<URL> {
  return new Promise((resolve) => {
    if (scheme === 'ws') {
      const server: WebSocketServer = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () =>
        resolve(url(server.address())),
      );
      server.on('connection', (socket) => on.webSocket?.(socket));
      cleanUp.push(() => {
        for (const client of server.clients) client.terminate();
        server.close();
      });
    } else {
      const sockets: Socket[] = [];
      const server: Server = createServer((socket) => {
        sockets.push(socket);
        socket.on('error', () => {});
        on.socket?.(socket);
      }).listen(0, '127.0.0.1', () => resolve(url(server.address())));
      cleanUp.push(() => {
        for (const socket of sockets) socket.destroy();
        server.close();
      });
    }
  });

  function url(address: ReturnType<Server['address']>): URL {
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new URL(`${scheme}://127.0.0.1:${address.port}${scheme === 'ws' ? '/ws/chat' : ''}`);
  }
}

const options = (endpoint: URL, more: Partial<ConnectOptions> = {}): ConnectOptions => ({
  endpoint,
  rootKey: root.publicKey,
  staticKeyPair: clientKey,
  payload: bytes('who I am'),
  now: () => NOW,
  timeoutMs: 5_000,
  ...more,
});

describe.each(['ws', 'tcp'] as const)('our client and our responder over %s', (scheme) => {
  it('authenticates both, keeps order both ways, and closes', async () => {
    const server = await listen(scheme);
    const routingInfo = Uint8Array.from({ length: 300 }, (_, i) => i);
    const client = await connectNoise(options(server.endpoint, { routingInfo }));
    // Sent before the server has even seen the end of the handshake.
    client.send(bytes('first'));
    const accepted = await server.accepted();
    expect(Buffer.compare(accepted.clientStatic, clientKey.publicKey)).toBe(0);
    expect(text(accepted.payload)).toBe('who I am');
    expect(accepted.routingInfo).toEqual(routingInfo);

    const atServer = new Heard(accepted.connection);
    const atClient = new Heard(client);
    const big = 'x'.repeat(1_000_000);
    client.send(bytes(big));
    client.send(new Uint8Array(0));
    for (let i = 0; i < 100; i++) accepted.connection.send(bytes(`${i}`));
    expect(await atServer.next()).toBe('first');
    expect(await atServer.next()).toBe(big);
    expect(await atServer.next()).toBe('');
    for (let i = 0; i < 100; i++) expect(await atClient.next()).toBe(`${i}`);

    accepted.connection.send(bytes('last'));
    accepted.connection.close();
    expect(await atClient.next()).toBe('last');
    expect(await atClient.next()).toEqual({ by: 'peer' });
    expect(await atServer.next()).toEqual({ by: 'us' });
    expect(faultOf(() => client.send(bytes('late')))).toBe('closed');
  });

  it('holds frames back while paused, and delivers all of them before the end', async () => {
    const server = await listen(scheme);
    const client = await connectNoise(options(server.endpoint));
    const { connection } = await server.accepted();
    const seen: string[] = [];
    const ended = new Promise<CloseReason>((resolve) => {
      client.start({
        onFrame: (plaintext) => {
          seen.push(text(plaintext));
          client.pause();
          setImmediate(() => client.resume());
        },
        onClose: resolve,
      });
    });
    connection.start({ onFrame: () => {}, onClose: () => {} });
    for (let i = 0; i < 20; i++) connection.send(bytes(`${i}`));
    connection.close();
    expect(await ended).toEqual({ by: 'peer' });
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
  });

  it('refuses a server under another root', async () => {
    const server = await listen(scheme);
    await expect(
      connectNoise(options(server.endpoint, { rootKey: generateKeyPair().publicKey })),
    ).rejects.toMatchObject({
      code: 'noise.certificate-untrusted-root',
    });
    await expect(server.accepted()).rejects.toMatchObject({ code: 'noise.closed' });
  });

  it('closes with a typed reason when its reader throws', async () => {
    const server = await listen(scheme);
    const client = await connectNoise(options(server.endpoint));
    const { connection } = await server.accepted();
    const ended = new Promise<CloseReason>((resolve) => {
      connection.start({
        onFrame: () => {
          throw new TypeError('reader');
        },
        onClose: resolve,
      });
    });
    client.send(bytes('x'));
    expect(await ended).toMatchObject({ by: 'error', error: { code: 'noise.handler-failed' } });
  });

  it('gives up on a silent server, and when told to', async () => {
    const endpoint = await serve(scheme, {});
    await expect(connectNoise(options(endpoint, { timeoutMs: 50 }))).rejects.toMatchObject({ code: 'noise.timeout' });
    await expect(connectNoise(options(endpoint, { signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'noise.aborted',
      retry: 'never',
    });
  });

  it('says that nobody listens', async () => {
    const endpoint = await serve(scheme, {});
    for (const undo of cleanUp.splice(0)) undo();
    await expect(connectNoise(options(endpoint))).rejects.toMatchObject({ code: 'noise.connect-failed' });
  });
});

describe('carriers', () => {
  it('never splits a frame over two WebSocket messages, and puts the intro in front of the first', async () => {
    const messages: number[] = [];
    const endpoint = await serve('ws', {
      webSocket: (socket) => {
        socket.on('message', (data: Buffer) => messages.push(data.length));
        acceptNoise(webSocketCarrier(socket), { staticKeyPair: serverKey, certChain }).then(
          ({ connection }) => connection.start({ onFrame: () => connection.close(), onClose: () => {} }),
          () => {},
        );
      },
    });
    const client = await connectNoise(options(endpoint));
    const heard = new Heard(client);
    client.send(new Uint8Array(500_000));
    expect(await heard.next()).toEqual({ by: 'peer' });
    // Header 4, length 3, ClientHello 36; then the finish; then one frame with its length and tag.
    expect(messages).toEqual([43, expect.any(Number), 500_000 + 3 + 16]);
  });

  it('closes at a frame that was forged', async () => {
    const endpoint = await serve('tcp', {
      socket: (socket) => {
        acceptNoise(tcpCarrier(socket), { staticKeyPair: serverKey, certChain }).then(
          ({ connection }) => {
            connection.send(bytes('true'));
            socket.write(encodeFrame(new Uint8Array(40)));
          },
          () => {},
        );
      },
    });
    const heard = new Heard(await connectNoise(options(endpoint)));
    expect(await heard.next()).toBe('true');
    expect(await heard.next()).toMatchObject({ by: 'error', error: { code: 'noise.decrypt-failed' } });
  });

  it('a server gives up on a silent client', async () => {
    const outcome = Promise.withResolvers<unknown>();
    const endpoint = await serve('tcp', {
      socket: (socket) => {
        const accepting = acceptNoise(tcpCarrier(socket), { staticKeyPair: serverKey, certChain, timeoutMs: 50 });
        accepting.then(outcome.resolve, outcome.resolve);
      },
    });
    const socket = connect(Number(endpoint.port), '127.0.0.1');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    expect(await outcome.promise).toMatchObject({ code: 'noise.timeout' });
    await closed;
  });

  it('refuses other schemes and text messages', async () => {
    await expect(connectNoise(options(new URL('http://127.0.0.1:1/')))).rejects.toMatchObject({
      code: 'noise.unsupported-endpoint',
      retry: 'never',
    });
    const endpoint = await serve('ws', { webSocket: (socket) => socket.send('hello') });
    await expect(connectNoise(options(endpoint))).rejects.toMatchObject({ code: 'noise.not-binary' });
  });
});

describe("Baileys' handshake against our responder", () => {
  const logger = {
    level: 'silent',
    child: () => logger,
    trace: () => {},
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: () => {},
  };

  it.each([undefined, Buffer.from('routing')])('with routing info %s', async (routingInfo) => {
    WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(root.publicKey);
    const server = await listen('ws');
    const ephemeral = Curve.generateKeyPair();
    const noiseKey = Curve.generateKeyPair();
    const handler = makeNoiseHandler({ keyPair: ephemeral, NOISE_HEADER: NOISE_WA_HEADER, logger, routingInfo });

    const socket = new WebSocket(server.endpoint);
    const frames: (Uint8Array | BinaryNode)[] = [];
    const waiting: ((frame: Uint8Array | BinaryNode) => void)[] = [];
    socket.on('message', (data: Buffer) => {
      void handler.decodeFrame(data, (frame) => {
        const waiter = waiting.shift();
        if (waiter) waiter(frame);
        else frames.push(frame);
      });
    });
    const next = (): Promise<Uint8Array | BinaryNode> => {
      const frame = frames.shift();
      return frame === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(frame);
    };
    await new Promise((resolve) => socket.once('open', resolve));

    const hello = { clientHello: { ephemeral: ephemeral.public } };
    socket.send(handler.encodeFrame(proto.HandshakeMessage.encode(hello).finish()));
    const answer = await next();
    if (!(answer instanceof Uint8Array)) throw new Error('a stanza before the handshake');
    const sealedStatic = handler.processHandshake(proto.HandshakeMessage.decode(answer), noiseKey);
    const payload = handler.encrypt(proto.ClientPayload.encode({ passive: true, device: 3 }).finish());
    const finish = { clientFinish: { static: sealedStatic, payload } };
    socket.send(handler.encodeFrame(proto.HandshakeMessage.encode(finish).finish()));
    await handler.finishInit();

    const accepted = await server.accepted();
    expect(Buffer.compare(accepted.clientStatic, noiseKey.public)).toBe(0);
    expect(proto.ClientPayload.decode(accepted.payload)).toMatchObject({ passive: true, device: 3 });
    expect(accepted.routingInfo && text(accepted.routingInfo)).toBe(routingInfo?.toString());

    const atServer = new Promise<Uint8Array>((resolve) => {
      accepted.connection.start({ onFrame: resolve, onClose: () => {} });
    });
    accepted.connection.send(encodeStanza(stanza('success', { t: 1 }), { compress: true }));
    expect(await next()).toMatchObject({ tag: 'success', attrs: { t: '1' } });
    socket.send(handler.encodeFrame(encodeBinaryNode({ tag: 'iq', attrs: { id: 'abc' } })));
    expect(requireAttribute(decodeStanza(await atServer), 'id')).toBe('abc');
    socket.terminate();
  });

  it("is read by Baileys' decoder when our client speaks", async () => {
    const server = await listen('tcp');
    const client = await connectNoise(options(server.endpoint));
    const { connection } = await server.accepted();
    const frame = new Promise<Uint8Array>((resolve) => connection.start({ onFrame: resolve, onClose: () => {} }));
    client.send(encodeStanza(stanza('presence', { type: 'available' })));
    expect(await decodeBinaryNode(Buffer.from(await frame))).toMatchObject({ tag: 'presence' });
  });
});

describe('certificate chain', () => {
  const leafRequest = { serial: 2, issuerSerial: 1, key: serverKey.publicKey, ...validity };
  const intermediateRequest = { serial: 1, issuerSerial: 0, key: intermediateKey.publicKey, ...validity };
  const leaf = (change: Partial<typeof leafRequest> = {}) =>
    issueCertificate(intermediateKey, { ...leafRequest, ...change });
  const intermediate = (change: Partial<typeof intermediateRequest> = {}) =>
    issueCertificate(root, { ...intermediateRequest, ...change });
  const expected = { rootKey: root.publicKey, serverStatic: serverKey.publicKey, now: NOW };
  const shortKey = serverKey.publicKey.subarray(1);

  it.each<[string, Uint8Array, string | undefined]>([
    ['good', encodeCertChain(leaf(), intermediate()), undefined],
    ['no protobuf', bytes('\x0a\xff'), 'certificate-malformed'],
    ['empty', new Uint8Array(0), 'certificate-malformed'],
    [
      'leaf signed by a stranger',
      encodeCertChain(issueCertificate(root, leafRequest), intermediate()),
      'certificate-signature',
    ],
    [
      'intermediate signed by itself',
      encodeCertChain(leaf(), issueCertificate(intermediateKey, intermediateRequest)),
      'certificate-untrusted-root',
    ],
    ['intermediate of another root', encodeCertChain(leaf(), intermediate({ issuerSerial: 7 })), 'certificate-issuer'],
    ['leaf of another intermediate', encodeCertChain(leaf({ issuerSerial: 9 }), intermediate()), 'certificate-issuer'],
    ['leaf for another server', encodeCertChain(leaf({ key: clientKey.publicKey }), intermediate()), 'certificate-key'],
    ['short key', encodeCertChain(leaf({ key: shortKey }), intermediate()), 'certificate-malformed'],
    [
      'short signature',
      encodeCertChain({ ...leaf(), signature: new Uint8Array(63) }, intermediate()),
      'certificate-malformed',
    ],
    ['expired leaf', encodeCertChain(leaf({ notAfter: NOW - 1000 }), intermediate()), 'certificate-expired'],
    ['expired intermediate', encodeCertChain(leaf(), intermediate({ notAfter: NOW - 1000 })), 'certificate-expired'],
    ['leaf of tomorrow', encodeCertChain(leaf({ notBefore: NOW + 1000 }), intermediate()), 'certificate-not-yet-valid'],
  ])('%s: %s', (_name, chain, fault) => {
    expect(faultOf(() => verifyCertChain(chain, expected))).toBe(fault);
  });

  it('insists on the issuer serial being written, although it is 0', () => {
    const unwritten = proto.CertChain.NoiseCertificate.Details.encode({
      serial: 1,
      key: intermediateKey.publicKey,
      notBefore: 0,
      notAfter: Math.floor((NOW + DAY) / 1000),
    }).finish();
    const signed = { ...intermediate(), details: unwritten, signature: Curve.sign(root.privateKey, unwritten) };
    expect(faultOf(() => verifyCertChain(encodeCertChain(leaf(), signed), expected))).toBe('certificate-malformed');
  });

  it('refuses in the handshake a chain that was issued for another server key', async () => {
    const server = await listen('tcp', { staticKeyPair: generateKeyPair(), certChain });
    await expect(connectNoise(options(server.endpoint))).rejects.toMatchObject({ code: 'noise.certificate-key' });
  });
});

describe('hostile input', () => {
  const initiator = () =>
    new Initiator({ rootKey: root.publicKey, staticKeyPair: clientKey, payload: bytes('p'), now: () => NOW });
  const responder = () => new Responder({ staticKeyPair: serverKey, certChain });
  const damage = fc.array(fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 });
  const damaged = (message: Uint8Array, changes: [number, number][]): Uint8Array => {
    const copy = message.slice();
    for (const [at, change] of changes) copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ change;
    return copy;
  };

  it('damaged handshake messages: a typed error, or a handshake that the damage did not reach', () => {
    let refused = 0;
    fc.assert(
      fc.property(damage, fc.constantFrom(1, 2, 3), (changes, step) => {
        const touch = (at: number, message: Uint8Array) => (at === step ? damaged(message, changes) : message);
        const client = initiator();
        const server = responder();
        const fault = faultOf(() => {
          const { message, ciphers } = client.finish(touch(2, server.hello(touch(1, client.hello()))));
          const accepted = server.finish(touch(3, message));
          expect(Buffer.compare(accepted.clientStatic, clientKey.publicKey)).toBe(0);
          expect(text(accepted.payload)).toBe('p');
          expect(text(accepted.ciphers.incoming.decrypt(ciphers.outgoing.encrypt(bytes('frame'))))).toBe('frame');
        });
        if (fault !== undefined) refused++;
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(250);
  });

  it('any bytes as a handshake message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        expect(faultOf(() => responder().hello(garbage))).toBeDefined();
        const client = initiator();
        client.hello();
        expect(faultOf(() => client.finish(garbage))).toBeDefined();
        const server = responder();
        server.hello(initiator().hello());
        expect(faultOf(() => server.finish(garbage))).toBeDefined();
      }),
      { numRuns: 500 },
    );
  });

  it('refuses points that would give a known secret', () => {
    const zero = proto.HandshakeMessage.encode({ clientHello: { ephemeral: new Uint8Array(32) } }).finish();
    expect(faultOf(() => responder().hello(zero))).toBe('bad-key');
  });

  it.each<[string, Uint8Array, string]>([
    ['another protocol', bytes('GET / HTTP/1.1\r\n\r\n'), 'bad-header'],
    ['another dictionary', Uint8Array.of(0x57, 0x41, 6, 2), 'bad-header'],
    ['endless routing info', Uint8Array.of(0x45, 0x44, 0, 1, 0xff, 0xff, 0xff), 'bad-header'],
    ['a giant first frame', Uint8Array.of(0x57, 0x41, 6, 3, 0xff, 0xff, 0xff), 'frame-too-large'],
    ['an empty first frame', Uint8Array.of(0x57, 0x41, 6, 3, 0, 0, 0), 'bad-handshake-message'],
  ])('server meets %s', async (_name, sent, fault) => {
    const server = await listen('tcp');
    const socket = connect(Number(server.endpoint.port), '127.0.0.1');
    cleanUp.push(() => socket.destroy());
    socket.on('error', () => {});
    socket.write(sent);
    await expect(server.accepted()).rejects.toMatchObject({ code: `noise.${fault}` });
  });

  it('intro and frames arrive however they are cut', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.option(fc.uint8Array({ maxLength: 50 }), { nil: undefined }), cuts, (routingInfo, sizes) => {
        const client = initiator();
        const prefix = routingInfo ? [0x45, 0x44, 0, 1, 0, 0, routingInfo.length, ...routingInfo] : [];
        const stream = Buffer.concat([Uint8Array.from([...prefix, 0x57, 0x41, 6, 3]), encodeFrame(client.hello())]);
        const queue = new ByteQueue();
        let intro: ReturnType<typeof takeIntro>;
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          queue.push(stream.subarray(at, at + size));
          at += size;
          intro ??= takeIntro(queue);
        }
        expect(intro?.routingInfo).toEqual(routingInfo);
        expect(queue.length).toBe(stream.length - prefix.length - 4);
      }),
    );
  });
});
