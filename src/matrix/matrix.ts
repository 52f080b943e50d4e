// The Matrix port as a whole: everything that the composition root needs of this folder.
import type { Router } from 'express';
import type { Disclosed } from '../model/budget/recipients.ts';
import type { Clock } from '../model/clock.ts';
import type { CryptoJournal } from '../model/crypto-journal.ts';
import type { Homeserver, MatrixCrypto, MatrixCryptoEvents, TransactionSink } from '../model/matrix.ts';
import type { MatrixMedia } from '../model/media.ts';
import type { Logger } from '../observability/logger.ts';
import { ClientApi } from './client-api.ts';
import { MachineCrypto } from './crypto/matrix-crypto.ts';
import { ClientHomeserver } from './homeserver.ts';
import { ClientMedia } from './media/client-media.ts';
import type { Registration } from './registration.ts';
import { transactionRouter } from './transactions.ts';

export interface MatrixOptions {
  readonly homeserverUrl: string;
  readonly registration: Registration;
  readonly journal: CryptoJournal;
  readonly logger: Logger;
  readonly events: MatrixCryptoEvents;
  /** Called when going on would endanger keys: end the process. May be called more than once. */
  readonly onFatal: (error: Error) => void;
  /** Default 200. */
  readonly maxOpenMachines?: number;
  readonly clock?: Clock;
  readonly disclosed?: Disclosed;
  /** Called when the homeserver was away and is back. */
  readonly onBack?: () => void;
}

export interface Matrix {
  readonly homeserver: Homeserver;
  readonly crypto: MatrixCrypto;
  readonly media: MatrixMedia;
  /** Whether the homeserver is there, as far as our requests have shown. */
  readonly reachable: boolean;
  /** Sends away whoever waits for a homeserver that is away, so that a shutdown does not. */
  stopWaiting(): void;
  /** The endpoints that the homeserver calls, to be mounted at the root of an express application. */
  router(sink: TransactionSink): Router;
}

export function createMatrix(options: MatrixOptions): Matrix {
  const { homeserverUrl, registration, journal, logger, events, onFatal } = options;
  const clock = options.clock && { clock: options.clock };
  const api = new ClientApi({
    homeserverUrl,
    asToken: registration.asToken,
    logger,
    disclosed: options.disclosed,
    onBack: options.onBack,
    ...clock,
  });
  const maxOpenMachines = options.maxOpenMachines ?? 200;
  const crypto = new MachineCrypto({ api, journal, logger, events, onFatal, maxOpenMachines });
  const homeserver = new ClientHomeserver({
    api,
    serviceId: registration.id,
    hasKeys: (actor) => journal.exists(actor.id),
    publishIdentity: (actor) => crypto.publishIdentity(actor),
  });
  return {
    homeserver,
    crypto,
    media: new ClientMedia({ api, ...clock }),
    get reachable() {
      return api.gate.isOpen;
    },
    stopWaiting: () => api.gate.stop(),
    router: (sink) => transactionRouter(sink, { hsToken: registration.hsToken, logger }),
  };
}
