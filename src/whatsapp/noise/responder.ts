/** The server's half of the handshake, without I/O. */

import { create, toBinary } from '@bufbuild/protobuf';
import { HandshakeMessageSchema } from '../../proto/wire_pb.ts';
import type { TransportCiphers } from './cipher.ts';
import { agree, type CurveKeyPair, generateKeyPair } from './curve.ts';
import { decodeHandshake, required } from './handshake.ts';
import { SymmetricState } from './symmetric.ts';

export interface ResponderOptions {
  readonly staticKeyPair: CurveKeyPair;
  /** Serialised chain whose leaf names the static key, see issueCertChain. */
  readonly certChain: Uint8Array;
}

/** What the client has proved and said. */
export interface Authenticated {
  /** The client's long-lived key: its only credential, to be compared with what is known of it. */
  readonly clientStatic: Uint8Array;
  /** Serialised ClientPayload, not yet parsed. */
  readonly payload: Uint8Array;
}

export class Responder {
  readonly #options: ResponderOptions;
  readonly #symmetric = new SymmetricState();
  readonly #ephemeral = generateKeyPair();

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** Reads the client's hello and returns the server's. Throws NoiseError. */
  hello(clientHello: Uint8Array): Uint8Array {
    const { staticKeyPair, certChain } = this.#options;
    const symmetric = this.#symmetric;
    const clientEphemeral = required(required(decodeHandshake(clientHello).clientHello).ephemeral);
    symmetric.mixHash(clientEphemeral);
    symmetric.mixHash(this.#ephemeral.publicKey);
    symmetric.mixKey(agree(this.#ephemeral.privateKey, clientEphemeral));
    const sealedStatic = symmetric.encrypt(staticKeyPair.publicKey);
    symmetric.mixKey(agree(staticKeyPair.privateKey, clientEphemeral));
    const payload = symmetric.encrypt(certChain);
    const serverHello = { ephemeral: this.#ephemeral.publicKey, static: sealedStatic, payload };
    return toBinary(HandshakeMessageSchema, create(HandshakeMessageSchema, { serverHello }));
  }

  /** Reads the client's last message. Throws NoiseError. */
  finish(clientFinish: Uint8Array): Authenticated & { readonly ciphers: TransportCiphers } {
    const symmetric = this.#symmetric;
    const finish = required(decodeHandshake(clientFinish).clientFinish);
    const clientStatic = symmetric.decrypt(required(finish.static));
    symmetric.mixKey(agree(this.#ephemeral.privateKey, clientStatic));
    const payload = symmetric.decrypt(required(finish.payload));
    const [incoming, outgoing] = symmetric.split();
    return { clientStatic, payload, ciphers: { incoming, outgoing } };
  }
}
