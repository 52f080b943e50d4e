/** What can be wrong with a stanza, in either direction. */

import { BridgeError } from '../../model/errors.ts';

export type StanzaFault =
  | 'truncated'
  | 'trailing-data'
  | 'bad-tag'
  | 'bad-token'
  | 'bad-packed'
  | 'bad-jid'
  | 'bad-list'
  | 'bad-compression'
  | 'duplicate-attribute'
  | 'too-deep'
  | 'too-large'
  | 'unencodable'
  | 'missing-attribute'
  | 'wrong-attribute'
  | 'missing-child'
  | 'wrong-content';

/** Code `stanza.<fault>`. `place` names a tag or attribute that our own code asked for, never anything received. */
export class StanzaError extends BridgeError {
  readonly fault: StanzaFault;

  constructor(fault: StanzaFault, place?: string, cause?: unknown) {
    super(`stanza.${fault}`, `stanza: ${fault}${place === undefined ? '' : ` (${place})`}`, { cause });
    this.fault = fault;
  }
}
