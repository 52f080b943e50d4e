// The demo as a user runs it: one command, judged by its exit status, its report, a fresh login and what it leaves behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { MatrixUser } from '../../src/demo/matrix-user.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const installingMs = 600_000;

const filled = z.string().min(1);
const reportSchema = z.object({
  delivered: z.boolean(),
  failures: z.array(z.string()),
  homeserverUrl: z.url(),
  serverName: filled,
  user: z.string().startsWith('@'),
  password: filled,
  recoveryKey: filled,
  bot: z.string().startsWith('@'),
  sandboxUrl: z.url(),
  phoneNumber: z.string().startsWith('+'),
  phones: z.array(z.object({ number: z.string().startsWith('+'), name: filled })).min(2),
  processes: z.object({ demo: z.int(), synapse: z.int() }),
  rooms: z.array(
    z.object({
      roomId: filled,
      phone: filled,
      label: z.object({ chat: filled, ghost: filled, topic: filled, firstNotice: filled }),
    }),
  ),
  transcript: z.array(
    z.object({
      direction: z.enum(['to-matrix', 'to-whatsapp']),
      firstContact: z.boolean(),
      roomId: filled,
      text: filled,
      matrix: z.object({
        eventId: z.string().startsWith('$'),
        encrypted: z.boolean(),
        text: z.string().optional(),
        shield: z.object({ color: z.string() }),
        senderDevices: z.array(z.object({ deviceId: filled, crossSigned: z.boolean() })),
      }),
      whatsapp: z.object({ messageId: filled, text: z.string().optional(), status: filled }),
      latencyMs: z.number().positive(),
      delivered: z.boolean(),
    }),
  ),
});

let directory: string;
let reportFile: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'maw-demo-test-'));
  reportFile = join(directory, 'report.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** In a process group of its own, so that Ctrl-C can reach it as from a terminal: npm and all that it started. */
function npmRunDemo(...args: string[]): ChildProcess {
  const command = ['run', 'demo', '--', '--report', reportFile, ...args];
  const env = { ...process.env, TMPDIR: directory };
  return spawn('npm', command, { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
}

const readReport = () => reportSchema.parse(JSON.parse(readFileSync(reportFile, 'utf8')));

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Databases, logs and keys are gone; the compile caches of npm's own tools are not ours. */
const leftBehind = () => readdirSync(directory).filter((name) => name.startsWith('matrix-whatsapp-demo-'));

test(
  '--exit delivers every message, in both directions and with first contact from each side, and leaves nothing behind',
  async () => {
    const demo = npmRunDemo('--exit');
    const output = demo.stdout ? text(demo.stdout) : '';
    const [status] = await once(demo, 'exit');
    const report = readReport();
    expect(report.failures).toEqual([]);
    expect(status).toBe(0);
    const { transcript, rooms } = report;
    for (const message of transcript) {
      expect(message.matrix).toMatchObject({ encrypted: true, text: message.text, shield: { color: 'none' } });
      expect(message.matrix.senderDevices).toMatchObject([{ crossSigned: true }]);
      expect(message.whatsapp).toMatchObject({ text: message.text, status: 'delivered' });
      expect(message.delivered).toBe(true);
      expect(await output).toContain(message.matrix.eventId);
    }
    for (const direction of ['to-matrix', 'to-whatsapp']) {
      const messages = transcript.filter((message) => message.direction === direction);
      expect(messages.length).toBeGreaterThanOrEqual(6);
      expect(messages.filter(({ firstContact }) => firstContact)).toHaveLength(1);
    }
    expect(rooms.map(({ label }) => label.chat)).toEqual(['Anna (WhatsApp)', 'Ben (WhatsApp)']);
    for (const { label } of rooms) expect(`${label.topic} ${label.firstNotice}`).toMatch(/external chat/i);
    expect([report.processes.demo, report.processes.synapse].filter(isRunning)).toEqual([]);
    expect(leftBehind()).toEqual([]);
  },
  installingMs,
);

test(
  'it stays up for a fresh login with the recovery key, which reads old and new messages, until Ctrl-C stops all of it',
  async () => {
    const demo = npmRunDemo();
    const { stdout, pid } = demo;
    if (!stdout || pid === undefined) throw new Error('npm could not be started');
    // Not npm's exit: npm and the shell between may be gone before the demo has stopped, which holds this pipe to its end.
    const closed = once(demo, 'close');
    const lines: string[] = [];
    try {
      const ready = new Promise<void>((resolve) => {
        createInterface({ input: stdout }).on('line', (line) => {
          lines.push(line);
          if (line.includes('until Ctrl-C')) resolve();
        });
      });
      await Promise.race([ready, closed]);
      const report = readReport();
      const { homeserverUrl, user, password, recoveryKey, processes } = report;
      const fresh = await MatrixUser.login({ homeserverUrl, user, password, recoveryKey, strict: true });
      for (const { roomId } of report.rooms) {
        const said = report.transcript.filter((message) => message.roomId === roomId).map((message) => message.text);
        const readable = (await fresh.messages(roomId)).filter(({ msgtype }) => msgtype === 'm.text');
        expect(readable.map(({ body }) => body)).toEqual(said);
      }
      const roomId = report.rooms[0]?.roomId ?? '';
      const url = `${report.sandboxUrl}/sandbox/phones/${report.phoneNumber.slice(1)}/messages`;
      const body = JSON.stringify({ to: user, text: 'and now?' });
      await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      const late = await fresh.waitForMessage(roomId, (event) => event.body === 'and now?');
      expect(late).toMatchObject({ encrypted: true, shield: { color: 'none' } });
      await fresh.logout();

      expect([processes.demo, processes.synapse].filter(isRunning)).toHaveLength(2);
      process.kill(-pid, 'SIGINT');
      await closed;
      expect(lines.at(-1)).toMatch(/Stopped$/);
      await expect.poll(() => [processes.demo, processes.synapse].filter(isRunning)).toEqual([]);
      expect(leftBehind()).toEqual([]);
    } finally {
      if (demo.exitCode === null && demo.signalCode === null) process.kill(-pid, 'SIGKILL');
    }
  },
  installingMs,
);

test('without Python and Docker it says what to install, reports the failure and fails', async () => {
  const command = [join(root, 'bin/matrix-appservice-whatsapp.js'), 'demo', '--exit', '--report', reportFile];
  const env = { ...process.env, PATH: directory, TMPDIR: directory };
  const demo = spawn(process.execPath, command, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const complaint = await text(demo.stderr);
  if (demo.exitCode === null) await once(demo, 'exit');
  expect(demo.exitCode).toBe(1);
  expect(complaint).toMatch(/^error: Neither Python 3\.10 .* install Python 3\.10\+\.\n$/);
  const failed = z.object({ delivered: z.literal(false), failures: z.array(z.string()).length(1) });
  expect(failed.parse(JSON.parse(readFileSync(reportFile, 'utf8'))).failures[0]).toContain('Python');
  expect(leftBehind()).toEqual([]);
});
