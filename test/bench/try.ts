import { Scene, waitUntil } from './scene.ts';
import { figuresOf } from './process-figures.ts';
const mode = process.argv[2], chats = Number(process.argv[3] ?? 10), messages = Number(process.argv[4] ?? 2000), rate = Number(process.argv[5] ?? 0);
const prof = process.env.PROF ? ['--cpu-prof', '--cpu-prof-dir=/tmp/scale/prof'] : [];
const scene = await Scene.start({ execArgv: prof });
try {
  console.log('first', await scene.addChats(chats));
  for (let round = 0; round < 2; round++) {
  const b = await figuresOf(scene.bridge.pid);
  if (mode === 'out') await scene.homeserver.call('record', { count: chats, messages });
  else await scene.network.call('write', { count: chats, messages });
  if (process.env.ECHO) await scene.homeserver.call('echo', true);
  const t = performance.now();
  let sent: number[][], taken: number[][];
  if (mode === 'out') {
    sent = await scene.homeserver.call('replay', { count: chats, perSecond: rate });
    console.log('pushed', (performance.now()-t).toFixed());
    await waitUntil(async () => (await scene.network.call('taken', undefined)) >= messages);
    console.log('ms', (performance.now()-t).toFixed(), 'per s', (messages/(performance.now()-t)*1000).toFixed());
    taken = await scene.network.call('takenAt', chats);
  } else {
    sent = await scene.network.call('send', { count: chats, perSecond: rate });
    console.log('acked', (performance.now()-t).toFixed());
    await waitUntil(async () => (await scene.homeserver.call('taken', undefined)) >= messages);
    console.log('ms', (performance.now()-t).toFixed(), 'per s', (messages/(performance.now()-t)*1000).toFixed());
    taken = await scene.homeserver.call('takenAt', chats);
  }
  const f = await figuresOf(scene.bridge.pid);
  const lat = sent.flatMap((times, i) => times.map((s, k) => (taken[i]?.[k] ?? NaN) - s)).sort((x, y) => x - y);
  const q = (p: number) => lat[Math.floor((lat.length - 1) * p)]?.toFixed(1);
  console.log('latency p50', q(0.5), 'p95', q(0.95), 'p99', q(0.99), 'cpu/msg', ((f.cpuMs - b.cpuMs) / messages).toFixed(2), 'written/msg', ((f.writtenBytes - b.writtenBytes) / messages).toFixed(), 'rss', (f.residentBytes / 1e6).toFixed());
  }
} finally { await scene.stop(); }
