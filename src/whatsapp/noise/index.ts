/** Noise connections as a client and as a server, as the client and the sandbox see them. */

export { type Carrier, type CarrierHandlers, tcpCarrier, webSocketCarrier } from './carrier.ts';
export {
  type CertificateRequest,
  encodeCertChain,
  issueCertChain,
  issueCertificate,
  verifyCertChain,
  WHATSAPP_ROOT_KEY,
} from './certificate.ts';
export {
  type AcceptedConnection,
  type AcceptOptions,
  acceptNoise,
  type ConnectOptions,
  connectNoise,
  HANDSHAKE_TIMEOUT_MS,
  NoiseConnection,
  type NoiseHandlers,
} from './connection.ts';
export { agree, type CurveKeyPair, generateKeyPair, sign, verify } from './curve.ts';
export { NoiseError, type NoiseFault } from './error.ts';
export type { CloseReason } from './frame-socket.ts';
