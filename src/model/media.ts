// Files: what both networks say of them, and the ports through which they stream from one encryption into the other.
import type { Network } from './account.ts';
import type { Actor } from './contact.ts';
import type { AccountId, MessageId } from './ids.ts';

/** Decides under which label WhatsApp derives a file's keys; stickers use that of images (docs/protocol.md, "Media"). */
export type MediaKind = 'image' | 'video' | 'audio' | 'document' | 'sticker';

/** An encrypted file as a WhatsApp message describes it. Nothing of it is true before it has been verified. */
export interface NetworkFile {
  readonly kind: MediaKind;
  readonly url: string | undefined;
  /** Path and query below the network's media host. */
  readonly directPath: string | undefined;
  /** 32 bytes. */
  readonly mediaKey: Uint8Array;
  /** SHA-256 of what is fetched. */
  readonly encryptedSha256: Uint8Array;
  /** SHA-256 of the file itself; older messages of stickers leave it out. */
  readonly sha256: Uint8Array | undefined;
  /** Bytes of the file itself, as the sender claims. */
  readonly size: number;
}

/** Where a profile picture is, as the network says. */
export interface NetworkPicture {
  readonly url: string | undefined;
  /** Path and query below the network's host for pictures. */
  readonly directPath: string | undefined;
}

/** An encrypted attachment (Matrix spec, "Sending encrypted attachments", version v2). */
export interface MatrixFile {
  readonly url: MediaUri;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 16 bytes, the last 8 of them zero in files of ours. */
  readonly iv: Uint8Array;
  /** SHA-256 of the ciphertext, 32 bytes. */
  readonly encryptedSha256: Uint8Array;
}

/** `mxc://server/id`. */
export type MediaUri = `mxc://${string}/${string}`;

/** The bytes of a file as they pass: never held as a whole, never written to a disk unencrypted. */
export type FileBytes = AsyncIterable<Uint8Array>;

/**
 * A file that is being read. `bytes` can be read once. It ends only if everything was verified, and throws BridgeError otherwise, so
 * what was made of it must not be used before the end.
 */
export interface OpenedFile {
  /** Of the file itself, in bytes, as far as it is known before the end. */
  readonly size: number | undefined;
  readonly bytes: FileBytes;
}

export interface TransferOptions {
  /** The largest file that is taken, in bytes of the file itself. Beyond it: BridgeError `media.too-large`. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** What a message has to say of a file that was encrypted for WhatsApp. */
export interface SealedFile {
  readonly sha256: Uint8Array;
  readonly encryptedSha256: Uint8Array;
  /** Bytes of the file itself. */
  readonly size: number;
}

export interface SealingFile {
  readonly ciphertext: FileBytes;
  /** Once `ciphertext` has been read to its end; throws before. */
  sealed(): SealedFile;
}

/** AES-256-GCM under a key derived from the file's; the tag is the end of `ciphertext`. */
export interface SealedForRetry {
  readonly ciphertext: Uint8Array;
  /** 12 bytes where it is genuine. */
  readonly iv: Uint8Array;
}

/** What a contact's device answers when it is asked to upload a file again: readable only with the file's key, or an error code. */
export type MediaRetryAnswer =
  | ({ readonly kind: 'sealed' } & SealedForRetry)
  | { readonly kind: 'error'; readonly code: number };

export type MediaRetryOutcome =
  | { readonly outcome: 'found'; readonly directPath: string }
  /** The device does not have the file any more. */
  | { readonly outcome: 'gone' }
  /** Not from somebody who knows the file and the message, or the device could not do it. */
  | { readonly outcome: 'unreadable' };

/** WhatsApp's side of files. */
export interface NetworkMedia {
  /**
   * Fetches and decrypts. Broken transfers are resumed and tried again within bounds. Rejects, or ends the bytes, with BridgeError
   * `media.gone` (the network has dropped it: a re-request may help), `media.corrupt` (a hash or the MAC does not fit),
   * `media.too-large`, `media.refused` (an address that is not the network's), `media.unavailable` (retry later).
   */
  open(network: Network, file: NetworkFile, options: TransferOptions): Promise<OpenedFile>;
  /** Fetches a picture that is not encrypted, a profile's; with the bounds and errors of `open`. Nothing verifies what it is. */
  openPicture(network: Network, picture: NetworkPicture, options: TransferOptions): Promise<OpenedFile>;
  /** Encrypts as it is read. The same key and the same bytes give the same ciphertext. */
  seal(kind: MediaKind, mediaKey: Uint8Array, bytes: FileBytes): SealingFile;
  /** What became of a re-request for the file of message `id`. Pure; never throws. The path is as untrusted as any other. */
  readMediaRetry(mediaKey: Uint8Array, id: MessageId, answer: MediaRetryAnswer): MediaRetryOutcome;
}

/** Matrix's side of files. */
export interface MatrixMedia {
  /** The homeserver's own limit for one upload, in bytes; undefined where it does not say. */
  uploadLimit(): Promise<number | undefined>;
  /**
   * Encrypts and uploads as it is read, with fresh keys. `size` must be exact: other than so many bytes end with BridgeError
   * `media.wrong-size`. Where `bytes` throws, the upload is broken off before its end, and nothing of it is kept.
   */
  upload(actor: Actor, size: number, bytes: FileBytes, signal: AbortSignal): Promise<MatrixFile>;
  /** A picture that everybody may see, such as an avatar. */
  uploadPublic(actor: Actor, bytes: Uint8Array, contentType: string): Promise<MediaUri>;
  /** Fetches and decrypts; with the errors of NetworkMedia.open. */
  open(actor: Actor, file: MatrixFile, options: TransferOptions): Promise<OpenedFile>;
  /** Fetches a file that was uploaded unencrypted, such as a sticker of a pack. */
  openPublic(actor: Actor, uri: MediaUri, options: TransferOptions): Promise<OpenedFile>;
}

declare const brand: unique symbol;
/** The unguessable name of a hosted file; who knows it may fetch the ciphertext. */
export type HostedName = string & { readonly [brand]: 'HostedName' };

/** A file that we host for the network. */
export interface HostedFile {
  readonly name: HostedName;
  readonly account: AccountId;
  /** Of the ciphertext, in bytes. */
  readonly size: number;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** Our media host: ciphertext that the network fetches. A file that no record names is rubbish and is removed. */
export interface MediaHost {
  newName(): HostedName;
  addressOf(name: HostedName): { readonly url: string; readonly directPath: string };
  /**
   * Stores the whole file, or nothing; an earlier one of this name is replaced. `expectedSize` is reserved at once. Rejects with BridgeError
   * `media.host-full` (after what has expired was removed), or with what `ciphertext` throws.
   */
  put(account: AccountId, name: HostedName, expectedSize: number, ciphertext: FileBytes): Promise<void>;
  remove(name: HostedName): Promise<void>;
  /** Breaks off whatever is being fetched of this account's files. */
  endServing(account: AccountId): void;
  /** Removes files whose time is over, and those that no record names: what a crash has left, what belonged to an erased account. */
  sweep(): Promise<void>;
}

/** What the media host keeps in the database. Records go with their account. */
export interface HostedFiles {
  find(name: HostedName): Promise<HostedFile | undefined>;
  put(file: HostedFile): Promise<void>;
  remove(name: HostedName): Promise<void>;
  /** Bytes of all files. */
  total(): Promise<number>;
  expired(now: number, limit: number): Promise<readonly HostedFile[]>;
  /** Which of these names have a record. */
  known(names: readonly HostedName[]): Promise<ReadonlySet<HostedName>>;
}
