// The command line as a shell sees it: every test runs the real program.
import { spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { rotateKeyFile } from '../../src/cli/master-key-rotation.ts';
import { runUntilSignal } from '../../src/cli/shutdown.ts';
import { parseConfig } from '../../src/config/config.ts';
import { newMasterKeyText, readMasterKey } from '../../src/config/master-key.ts';
import { parseRegistration } from '../../src/matrix/registration.ts';
import { systemClock } from '../../src/model/clock.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { openStore } from '../../src/store/open-store.ts';

const directory = mkdtempSync(join(tmpdir(), 'cli-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

const program = resolve('bin/matrix-appservice-whatsapp.js');

async function cli(args: readonly string[], nodeArgs: readonly string[] = []) {
  const child = spawn(process.execPath, [...nodeArgs, program, ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (output.stdout += data));
  child.stderr.on('data', (data) => (output.stderr += data));
  const status = await new Promise((done) => child.on('close', done));
  return { ...output, status };
}

describe('command line', () => {
  it('tells an older Node what it needs, before loading anything', async () => {
    const pretend = `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'20.11.1'}})`;
    const { stderr, stdout, status } = await cli(['--help'], ['--import', pretend]);
    expect(stderr).toMatch(
      /^matrix-appservice-whatsapp needs Node 22\.18 or newer, and this is Node 20\.11\.1[^\n]*\n$/,
    );
    expect([stdout, status]).toEqual(['', 1]);
  });

  it('helps, names its version, and loads nothing native for that', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(await cli(['--version'])).toEqual({ stdout: `${version}\n`, stderr: '', status: 0 });
    const noNative = `data:text/javascript,process.dlopen=()=>{throw new Error('native code')}`;
    const help = await cli(['--help'], ['--import', noNative]);
    expect(help).toMatchObject({ stderr: '', status: 0 });
    for (const command of ['init', 'run', 'key', 'db', 'sandbox', 'demo', 'Examples:'])
      expect(help.stdout).toContain(command);
  });

  it('answers mistakes with a suggestion and status 2', async () => {
    for (const [args, hint] of [
      [['inti'], /unknown command 'inti'\n\(Did you mean init\?\)/],
      [['run', '--confg', 'x'], /unknown option '--confg'\n\(Did you mean --config\?\)/],
      [['key', 'rotate', '--confg', 'x'], /\(Did you mean --config\?\)/],
      [
        ['init'],
        /nobody to ask here, so these are needed: --server-name, --public-url, --operator-name, --operator-contact/,
      ],
    ] as const) {
      const { stderr, status } = await cli(args);
      expect(stderr).toMatch(hint);
      expect(status).toBe(2);
    }
  });

  it('explains a failure in one sentence, with the stack only when asked', async () => {
    const plain = await cli(['run', '--config', 'none.yaml']);
    expect(plain).toEqual({
      stdout: '',
      stderr: 'error: none.yaml: there is no such file; `init` writes one\n',
      status: 1,
    });
    expect((await cli(['run', '--config', 'none.yaml', '--debug'])).stderr).toMatch(/\n +at /);
  });
});

describe('init', () => {
  const target = join(directory, 'new');
  const operator = ['--operator-name', 'Example', '--operator-contact', '@admin:example.org'];
  const flags = ['--yes', '--server-name', 'example.org', '--public-url', 'https://wa.example.org', ...operator];
  const network = ['--chat-url', 'wss://chat.example.net/ws', '--enlistment-url', 'https://enlist.example.net'];

  it('writes files that load, with secrets that only their owner can read, and prints what to do next', async () => {
    const { stdout, stderr, status } = await cli([
      'init',
      '--dir',
      target,
      ...flags,
      ...network,
      '--listen-port',
      '9777',
    ]);
    expect([stderr, status]).toEqual(['', 0]);
    const file = join(target, 'config.yaml');
    const config = parseConfig(parse(readFileSync(file, 'utf8')), file);
    expect(config.appservice.listen.port).toBe(9777);
    expect(config.networks.whatsapp?.chat_url).toBe('wss://chat.example.net/ws');
    expect(config.operator).toEqual({ name: 'Example', contact: '@admin:example.org' });
    expect(readMasterKey(config.master_key_file)).toHaveLength(32);
    const registration = parseRegistration(readFileSync(config.appservice.registration, 'utf8'), 'registration.yaml');
    expect(registration.url).toBe('http://127.0.0.1:9777');
    // Synapse refuses /sync to the sender, and the bot needs it.
    expect(registration.senderLocalpart).not.toBe(config.appservice.bot.localpart);
    expect(readFileSync(config.appservice.registration, 'utf8')).toContain(`^@${config.appservice.bot.localpart}:`);
    for (const secret of [config.master_key_file, config.appservice.registration])
      expect(statSync(secret).mode & 0o777).toBe(0o600);
    expect(stdout).toContain(`- ${JSON.stringify(config.appservice.registration)}`);
    expect(stdout).toContain('msc3202_transaction_extensions: true');
    expect(stdout).not.toContain(registration.asToken);
  });

  it('overwrites nothing, and leaves nothing behind when one file is in the way', async () => {
    const before = readFileSync(join(target, 'master.key'), 'utf8');
    const again = await cli(['init', '--dir', target, ...flags]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('nothing was written, because this exists already');
    expect(readFileSync(join(target, 'master.key'), 'utf8')).toBe(before);
    rmSync(join(target, 'config.yaml'));
    rmSync(join(target, 'registration.yaml'));
    expect((await cli(['init', '--dir', target, ...flags])).status).toBe(1);
    expect(readdirSync(target)).toEqual(['master.key']);
  });

  it('refuses an answer that is not allowed before it writes', async () => {
    const place = join(directory, 'refused');
    const { stderr, status } = await cli(['init', '--dir', place, ...flags, '--listen-port', 'abc']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/config\.yaml: appservice\.listen\.port: .*allowed: a whole number from 1 to 65535/);
    expect(existsSync(place)).toBe(false);
  });

  it('leaves unknown endpoints empty, so that run names them', async () => {
    const place = join(directory, 'unknown');
    const { stdout } = await cli(['init', '--dir', place, ...flags]);
    expect(stdout).toContain('Fill in networks.whatsapp.chat_url and networks.whatsapp.enlistment_url');
    const { stderr } = await cli(['run', '--config', join(place, 'config.yaml')]);
    expect(stderr).toContain('networks.whatsapp.chat_url: found "", allowed: a wss://, ws:// or tcp:// address');
  });
});

describe('shutdown', () => {
  /** A run whose parts the test settles by hand. */
  function supervised(boundMs = 60_000) {
    const signals = new EventEmitter();
    const started = Promise.withResolvers<{ stop(): Promise<void> }>();
    const stopping = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    const exited = Promise.withResolvers<number>();
    const app = {
      stop: () => {
        stopping.resolve();
        return stopped.promise;
      },
    };
    const status = runUntilSignal({
      start: () => started.promise,
      logger: createLogger({ level: 'silent' }),
      boundMs,
      signals,
      exit: exited.resolve,
    });
    return { signals, started, stopping, stopped, exited, app, status };
  }

  it('stops cleanly on a signal, also on one that comes while starting', async () => {
    const run = supervised();
    run.signals.emit('SIGTERM');
    run.started.resolve(run.app);
    await run.stopping.promise;
    run.stopped.resolve();
    expect(await run.status).toBe(0);
    expect(run.signals.listenerCount('SIGTERM') + run.signals.listenerCount('SIGINT')).toBe(0);
  });

  it('ends at once on a second signal, unless that is the echo of the first', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const exits: number[] = [];
      const run = supervised();
      void run.exited.promise.then((status) => exits.push(status));
      run.started.resolve(run.app);
      run.signals.emit('SIGINT');
      await run.stopping.promise;
      vi.advanceTimersByTime(900);
      run.signals.emit('SIGINT');
      await Promise.resolve();
      expect(exits).toEqual([]);
      vi.advanceTimersByTime(200);
      run.signals.emit('SIGINT');
      expect(await run.exited.promise).toBe(130);
      run.stopped.resolve();
    } finally {
      vi.useRealTimers();
    }
  });

  it('ends when stopping takes longer than the bound', async () => {
    const run = supervised(5);
    run.started.resolve(run.app);
    run.signals.emit('SIGTERM');
    expect(await run.exited.promise).toBe(1);
    run.stopped.resolve();
  });

  it('reports a failed start', async () => {
    const run = supervised();
    run.started.reject(new Error('no homeserver'));
    await expect(run.status).rejects.toThrow('no homeserver');
  });
});

describe('master key rotation', () => {
  const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');

  it('puts the new key in place once everything is wrapped with it, and finishes an interrupted rotation', async () => {
    const file = join(directory, 'rotate.key');
    writeFileSync(file, newMasterKeyText(), { mode: 0o600 });
    const old = hex(readMasterKey(file));
    const offered: string[] = [];
    const killed = rotateKeyFile(file, async (from, to) => {
      offered.push(hex(from), hex(to));
      throw new Error('killed');
    });
    await expect(killed).rejects.toThrow('killed');
    expect(hex(readMasterKey(file))).toBe(old);
    await rotateKeyFile(file, async (from, to) => void offered.push(hex(from), hex(to)));
    expect(offered).toEqual([old, offered[1], old, offered[1]]);
    expect(hex(readMasterKey(file))).toBe(offered[1]);
    expect(offered[1]).not.toBe(old);
    expect(existsSync(`${file}.next`)).toBe(false);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('leaves a database that opens with the new key only', async () => {
    const place = join(directory, 'rotated');
    const endpoints = ['--chat-url', 'wss://chat.example.net/ws', '--enlistment-url', 'https://enlist.example.net'];
    const operator = ['--operator-name', 'Example', '--operator-contact', '@admin:example.org'];
    const answers = [
      '--server-name',
      'example.org',
      '--public-url',
      'https://wa.example.org',
      ...operator,
      ...endpoints,
    ];
    expect((await cli(['init', '--yes', '--dir', place, ...answers])).status).toBe(0);
    const path = join(place, 'bridge.db');
    const keyFile = join(place, 'master.key');
    const old = readMasterKey(keyFile);
    const before = await openStore({ path, masterKey: old, clock: systemClock });
    const busy = await cli(['key', 'rotate', '--config', join(place, 'config.yaml')]);
    expect(busy.stderr).toMatch(/^error: .*bridge\.db/);
    expect(busy.status).toBe(1);
    await before.close();
    expect(await cli(['key', 'rotate', '--config', join(place, 'config.yaml')])).toMatchObject({
      stderr: '',
      status: 0,
    });
    await expect(openStore({ path, masterKey: old, clock: systemClock })).rejects.toMatchObject({
      code: 'store.wrong-key',
    });
    const after = await openStore({ path, masterKey: readMasterKey(keyFile), clock: systemClock });
    expect(after.instanceId).toBe(before.instanceId);
    await after.close();
  });
});
