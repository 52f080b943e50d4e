// What was altered on the disk and cannot be opened: rows of journals, crypto stores. It is set aside, or it would hold up its chat for ever.
import type { Actor } from './contact.ts';
import { BridgeError } from './errors.ts';
import type {
  BotMessageSeq,
  EventId,
  EventSeq,
  InboxId,
  OutboxId,
  PortalId,
  ReportId,
  RoomId,
  TransactionSeq,
} from './ids.ts';

/** Which row it is, and what stands in it unsealed. */
export type DamagedPlace =
  | { readonly journal: 'inbox'; readonly id: InboxId; readonly portal: PortalId; readonly isNotice: boolean }
  | { readonly journal: 'outbox'; readonly id: OutboxId; readonly portal: PortalId; readonly event: EventId }
  | { readonly journal: 'event'; readonly id: EventSeq; readonly room: RoomId; readonly event: EventId }
  | { readonly journal: 'transaction'; readonly id: TransactionSeq }
  | { readonly journal: 'bot-message'; readonly id: BotMessageSeq }
  | { readonly journal: 'report'; readonly id: ReportId };

/** Code `store.damaged-row`. */
export class DamagedRow extends BridgeError {
  readonly place: DamagedPlace;

  constructor(place: DamagedPlace, cause: unknown) {
    super('store.damaged-row', `row ${place.id} of ${place.journal} is damaged`, { cause });
    this.place = place;
  }
}

/** The keys of this actor on Matrix are of no use any more, and have to be made anew. */
export abstract class LostKeys extends BridgeError {
  readonly actor: Actor;

  constructor(actor: Actor, code: string, message: string, cause?: unknown) {
    super(code, message, { retry: 'later', cause });
    this.actor = actor;
  }
}

/** Code `crypto.store-damaged`: what is kept of them cannot be opened. */
export class DamagedCryptoStore extends LostKeys {
  constructor(actor: Actor, cause: unknown) {
    super(actor, 'crypto.store-damaged', `the crypto store of ${actor.id} cannot be opened`, cause);
  }
}

/** Code `matrix.unknown-device` or `matrix.unknown-user`: the homeserver does not know them any more. */
export class UnknownActor extends LostKeys {
  constructor(actor: Actor, answer: BridgeError) {
    super(actor, answer.code, answer.message, answer);
  }
}

/** Code `crypto.store-missing`: nothing is kept of them, although they were made. */
export class MissingCryptoStore extends LostKeys {
  constructor(actor: Actor) {
    super(actor, 'crypto.store-missing', `the crypto store of ${actor.id} is not there`);
  }
}
