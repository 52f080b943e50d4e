/** What can go wrong between opening a connection and closing it. */

import { BridgeError } from '../../model/errors.ts';

export type NoiseFault =
  | 'unsupported-endpoint'
  | 'connect-failed'
  | 'timeout'
  | 'aborted'
  | 'closed'
  | 'not-binary'
  | 'bad-header'
  | 'frame-too-large'
  | 'bad-handshake-message'
  | 'bad-key'
  | 'decrypt-failed'
  | 'counter-exhausted'
  | 'certificate-malformed'
  | 'certificate-untrusted-root'
  | 'certificate-signature'
  | 'certificate-issuer'
  | 'certificate-key'
  | 'certificate-not-yet-valid'
  | 'certificate-expired'
  | 'handler-failed';

const FINAL: readonly NoiseFault[] = ['unsupported-endpoint', 'aborted'];

/** Code `noise.<fault>`. */
export class NoiseError extends BridgeError {
  readonly fault: NoiseFault;

  constructor(fault: NoiseFault, cause?: unknown) {
    super(`noise.${fault}`, `noise: ${fault}`, { cause, retry: FINAL.includes(fault) ? 'never' : 'later' });
    this.fault = fault;
  }
}
