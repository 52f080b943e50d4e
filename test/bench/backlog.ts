// A backlog in each direction: all of it waits in the database, so memory stays what it is while it grows and while it drains.
import { figuresOf } from './process-figures.ts';
import { Scene, waitUntil } from './scene.ts';

const chats = 20;

export interface BacklogReport {
  readonly messages: number;
  readonly beforeResidentBytes: number;
  readonly rows: readonly {
    readonly direction: 'to-matrix' | 'to-whatsapp';
    readonly drainMs: number;
    readonly peakResidentBytes: number;
  }[];
}

export async function benchBacklog(messages: number, progress: (text: string) => void): Promise<BacklogReport> {
  const scene = await Scene.start();
  const { homeserver, network } = scene;
  try {
    await scene.addChats(chats);
    const before = await figuresOf(scene.bridge.pid);
    // The homeserver answers nothing while everything comes.
    await network.call('write', { count: chats, messages });
    await homeserver.call('hold', undefined);
    await network.call('send', { count: chats, perSecond: 0 });
    progress(`${messages} messages wait for the homeserver`);
    let start = performance.now();
    await homeserver.call('release', undefined);
    await waitUntil(async () => (await homeserver.call('taken', undefined)) >= messages);
    const toMatrix = { drainMs: performance.now() - start, ...(await figuresOf(scene.bridge.pid)) };
    progress('drained to Matrix');
    // The homeserver pushes faster than messages can go on.
    await homeserver.call('record', { count: chats, messages });
    start = performance.now();
    await homeserver.call('replay', { count: chats, perSecond: 0 });
    progress(`${messages} messages wait for the network`);
    await waitUntil(async () => (await network.call('taken', undefined)) >= messages);
    const toWhatsApp = { drainMs: performance.now() - start, ...(await figuresOf(scene.bridge.pid)) };
    const row = (direction: 'to-matrix' | 'to-whatsapp', { drainMs, peakResidentBytes }: typeof toMatrix) => ({
      direction,
      drainMs,
      peakResidentBytes,
    });
    return {
      messages,
      beforeResidentBytes: before.residentBytes,
      rows: [row('to-matrix', toMatrix), row('to-whatsapp', toWhatsApp)],
    };
  } finally {
    await scene.stop();
  }
}

export function backlogTable({ messages, beforeResidentBytes, rows }: BacklogReport): string[][] {
  const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0);
  return [
    ['direction', 'messages', 'drained after s', 'peak RSS MiB', 'before MiB'],
    ...rows.map(({ direction, drainMs, peakResidentBytes }) => [
      direction,
      `${messages}`,
      (drainMs / 1000).toFixed(0),
      mebibytes(peakResidentBytes),
      mebibytes(beforeResidentBytes),
    ]),
  ];
}
