import { connect } from 'node:net';
import { proto } from '@whiskeysockets/baileys';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteQueue } from '../../src/whatsapp/noise/byte-queue.ts';
import { encodeFrame } from '../../src/whatsapp/noise/frame.ts';
import { Initiator } from '../../src/whatsapp/noise/initiator.ts';
import { takeIntro } from '../../src/whatsapp/noise/intro.ts';
import { Responder } from '../../src/whatsapp/noise/responder.ts';
import { bytes, certChain, cleanUp, clientKey, faultOf, listen, NOW, root, serverKey, text } from './noise-server.ts';

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
