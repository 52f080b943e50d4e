/** The stanza codec, as the client and the sandbox see it. */

export { decodeStanza } from './decode.ts';
export { encodeStanza } from './encode.ts';
export { StanzaError, type StanzaFault } from './error.ts';
export { DEFAULT_LIMITS, MAX_DEPTH, type StanzaLimits } from './limits.ts';
export * from './stanza.ts';
