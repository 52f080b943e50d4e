// Files: how fast they pass the bridge's adapters and what memory that takes, beside the same bytes through the same ciphers alone.
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { encryptAttachment } from '../../../src/matrix/media/attachment.ts';
import type { FileBytes, MatrixFile, NetworkFile } from '../../../src/model/media.ts';
import { seal } from '../../../src/whatsapp/media/seal.ts';
import { endless } from '../../support/bytes.ts';
import { Apart } from '../apart.ts';
import type { MediaServersCalls } from './servers.ts';
import type { Direction, Measured, Transfer, TransferCalls } from './transfer.ts';

const mebibyte = 1024 ** 2;
const sizes = [1, 100, 1024].map((size) => size * mebibyte);
const severalOf = 100 * mebibyte;
/** As many as `media.transfers` lets pass at once. */
const several = 4;
/** A file that passes in milliseconds is sent so often that a second goes by. */
const leastBytes = 256 * mebibyte;

export interface MediaRow {
  readonly direction: Direction;
  readonly size: number;
  readonly together: number;
  readonly bytesPerSecond: number;
  /** Milliseconds for each MiB: says more than the speed where other processes want the same cores. */
  readonly cpuMsPerMebibyte: number;
  /** Of the speed of the two ciphers alone. */
  readonly shareOfCiphers: number;
  /** Of the speed of the ciphers and the hashes that both networks ask for. */
  readonly shareOfCiphersAndHashes: number;
  readonly extraResidentBytes: number;
}

type Speed = Pick<MediaRow, 'bytesPerSecond' | 'cpuMsPerMebibyte'>;

export interface MediaReport {
  readonly ciphers: Speed;
  readonly ciphersAndHashes: Speed;
  readonly rows: readonly MediaRow[];
}

export async function benchMedia(progress: (text: string) => void): Promise<MediaReport> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-files-'));
  try {
    const ciphers = await plain(false);
    const both = await plain(true);
    const rows: MediaRow[] = [];
    const measure = async (files: Files, direction: Direction, together: number): Promise<void> => {
      const { bytes, ms, cpuMs, extraBytes } = await repeated(files, direction, together);
      const bytesPerSecond = (bytes / ms) * 1000;
      progress(`${direction}: ${together} x ${files.size / mebibyte} MiB`);
      rows.push({
        direction,
        size: files.size,
        together,
        bytesPerSecond,
        cpuMsPerMebibyte: cpuMs / (bytes / mebibyte),
        shareOfCiphers: bytesPerSecond / ciphers.bytesPerSecond,
        shareOfCiphersAndHashes: bytesPerSecond / both.bytesPerSecond,
        extraResidentBytes: extraBytes,
      });
    };
    for (const size of sizes) {
      await withFiles(directory, size, async (files) => {
        for (const direction of ['to-matrix', 'to-whatsapp'] as const) {
          await measure(files, direction, 1);
          if (size === severalOf) await measure(files, direction, several);
        }
      });
    }
    return { ciphers, ciphersAndHashes: both, rows };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

type Files = Pick<Transfer, 'size' | 'networkFile' | 'matrixFile' | 'servers'>;

/** Writes the two encrypted files, and starts the servers that give them out. */
async function withFiles(directory: string, size: number, work: (files: Files) => Promise<void>): Promise<void> {
  const paths = { networkFile: join(directory, 'network'), matrixFile: join(directory, 'matrix') };
  const mediaKey = new Uint8Array(32).fill(1);
  const sealing = seal('document', mediaKey, endless(size));
  await write(paths.networkFile, sealing.ciphertext);
  const networkFile: NetworkFile = {
    kind: 'document',
    url: undefined,
    directPath: '/file?v=1',
    mediaKey,
    ...sealing.sealed(),
  };
  const encrypting = encryptAttachment(endless(size));
  await write(paths.matrixFile, encrypting.ciphertext);
  const matrixFile: MatrixFile = { url: 'mxc://localhost/file', ...encrypting.secrets() };
  const process = Apart.start<MediaServersCalls>(new URL('./servers.ts', import.meta.url));
  try {
    await work({ size, networkFile, matrixFile, servers: await process.call('listen', paths) });
  } finally {
    await process.stop();
  }
}

async function write(path: string, bytes: FileBytes): Promise<void> {
  await pipeline(Readable.from(bytes), createWriteStream(path));
}

/** Each time in a fresh process, so that no run pays for, or profits from, what another has left behind. */
async function repeated(files: Files, direction: Direction, together: number): Promise<Measured & { bytes: number }> {
  const each = files.size * together;
  const total = { ms: 0, cpuMs: 0, extraBytes: 0, bytes: 0 };
  const process = Apart.start<TransferCalls>(new URL('./transfer.ts', import.meta.url));
  try {
    while (total.bytes < leastBytes) {
      const { ms, cpuMs, extraBytes } = await process.call('transfer', { ...files, direction, together });
      total.ms += ms;
      total.cpuMs += cpuMs;
      total.extraBytes = Math.max(total.extraBytes, extraBytes);
      total.bytes += each;
    }
  } finally {
    await process.stop();
  }
  return total;
}

async function plain(hashing: boolean): Promise<Speed> {
  const process = Apart.start<TransferCalls>(new URL('./transfer.ts', import.meta.url));
  const bytes = 1024 * mebibyte;
  const { ms, cpuMs } = await process.call('plain', { bytes, hashing });
  await process.stop();
  return { bytesPerSecond: (bytes / ms) * 1000, cpuMsPerMebibyte: cpuMs / (bytes / mebibyte) };
}

const perSecond = (bytes: number): number => Math.round(bytes / mebibyte);

export function mediaTable({ ciphers, ciphersAndHashes, rows }: MediaReport): string[][] {
  const speed = ({ bytesPerSecond, cpuMsPerMebibyte }: Speed): [string, string] => [
    `${perSecond(bytesPerSecond)}`,
    cpuMsPerMebibyte.toFixed(1),
  ];
  return [
    ['direction', 'files', 'MiB/s', 'CPU ms/MiB', 'of AES alone', 'of AES and hashes', 'extra resident MiB'],
    ['AES alone, one process', '', ...speed(ciphers), '100 %', '', ''],
    ['AES and the four hashes, one process', '', ...speed(ciphersAndHashes), '', '100 %', ''],
    ...rows.map((row) => [
      row.direction,
      `${row.together} x ${row.size / mebibyte} MiB`,
      ...speed(row),
      percent(row.shareOfCiphers),
      percent(row.shareOfCiphersAndHashes),
      (row.extraResidentBytes / mebibyte).toFixed(1),
    ]),
  ];
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
