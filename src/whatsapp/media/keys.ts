// What is derived from the key that a message carries for its file (fixed by WhatsApp; docs/protocol.md, "Media").
import { hkdfSync } from 'node:crypto';
import type { MediaKind } from '../../model/media.ts';

export interface MediaKeys {
  /** 16 bytes. */
  readonly iv: Uint8Array;
  /** 32 bytes, for AES-256-CBC. */
  readonly cipherKey: Uint8Array;
  /** 32 bytes, for HMAC-SHA256. */
  readonly macKey: Uint8Array;
}

const labels: Readonly<Record<MediaKind, string>> = {
  image: 'WhatsApp Image Keys',
  video: 'WhatsApp Video Keys',
  audio: 'WhatsApp Audio Keys',
  document: 'WhatsApp Document Keys',
  sticker: 'WhatsApp Image Keys',
};

export function mediaKeys(kind: MediaKind, mediaKey: Uint8Array): MediaKeys {
  const bytes = derive(mediaKey, labels[kind], 80);
  return { iv: bytes.subarray(0, 16), cipherKey: bytes.subarray(16, 48), macKey: bytes.subarray(48) };
}

/** 32 bytes, for the AES-256-GCM of media re-requests and their answers. */
export function retryKey(mediaKey: Uint8Array): Uint8Array {
  return derive(mediaKey, 'WhatsApp Media Retry Notification', 32);
}

function derive(mediaKey: Uint8Array, label: string, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', mediaKey, new Uint8Array(), label, length));
}
