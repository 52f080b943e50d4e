// Why a connection ended, and what follows: the network's codes and the transport's faults as typed reasons.
import type { Disconnect } from '../model/interop.ts';
import { attribute, child, integerAttribute, type Stanza } from './binary/index.ts';
import { NoiseError, type NoiseFault } from './noise/index.ts';

const NETWORK = { reason: 'network', retry: 'later' } as const;
const UNAVAILABLE = { reason: 'unavailable', retry: 'later' } as const;
const PROTOCOL = { reason: 'protocol', retry: 'later' } as const;
const TOKEN_REFUSED = { reason: 'token-refused', retry: 'later' } as const;
const LOGGED_OUT = { reason: 'logged-out', retry: 'never' } as const;
const CLIENT_OUTDATED = { reason: 'client-outdated', retry: 'never' } as const;
const RESTART = { reason: 'server-restart', retry: 'later' } as const;

/** `<failure reason=…>`: the login was refused (docs/protocol.md). 413 and 414 are the network's codes for a token that is over or wrong. */
const FAILURES: ReadonlyMap<number, Disconnect> = new Map<number, Disconnect>([
  [401, LOGGED_OUT],
  [403, LOGGED_OUT],
  [405, CLIENT_OUTDATED],
  [406, { reason: 'banned', retry: 'never' }],
  [409, CLIENT_OUTDATED],
  [413, TOKEN_REFUSED],
  [414, TOKEN_REFUSED],
  [415, LOGGED_OUT],
  [418, LOGGED_OUT],
  [500, UNAVAILABLE],
  [501, UNAVAILABLE],
  [503, UNAVAILABLE],
]);
const TEMPORARY_BAN = 402;

/** Throws StanzaError. */
export function disconnectOfFailure(failure: Stanza): Disconnect {
  const reason = integerAttribute(failure, 'reason') ?? 0;
  if (reason !== TEMPORARY_BAN) return FAILURES.get(reason) ?? PROTOCOL;
  const seconds = integerAttribute(failure, 'expire');
  return seconds === undefined
    ? { reason: 'banned', retry: 'never' }
    : { reason: 'banned', retry: 'later', expiresInMs: seconds * 1000 };
}

/** `<stream:error>`: the session ends. */
export function disconnectOfStreamError(error: Stanza): Disconnect {
  const conflict = child(error, 'conflict');
  const type = conflict && attribute(conflict, 'type');
  if (type === 'replaced') return { reason: 'replaced', retry: 'later' };
  switch (attribute(error, 'code')) {
    case '401':
      return LOGGED_OUT;
    case '515':
    case '503':
      return RESTART;
    default:
      return type === 'device_removed' ? LOGGED_OUT : PROTOCOL;
  }
}

/** `stream:error` 515 asks for a new connection without delay. */
export function wantsRestart(error: Stanza): boolean {
  return attribute(error, 'code') === '515';
}

const TRANSPORT: readonly NoiseFault[] = ['connect-failed', 'timeout', 'aborted', 'closed'];

/** What a fault of the transport or of the handshake means. */
export function disconnectOfError(error: unknown): Disconnect {
  if (!(error instanceof NoiseError)) return PROTOCOL;
  if (TRANSPORT.includes(error.fault)) return NETWORK;
  return error.fault.startsWith('certificate-') ? { reason: 'untrusted-server', retry: 'later' } : PROTOCOL;
}

export { CLIENT_OUTDATED, NETWORK, PROTOCOL, RESTART, TOKEN_REFUSED };
