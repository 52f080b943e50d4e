/** The client's half of the handshake, without I/O. */

import { encodeProto } from '../../proto/encode.ts';
import { HandshakeMessageSchema } from '../../proto/wire_pb.ts';
import { verifyCertChain } from './certificate.ts';
import type { TransportCiphers } from './cipher.ts';
import { agree, type CurveKeyPair, generateKeyPair } from './curve.ts';
import { decodeHandshake, required } from './handshake.ts';
import { SymmetricState } from './symmetric.ts';

export interface InitiatorOptions {
  readonly rootKey: Uint8Array;
  readonly staticKeyPair: CurveKeyPair;
  /** Serialised ClientPayload. */
  readonly payload: Uint8Array;
  /** Milliseconds since the Unix epoch; for the certificates. */
  readonly now: () => number;
}

export class Initiator {
  readonly #options: InitiatorOptions;
  readonly #symmetric = new SymmetricState();
  readonly #ephemeral = generateKeyPair();

  constructor(options: InitiatorOptions) {
    this.#options = options;
  }

  hello(): Uint8Array {
    this.#symmetric.mixHash(this.#ephemeral.publicKey);
    return encodeProto(HandshakeMessageSchema, { clientHello: { ephemeral: this.#ephemeral.publicKey } });
  }

  /** Reads the server's hello and returns the last message and the ciphers. Throws NoiseError. */
  finish(serverHello: Uint8Array): { readonly message: Uint8Array; readonly ciphers: TransportCiphers } {
    const { rootKey, staticKeyPair, payload, now } = this.#options;
    const symmetric = this.#symmetric;
    const hello = required(decodeHandshake(serverHello).serverHello);
    const serverEphemeral = required(hello.ephemeral);
    symmetric.mixHash(serverEphemeral);
    symmetric.mixKey(agree(this.#ephemeral.privateKey, serverEphemeral));
    const serverStatic = symmetric.decrypt(required(hello.static));
    symmetric.mixKey(agree(this.#ephemeral.privateKey, serverStatic));
    verifyCertChain(symmetric.decrypt(required(hello.payload)), { rootKey, serverStatic, now: now() });

    const sealedStatic = symmetric.encrypt(staticKeyPair.publicKey);
    symmetric.mixKey(agree(staticKeyPair.privateKey, serverEphemeral));
    const clientFinish = { static: sealedStatic, payload: symmetric.encrypt(payload) };
    const message = encodeProto(HandshakeMessageSchema, { clientFinish });
    const [outgoing, incoming] = symmetric.split();
    return { message, ciphers: { outgoing, incoming } };
  }
}
