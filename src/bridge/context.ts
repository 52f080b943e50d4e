// What every part of the domain is given: the ports, the settings, and the bot.
import type { Account, Arrangement, Network } from '../model/account.ts';
import type { Clock } from '../model/clock.ts';
import type { Actor } from '../model/contact.ts';
import type { RoomId, UserId } from '../model/ids.ts';
import type { InteropNetwork, TokenMinter } from '../model/interop.ts';
import type { Homeserver, MatrixCrypto } from '../model/matrix.ts';
import type { MatrixMedia, MediaHost, NetworkMedia } from '../model/media.ts';
import type { Signal } from '../model/signal.ts';
import type { Store } from '../model/store.ts';
import type { DevicePolicy } from '../model/trust.ts';
import type { Logger } from '../observability/logger.ts';
import type { Limits } from './limits/limits.ts';
import type { Listening } from './listening.ts';
import type { BlockedNumbers } from './policy/blocks.ts';

export interface BridgeSettings {
  /** Random, one per installation: makes send ids unique among bridges. */
  readonly instanceId: string;
  readonly serverName: string;
  readonly botName: string;
  /** Who runs this bridge, as users are told. */
  readonly operator: { readonly name: string; readonly contact: string; readonly privacyUrl: string | undefined };
  /** Start of a ghost's localpart, `wa_`. */
  readonly ghostPrefix: string;
  readonly networks: readonly Network[];
  /** Numbers that the administrator has blocked, for everybody. */
  readonly blocked: BlockedNumbers;
  /** Policy rooms, by id or alias, whose rules the administrator applies to everybody. */
  readonly policyRooms: readonly string[];
  /** To how many policy rooms one account may subscribe. */
  readonly mostPolicyRooms: number;
  /** Where moderators read reports; none: this server takes no reports. */
  readonly moderationRoom: RoomId | undefined;
  /** Networks that are told of reports as well. */
  readonly reportTo: ReadonlySet<Network>;
  /** How many people may ask one user at a time, how many messages of each wait, and how long, in milliseconds. */
  readonly requests: { readonly people: number; readonly messages: number; readonly waitMs: number };
  /** Networks to which read receipts are offered. */
  readonly readReceipts: ReadonlySet<Network>;
  readonly federatePortals: boolean;
  /** Where the chats are of whoever has not chosen. */
  readonly arrangement: Arrangement;
  readonly devicePolicy: DevicePolicy;
  mayOptIn(user: UserId): boolean;
  /** Whether users have to state that they are in the European Economic Area, and how long that holds, in milliseconds. */
  readonly attestation: { readonly validMs: number } | undefined;
  /** How long an account goes on without an answer that has become necessary, in milliseconds. */
  readonly graceMs: number;
  /** How long an account may be paused before it ends, in milliseconds. */
  readonly endPausedMs: number;
  /** Two-letter country by which phone numbers without `+` are read; none: they must be international. */
  readonly defaultCountry: string | undefined;
  /** Whether ghosts show their contacts' pictures. */
  readonly pictures: boolean;
  /** How long a message for WhatsApp is kept for retry receipts, in milliseconds. */
  readonly receiptWaitMs: number;
  /** How long ids of what was dealt with are remembered, in milliseconds. */
  readonly retentionMs: number;
  /** How many retry receipts per message are answered, and how often we ask for one message. */
  readonly retries: number;
  /** How long an event whose room key is missing holds its chat, in milliseconds. */
  readonly missingKeyWaitMs: number;
  /** How long it stands aside after that, before its sender is told that it was not sent, in milliseconds. */
  readonly lateKeyWaitMs: number;
  /** How long a message waits for a decision of its user, in milliseconds. */
  readonly heldMs: number;
  /** The largest file that is carried, in bytes. */
  readonly maxFileBytes: number;
  /** How many files are on their way at once. */
  readonly transfers: number;
}

export interface BridgeContext {
  readonly store: Store;
  readonly homeserver: Homeserver;
  readonly crypto: MatrixCrypto;
  readonly network: InteropNetwork;
  readonly networkMedia: NetworkMedia;
  readonly matrixMedia: MatrixMedia;
  readonly mediaHost: MediaHost;
  readonly signal: Signal;
  readonly minter: TokenMinter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: BridgeSettings;
  readonly bot: Actor;
  readonly limits: Limits;
  readonly listening: Listening;
  readonly counters: BridgeCounters;
}

/** What the domain counts. */
export interface BridgeCounters {
  delivered(direction: 'to-matrix' | 'to-whatsapp', outcome: string): void;
  retry(direction: 'asked' | 'answered' | 'refused'): void;
  file(direction: 'to-matrix' | 'to-whatsapp', outcome: string): void;
}

export type ActiveAccount = Account & { readonly state: { readonly at: 'active' } };

export function isActive(account: Account | undefined): account is ActiveAccount {
  return account?.state.at === 'active';
}

/** Whether this is the bot or a ghost. */
export function isOurs({ bot, settings }: BridgeContext, user: UserId): boolean {
  return user === bot.user || (user.startsWith(`@${settings.ghostPrefix}`) && user.endsWith(`:${settings.serverName}`));
}
