import { createHmac, randomBytes } from 'node:crypto';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { SERVER } from '../../src/model/jid.ts';
import { AdvSignedDeviceIdentityHmacSchema } from '../../src/proto/adv_pb.ts';
import { decodeProto } from '../../src/proto/decode.ts';
import { ClientPayloadSchema, type DevicePairingDataSchema } from '../../src/proto/wire_pb.ts';
import { countersign } from '../../src/sandbox/device-identity.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import {
  attribute,
  children,
  decodeStanza,
  encodeStanza,
  requireBytes,
  requireChild,
  type Stanza,
  stanza,
} from '../../src/whatsapp/binary/index.ts';
import { connectNoise, generateKeyPair, type NoiseConnection, sign } from '../../src/whatsapp/noise/index.ts';

let sandbox: Sandbox;
let anna: SandboxPhone;

beforeAll(async () => {
  sandbox = await startSandbox({});
  anna = await SandboxPhone.create(sandbox.url, '31640003001', 'Anna');
});
afterAll(() => sandbox.close());

/** A client that does each step by hand, so that it can do one of them wrong. */
class Candidate {
  readonly noise = generateKeyPair();
  readonly identity = generateKeyPair();
  readonly signedPreKey = generateKeyPair();
  readonly advSecret = randomBytes(32);
  #connection: NoiseConnection | undefined;
  #inbox: Stanza[] = [];
  #wake = (): void => {};

  async connect(payload: MessageInitShape<typeof ClientPayloadSchema>, noise = this.noise): Promise<Stanza> {
    this.#connection = await connectNoise({
      endpoint: new URL(sandbox.info.chatUrl),
      rootKey: Buffer.from(sandbox.info.rootPublicKey, 'base64'),
      payload: toBinary(ClientPayloadSchema, create(ClientPayloadSchema, payload)),
      staticKeyPair: noise,
      now: Date.now,
    });
    const inbox: Stanza[] = [];
    this.#inbox = inbox;
    const arrived = (received: Stanza): void => {
      inbox.push(received);
      this.#wake();
    };
    this.#connection.start({
      onFrame: (frame) => arrived(decodeStanza(frame)),
      onClose: () => arrived(stanza('closed')),
    });
    return this.next();
  }

  register(changes: MessageInitShape<typeof DevicePairingDataSchema> = {}): Promise<Stanza> {
    const signed = Buffer.concat([Buffer.of(5), this.signedPreKey.publicKey]);
    const devicePairingData = {
      eRegid: Buffer.of(0, 0, 1, 2),
      eKeytype: Buffer.of(5),
      eIdent: this.identity.publicKey,
      eSkeyId: Buffer.of(0, 0, 1),
      eSkeyVal: this.signedPreKey.publicKey,
      eSkeySig: sign(this.identity.privateKey, signed),
      ...changes,
    };
    return this.connect({ passive: false, pull: false, devicePairingData });
  }

  logIn(device: number, noise = this.noise): Promise<Stanza> {
    return this.connect({ username: BigInt(anna.number), device, passive: true, pull: true }, noise);
  }

  code(ref: Stanza, { noise = this.noise.publicKey, identity = this.identity.publicKey } = {}): string {
    const keys = [noise, identity, this.advSecret].map((key) => Buffer.from(key).toString('base64'));
    return ['https://wa.me/settings/linked_devices#', Buffer.from(requireBytes(ref)), ',', keys.join(), ',1'].join('');
  }

  /** What the phone vouches for, checked against the code's secret. */
  vouched(success: Stanza): Uint8Array {
    const sealed = requireBytes(requireChild(requireChild(success, 'pair-success'), 'device-identity'));
    const { details = new Uint8Array(), hmac } = decodeProto(AdvSignedDeviceIdentityHmacSchema, sealed);
    expect(createHmac('sha256', this.advSecret).update(details).digest()).toEqual(Buffer.from(hmac ?? []));
    return details;
  }

  confirm(success: Stanza, signer = this.identity): void {
    const device = requireChild(requireChild(success, 'pair-success'), 'device').attrs.get('jid');
    const index = typeof device === 'object' && 'device' in device ? device.device : 0;
    const chain = countersign(this.vouched(success), this.identity.publicKey, (bytes) =>
      sign(signer.privateKey, bytes),
    );
    const identity = stanza('device-identity', { 'key-index': index }, chain);
    const content = [stanza('pair-device-sign', {}, [identity])];
    this.#connection?.send(
      encodeStanza(stanza('iq', { to: SERVER, type: 'result', id: attribute(success, 'id') }, content)),
    );
  }

  async next(): Promise<Stanza> {
    for (;;) {
      const found = this.#inbox.shift();
      if (found) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#connection?.close();
  }
}

const refsOf = (pairing: Stanza): [Stanza, ...Stanza[]] => {
  const [first, ...more] = children(requireChild(pairing, 'pair-device'), 'ref');
  if (!first) throw new Error('no reference');
  return [first, ...more];
};

const scan = (qr: string): Promise<unknown> => anna.post('link', { qr });

describe('linking, step by step', () => {
  it('ends with a restart, after which only the same Noise key logs in', async () => {
    const client = new Candidate();
    const refs = refsOf(await client.register());
    expect(refs).toHaveLength(6);
    const linked = scan(client.code(refs[1] ?? refs[0]));
    client.confirm(await client.next());
    const { device } = (await linked) as { device: number };
    expect(attribute(await client.next(), 'code')).toBe('515');

    const success = await client.logIn(device);
    expect(success.tag).toBe('success');
    expect(attribute(success, 'lid')).toMatch(new RegExp(`^\\d+:${device}@lid$`));
    client.close();
    for (const [number, key] of [
      [device, generateKeyPair()],
      [0, client.noise],
      [device + 1, client.noise],
    ] as const) {
      expect(attribute(await client.logIn(number, key), 'reason')).toBe('401');
    }
    await expect(scan(client.code(refs[0]))).rejects.toThrow('link_unknown_ref');
  });

  it('refuses keys without a valid signature', async () => {
    const refused = await new Candidate().register({ eSkeySig: new Uint8Array(64) });
    expect([refused.tag, attribute(refused, 'reason')]).toEqual(['failure', '400']);
  });

  it('refuses a code with other keys than those of the client that waits', async () => {
    const client = new Candidate();
    const [ref] = refsOf(await client.register());
    const other = generateKeyPair().publicKey;
    await expect(scan(client.code(ref, { noise: other }))).rejects.toThrow('link_mismatch');
    await expect(scan(client.code(ref, { identity: other }))).rejects.toThrow('link_mismatch');
    client.close();
  });

  it('refuses a client that does not sign with the identity that it showed, or goes away', async () => {
    const forger = new Candidate();
    const [ref] = refsOf(await forger.register());
    const forged = scan(forger.code(ref));
    forger.confirm(await forger.next(), generateKeyPair());
    await expect(forged).rejects.toThrow('link_refused');

    const gone = new Candidate();
    const left = scan(gone.code(refsOf(await gone.register())[0]));
    await gone.next();
    gone.close();
    await expect(left).rejects.toThrow('link_refused');
  });

  it('stops at four linked clients', async () => {
    const ben = await SandboxPhone.create(sandbox.url, '31640003002', 'Ben');
    for (let n = 1; n <= 5; n += 1) {
      const client = new Candidate();
      const linking = ben.post('link', { qr: client.code(refsOf(await client.register())[0]) });
      if (n === 5) {
        await expect(linking).rejects.toThrow('link_full');
        client.close();
      } else {
        client.confirm(await client.next());
        await linking;
      }
    }
  });
});
