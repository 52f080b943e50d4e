// The parts that everything which handles stanzas shares.
import type { Clock } from '../model/clock.ts';
import type { Stanza } from '../whatsapp/binary/index.ts';
import type { Companions } from './companions.ts';
import type { Account, Directory } from './directory.ts';
import type { FileBytes } from './media-cipher.ts';
import type { MediaFault } from './media-faults.ts';
import type { Device, PreKeys } from './pre-keys.ts';
import type { Queue } from './queue.ts';
import type { SpamReports } from './reports.ts';
import type { State } from './state.ts';

/** A file that the media host has taken. */
export interface StoredBlob {
  readonly name: string;
  readonly url: string;
  readonly directPath: string;
  /** Of what was stored. */
  readonly sha256: Uint8Array;
}

/** Where clients upload and fetch encrypted files. */
export interface Blobs {
  /** `localhost:<port>`, always over HTTPS. */
  readonly host: string;
  /** The same host without TLS, within this process: `http://127.0.0.1:<port>`. */
  readonly innerUrl: string;
  /** What an upload must carry, and for how many seconds it is accepted. */
  permit(): { readonly auth: string; readonly seconds: number };
  /** Stores a file as an upload does; `expected` is the base64url of its hash. Rejects with HttpError 400 or 413, or with what `bytes` throws. */
  put(bytes: FileBytes, expected?: string): Promise<StoredBlob>;
  /** What happens to a file on its way from now on; undefined: nothing. */
  setFault(directPath: string, fault: MediaFault | undefined): void;
  /** How often a file was asked for (GET), since the start of this process. */
  downloads(directPath: string): number;
}

/** A way for tests to play a faulty or malicious network. */
export interface Interference {
  /** What really reaches the device in place of this message. */
  deliver(to: Device, message: Stanza): readonly Stanza[];
  /** Sees every message as its recipient will get it. */
  routed(to: Device, message: Stanza): void;
  /** What is handed out in place of these keys of a device. */
  handOut(of: Device, bundle: readonly Stanza[]): readonly Stanza[];
  /** The reason with which this account is refused at its next login, if it is to be. */
  refusal(account: number): number | undefined;
}

export interface Network {
  readonly state: State;
  readonly directory: Directory;
  readonly preKeys: PreKeys;
  readonly companions: Companions;
  readonly blobs: Blobs;
  readonly queue: Queue;
  readonly reports: SpamReports;
  readonly interference: Interference;
  readonly clock: Clock;
}

/** Who sent a stanza: a device that has logged in. */
export interface Sender {
  readonly account: Account;
  readonly device: Device;
}

/** What a device gets if it is connected, and nobody else. */
export interface Live {
  readonly to: Device;
  readonly stanza: Stanza;
}

/** What handling a stanza led to: answers to the sender, and devices for which something was put in the queue. */
export interface Outcome {
  readonly answers: readonly Stanza[];
  readonly reached: readonly Device[];
  readonly live?: readonly Live[] | undefined;
  /** A linked client that has logged out. */
  readonly leaving?: Device | undefined;
}

export const nothing: Outcome = { answers: [], reached: [] };

/** Unix seconds, as stanzas carry them. */
export const seconds = (clock: Clock): number => Math.floor(clock.now() / 1000);
