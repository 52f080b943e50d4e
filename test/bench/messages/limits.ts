// What no bridge can be faster than, each by itself in this process: Signal, Megolm, and the disk.
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/model/clock.ts';
import { newAccountId, newContactId } from '../../../src/model/ids.ts';
import type { JsonObject } from '../../../src/model/journal.ts';
import type { PeerDevice, Signal, SignalWork } from '../../../src/model/signal.ts';
import { createSignal } from '../../../src/whatsapp/signal/index.ts';
import { CommittedState } from '../../support/signal-state.ts';
import { KeyServer } from '../stand-in/keys.ts';
import { StandInUser, type ToDevice } from '../stand-in/user.ts';

/** Operations in a second. */
export interface Limits {
  readonly signalEncrypt: number;
  readonly signalDecrypt: number;
  readonly megolmEncrypt: number;
  readonly megolmDecrypt: number;
  readonly fsync: number;
}

const count = 1_000;

async function rate(times: number, work: (number: number) => Promise<unknown> | unknown): Promise<number> {
  const start = performance.now();
  for (let number = 0; number < times; number += 1) await work(number);
  return (times / (performance.now() - start)) * 1000;
}

export async function measureLimits(): Promise<Limits> {
  return { ...(await signal()), ...(await megolm()), fsync: await disk() };
}

class Endpoint {
  readonly state = new CommittedState();
  readonly signal: Signal = createSignal({ reads: this.state, clock: systemClock });
  readonly other: PeerDevice = { account: newAccountId(), contact: newContactId(), device: 0 };
  readonly keys;

  constructor() {
    const { keys, changes } = this.signal.createIdentity(this.other.account, 1);
    this.state.commit(changes);
    this.keys = keys;
  }

  work<Result>(task: (unit: SignalWork) => Promise<Result>): Promise<Result> {
    return this.signal.exclusively([this.other], async (unit) => {
      const result = await task(unit);
      this.state.commit(unit.changes());
      return result;
    });
  }
}

async function signal(): Promise<Pick<Limits, 'signalEncrypt' | 'signalDecrypt'>> {
  const [alice, bob] = [new Endpoint(), new Endpoint()];
  await alice.work((unit) => unit.start(alice.other, { ...bob.keys, preKey: bob.keys.preKeys[0] }));
  const text = randomBytes(100);
  // Both have heard of each other, as in any conversation that is under way.
  const first = await alice.work((unit) => unit.encrypt(alice.other, text));
  await bob.work((unit) => unit.decrypt(bob.other, first));
  const reply = await bob.work((unit) => unit.encrypt(bob.other, text));
  await alice.work((unit) => unit.decrypt(alice.other, reply));
  const sealed: Awaited<ReturnType<SignalWork['encrypt']>>[] = [];
  const signalEncrypt = await rate(count, async () => {
    sealed.push(await alice.work((unit) => unit.encrypt(alice.other, text)));
  });
  const signalDecrypt = await rate(count, async (number) => {
    const next = sealed[number];
    if (next !== undefined) await bob.work((unit) => unit.decrypt(bob.other, next));
  });
  return { signalEncrypt, signalDecrypt };
}

async function megolm(): Promise<Pick<Limits, 'megolmEncrypt' | 'megolmDecrypt'>> {
  const keys = new KeyServer();
  const [alice, bob] = [await StandInUser.create('@alice:bench', keys), await StandInUser.create('@bob:bench', keys)];
  const room = '!room:bench';
  const content = { msgtype: 'm.text', body: 'a message of a conversation as people have it' };
  const toDevice: ToDevice[] = [];
  const events: JsonObject[] = [];
  const encrypt = async () => {
    const encrypted = await alice.encrypt(room, bob.id, content, (message) => toDevice.push(message));
    const known = { room_id: room, sender: alice.id, type: 'm.room.encrypted', origin_server_ts: Date.now() };
    events.push({ ...known, event_id: `$${events.length}:bench`, content: encrypted });
  };
  await encrypt();
  const megolmEncrypt = await rate(count, encrypt);
  await bob.receive(toDevice);
  const megolmDecrypt = await rate(count, async (number) => {
    const event = events[number];
    if (event !== undefined) await bob.decrypt(room, event);
  });
  return { megolmEncrypt, megolmDecrypt };
}

async function disk(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-disk-'));
  const file = openSync(join(directory, 'file'), 'w');
  const page = randomBytes(4096);
  try {
    return await rate(200, () => {
      writeSync(file, page);
      fsyncSync(file);
    });
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true });
  }
}
