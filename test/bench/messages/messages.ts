// Messages between stand-ins that answer at once, so that speed, latency and cost are the bridge's own; and what bounds them.
import { figuresOf } from '../process-figures.ts';
import { Scene, waitUntil } from '../scene.ts';
import { type Limits, measureLimits } from './limits.ts';
import { measureSynapse, type SynapseFigures } from './synapse.ts';

export type Direction = 'to-matrix' | 'to-whatsapp';

const directions: readonly Direction[] = ['to-matrix', 'to-whatsapp'];

export interface Latency {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface MessagesRow {
  readonly direction: Direction;
  readonly chats: number;
  readonly perSecond: number;
  /** Milliseconds, at half of that speed. */
  readonly latency: Latency;
  readonly cpuMs: number;
  readonly writtenBytes: number;
  readonly residentBytes: number;
}

export interface MessagesReport {
  readonly limits: Limits;
  /** Resident bytes for each ghost that is in use: what the later chats have added, as far as there were several numbers of them. */
  readonly ghostBytes: number | undefined;
  readonly rows: readonly MessagesRow[];
  /** Of a contact who writes for the first time: until the user is invited. */
  readonly firstContact: { readonly ms: number; readonly requests: number };
  readonly synapse: SynapseFigures | undefined;
}

export interface MessagesOptions {
  /** Of each measurement. */
  readonly messages: number;
  /** One measurement each way with so many at once; rising. */
  readonly chats: readonly number[];
  /** Also with a real Synapse, for comparison. */
  readonly synapse: boolean;
  /** Where V8 puts a CPU profile of the bridge when it ends; the figures are then those of a bridge that is watched. */
  readonly profile?: string | undefined;
}

export async function benchMessages(
  options: MessagesOptions,
  progress: (text: string) => void,
): Promise<MessagesReport> {
  const limits = await measureLimits();
  progress('limits measured');
  const rows: MessagesRow[] = [];
  const resident: { chats: number; bytes: number }[] = [];
  const { profile } = options;
  const watched = { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` };
  const scene = await Scene.start(profile === undefined ? {} : { environment: watched });
  try {
    const one = await scene.addChats(1);
    const firstContact = { ms: one.ms, requests: one.requests };
    // What a process has just begun to do is slow until V8 has compiled it: nothing of that is measured.
    for (const direction of directions) {
      await pass(scene, direction, { chats: 1, messages: options.messages, perSecond: 0 });
    }
    progress('warmed up');
    for (const chats of options.chats) {
      if (chats > scene.chats) await scene.addChats(chats - scene.chats);
      resident.push({ chats: scene.chats, bytes: (await figuresOf(scene.bridge.pid)).residentBytes });
      for (const direction of directions) {
        rows.push(await measure(scene, direction, chats, options.messages));
        progress(`${direction}: ${chats} chats`);
      }
    }
    const synapse = options.synapse ? await measureSynapse() : undefined;
    return { limits, ghostBytes: perGhost(resident), rows, firstContact, synapse };
  } finally {
    await scene.stop();
  }
}

function perGhost(resident: readonly { readonly chats: number; readonly bytes: number }[]): number | undefined {
  // The first measurement warms the process up: what it adds says nothing of ghosts.
  const [before, last] = resident.slice(1).slice(-2);
  if (before === undefined || last === undefined || last.chats === before.chats) return undefined;
  return (last.bytes - before.bytes) / (last.chats - before.chats);
}

async function measure(scene: Scene, direction: Direction, chats: number, messages: number): Promise<MessagesRow> {
  const before = await figuresOf(scene.bridge.pid);
  const full = await pass(scene, direction, { chats, messages, perSecond: 0 });
  const after = await figuresOf(scene.bridge.pid);
  const perSecond = (messages / full.ms) * 1000;
  const half = await pass(scene, direction, { chats, messages: Math.ceil(messages / 2), perSecond: perSecond / 2 });
  return {
    direction,
    chats,
    perSecond,
    latency: latencyOf(half.latencies),
    cpuMs: (after.cpuMs - before.cpuMs) / messages,
    writtenBytes: (after.writtenBytes - before.writtenBytes) / messages,
    residentBytes: after.residentBytes,
  };
}

interface Load {
  readonly chats: number;
  readonly messages: number;
  /** 0: as fast as they are taken. */
  readonly perSecond: number;
}

/** Answers how long it took until all had arrived, and each message's way, in milliseconds. */
export async function pass(
  { homeserver, network }: Pick<Scene, 'homeserver' | 'network'>,
  direction: Direction,
  { chats, messages, perSecond }: Load,
): Promise<{ readonly ms: number; readonly latencies: readonly number[] }> {
  const outward = direction === 'to-whatsapp';
  if (outward) await homeserver.call('record', { count: chats, messages });
  else await network.call('write', { count: chats, messages });
  const start = performance.now();
  const sent = outward
    ? await homeserver.call('replay', { count: chats, perSecond })
    : await network.call('send', { count: chats, perSecond });
  const arrived = () => (outward ? network.call('taken', undefined) : homeserver.call('taken', undefined));
  await waitUntil(async () => (await arrived()) >= messages);
  const ms = performance.now() - start;
  const taken = await (outward ? network.call('takenAt', chats) : homeserver.call('takenAt', chats));
  // Within a chat the order is kept, so the first that was sent is the first that arrives.
  return { ms, latencies: sent.flatMap((times, chat) => times.map((at, index) => (taken[chat]?.[index] ?? at) - at)) };
}

function latencyOf(latencies: readonly number[]): Latency {
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

export function messagesTable({ limits, ghostBytes, rows, firstContact, synapse }: MessagesReport): string[][] {
  const { signalEncrypt, signalDecrypt, megolmEncrypt, megolmDecrypt } = limits;
  const share = (part: number, whole: number): string => `${Math.round((part / whole) * 100)} %`;
  /** What each message needs of both, one after the other in one thread. */
  const both = (row: MessagesRow): number =>
    row.direction === 'to-matrix'
      ? 1 / (1 / signalDecrypt + 1 / megolmEncrypt)
      : 1 / (1 / megolmDecrypt + 1 / signalEncrypt);
  return [
    [
      'direction',
      'chats',
      'messages/s',
      'of raw ciphers',
      'of fsyncs',
      'p50 ms',
      'p95 ms',
      'p99 ms',
      'CPU ms',
      'KiB written',
      'RSS MiB',
    ],
    ...rows.map((row) => [
      row.direction,
      `${row.chats}`,
      row.perSecond.toFixed(0),
      share(row.perSecond, both(row)),
      share(row.perSecond, limits.fsync),
      ...[row.latency.p50, row.latency.p95, row.latency.p99].map((ms) => ms.toFixed(1)),
      row.cpuMs.toFixed(1),
      (row.writtenBytes / 1024).toFixed(0),
      (row.residentBytes / 1024 ** 2).toFixed(0),
    ]),
    [`first contact: ${firstContact.ms.toFixed(0)} ms, ${firstContact.requests} requests to the homeserver`],
    [
      `alone, in a second: ${signalEncrypt.toFixed(0)} Signal encryptions, ${signalDecrypt.toFixed(0)} decryptions, ` +
        `${megolmEncrypt.toFixed(0)} Megolm encryptions, ${megolmDecrypt.toFixed(0)} decryptions, ${limits.fsync.toFixed(0)} fsyncs`,
    ],
    ...(ghostBytes === undefined ? [] : [[`memory: ${(ghostBytes / 1024).toFixed(0)} KiB for each ghost in use`]]),
    ...(synapse === undefined
      ? []
      : [
          [
            `with Synapse: ${synapse.rawSends.toFixed(0)} raw sends/s by one client, ` +
              `${synapse.toMatrix.toFixed(0)} messages/s to Matrix (${Math.round((synapse.toMatrix / synapse.rawSends) * 100)} %), ` +
              `${synapse.toWhatsApp.toFixed(0)} messages/s to WhatsApp`,
          ],
        ]),
  ];
}
