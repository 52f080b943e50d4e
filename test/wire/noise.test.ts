import { connect } from 'node:net';
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
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { decodeStanza, encodeStanza, requireAttribute, stanza } from '../../src/whatsapp/binary/index.ts';
import { encodeFrame } from '../../src/whatsapp/noise/frame.ts';
import {
  acceptNoise,
  type CloseReason,
  connectNoise,
  generateKeyPair,
  tcpCarrier,
  webSocketCarrier,
} from '../../src/whatsapp/noise/index.ts';
import {
  bytes,
  certChain,
  cleanUp,
  clientKey,
  faultOf,
  Heard,
  listen,
  options,
  root,
  serve,
  serverKey,
  text,
} from './noise-server.ts';

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
    let paused = false;
    const ended = new Promise<CloseReason>((resolve) => {
      client.start({
        onFrame: (plaintext) => {
          seen.push(paused ? 'while paused' : text(plaintext));
          paused = true;
          client.pause();
          setImmediate(() => {
            paused = false;
            client.resume();
          });
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
