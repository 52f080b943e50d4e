import { copyFile } from 'node:fs/promises';
import { readFile } from 'node:fs/promises';
import { Scene } from './scene.ts';
import { figuresOf } from './process-figures.ts';
import { loadConfig } from '../../src/config/config.ts';
const prof = process.env.PROF ? ['--cpu-prof', '--cpu-prof-dir=/tmp/scale/prof'] : [];
const scene = await Scene.start({ execArgv: prof });
await scene.bridge.stop();
const config = loadConfig(scene.configPath);
await copyFile('/tmp/scale/big.db', config.database.sqlite);
process.env.MAW_MASTER_KEY = Buffer.alloc(32, 7).toString('base64');
await (await import('node:fs/promises')).rm(config.database.crypto, { force: true });
await (await import('node:fs/promises')).rm(config.database.crypto + '-wal', { force: true });
await (await import('node:fs/promises')).rm(config.database.crypto + '-shm', { force: true });
console.log('rows', scene.directory);
for (let i = 0; i < 3; i++) {
const t = performance.now();
await scene.startBridge();
const ready = performance.now() - t;
const f = await figuresOf(scene.bridge.pid);
console.log('ready ms', ready.toFixed(), 'cpu', f.cpuMs, 'rss', (f.residentBytes / 1e6).toFixed());
for (let k = 0; k < 10; k++) {
await new Promise((r) => setTimeout(r, 2000));
const g = await figuresOf(scene.bridge.pid);
console.log('after', (performance.now() - t).toFixed(), 'connections', await scene.network.call('connections', undefined), 'cpu', g.cpuMs, 'rss', (g.residentBytes / 1e6).toFixed());
}
const s = performance.now(); await scene.bridge.stop(); console.log('stop', (performance.now() - s).toFixed());
}
console.log((await readFile(scene.directory + '/bridge.log', 'utf8')).split('\n').slice(-6).join('\n').slice(0, 2000));
await scene.homeserver.stop(); await scene.network.stop(); process.exit();
