// What is known of a file while it passes: the translators say what to fetch and what to write once it has arrived.
import type { MessageId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/journal.ts';
import type { MatrixFile, MediaKind, MediaUri, NetworkFile, SealedFile } from '../../model/media.ts';
import type { Feature } from '../capabilities.ts';

export interface ToMatrixEvent {
  readonly type: 'm.room.message' | 'm.sticker';
  readonly content: JsonObject;
}

/** A small picture, as its sender made it; recognised by its first bytes, never decoded (docs/decisions/0009). */
export interface Thumbnail {
  readonly bytes: Uint8Array;
  readonly contentType: 'image/jpeg' | 'image/png' | 'image/webp';
}

/** What has arrived on Matrix's side. `size`: of the file itself, in bytes. */
export interface UploadedFile {
  readonly file: MatrixFile;
  readonly thumbnail?: MatrixFile;
  readonly size: number;
}

/** A file that a contact sent. */
export interface FileToMatrix {
  readonly kind: 'media';
  readonly feature: Feature;
  readonly file: NetworkFile;
  readonly thumbnail?: Thumbnail;
  /** The event, but for what it answers. Pure. */
  describe(uploaded: UploadedFile): ToMatrixEvent;
  readonly answers?: FileAnswered;
}

/** The message that is answered with a file. */
export interface FileAnswered {
  readonly id: MessageId;
  /** What stands for the reply where that message is not known: the content with a quotation. */
  quoting(content: JsonObject): JsonObject;
}

/** What is hosted for the network. */
export interface HostedDescription {
  readonly url: string;
  readonly directPath: string;
  /** 32 bytes. */
  readonly mediaKey: Uint8Array;
  readonly sealed: SealedFile;
  /** When the key was made, in milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** A JPEG; left out where it is none, or larger than `largestThumbnail`. */
  readonly thumbnail?: Uint8Array;
}

/** A file that a Matrix user sends. */
export interface FileToWhatsApp {
  readonly kind: 'media';
  readonly feature: Feature;
  readonly source:
    | { readonly kind: 'encrypted'; readonly file: MatrixFile }
    | { readonly kind: 'public'; readonly uri: MediaUri };
  readonly mediaKind: MediaKind;
  /** In bytes, as the sender claims. */
  readonly size: number | undefined;
  /** Small enough for WhatsApp, as far as its sender says. */
  readonly thumbnail?: MatrixFile;
  /** The serialised, unpadded `Message`. Pure: the same description gives the same bytes. */
  describe(hosted: HostedDescription): Uint8Array;
}

/** The largest thumbnail that is put into a WhatsApp message, in bytes. */
export const largestThumbnail = 16_384;
