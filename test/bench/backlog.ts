// A backlog in each direction: all of it waits in the database, so memory stays what it is while it grows and while it drains.
import { type Figures, figuresOf, forgetPeak } from './process-figures.ts';
import { Scene, waitUntil } from './scene.ts';

const chats = 20;

export interface BacklogReport {
  readonly messages: number;
  readonly beforeResidentBytes: number;
  readonly rows: readonly {
    readonly direction: 'to-matrix' | 'to-whatsapp';
    /** When all of it waits. */
    readonly waitingResidentBytes: number;
    readonly drainMs: number;
    /** From the first message until the last has gone on. */
    readonly peakResidentBytes: number;
  }[];
}

export async function benchBacklog(messages: number, progress: (text: string) => void): Promise<BacklogReport> {
  const scene = await Scene.start();
  const { homeserver, network } = scene;
  try {
    await scene.addChats(chats);
    const { pid } = scene.bridge;
    const before = await figuresOf(pid);
    await forgetPeak(pid);
    // The homeserver answers nothing while everything comes.
    await network.call('write', { count: chats, messages });
    await homeserver.call('hold', undefined);
    await network.call('send', { count: chats, perSecond: 0 });
    progress(`${messages} messages wait for the homeserver`);
    const waitingIn = await figuresOf(pid);
    let start = performance.now();
    await homeserver.call('release', undefined);
    await waitUntil(async () => (await homeserver.call('taken', undefined)) >= messages);
    const toMatrix = row('to-matrix', performance.now() - start, waitingIn, await figuresOf(pid));
    progress('drained to Matrix');
    await forgetPeak(pid);
    // The homeserver pushes faster than messages can go on.
    await homeserver.call('record', { count: chats, messages });
    start = performance.now();
    await homeserver.call('replay', { count: chats, perSecond: 0 });
    progress(`${messages} messages wait for the network`);
    const waitingOut = await figuresOf(pid);
    await waitUntil(async () => (await network.call('taken', undefined)) >= messages);
    const toWhatsApp = row('to-whatsapp', performance.now() - start, waitingOut, await figuresOf(pid));
    return { messages, beforeResidentBytes: before.residentBytes, rows: [toMatrix, toWhatsApp] };
  } finally {
    await scene.stop();
  }
}

const row = (
  direction: BacklogReport['rows'][number]['direction'],
  drainMs: number,
  { residentBytes }: Figures,
  { peakResidentBytes }: Figures,
): BacklogReport['rows'][number] => ({ direction, waitingResidentBytes: residentBytes, drainMs, peakResidentBytes });

export function backlogTable({ messages, beforeResidentBytes, rows }: BacklogReport): string[][] {
  const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0);
  return [
    ['direction', 'messages', 'drained after s', 'RSS before MiB', 'while they wait', 'at most'],
    ...rows.map(({ direction, drainMs, waitingResidentBytes, peakResidentBytes }) => [
      direction,
      `${messages}`,
      (drainMs / 1000).toFixed(0),
      mebibytes(beforeResidentBytes),
      mebibytes(waitingResidentBytes),
      mebibytes(peakResidentBytes),
    ]),
  ];
}
