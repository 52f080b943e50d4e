// The interop client against a scripted server behind the real handshake: what it does when the network behaves, and when it does not.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Account, Network } from '../../src/model/account.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { AccountId, MessageId, RoomId, UserId } from '../../src/model/ids.ts';
import type { Disconnect, IncomingMessage, InteropClient, InteropEvents } from '../../src/model/interop.ts';
import { groupJid, interopJid, type Jid, lidJid, phoneJid, SERVER, withDevice } from '../../src/model/jid.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { ClientPayload_Product } from '../../src/proto/wire_pb.ts';
import {
  type AttributesInput,
  attribute,
  child,
  children,
  requireBytes,
  requireChild,
  type Stanza,
  stanza,
} from '../../src/whatsapp/binary/index.ts';
import { createInteropNetwork } from '../../src/whatsapp/network.ts';
import { DEFAULT_TUNING } from '../../src/whatsapp/tuning.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type ScriptedConnection, type ScriptedNetwork, startScriptedNetwork } from '../support/scripted-network.ts';

const anna = lidJid('100000001');
const ben = lidJid('100000002');
const own = interopJid(7, '4242');
const FOR_EVER = 2 ** 60;

let network: ScriptedNetwork;
let clock: ManualClock;
let client: InteropClient;
let tokens: number;
/** By which time each of them was made. */
let dates: number[];
/** What the client told the domain, as `name detail`. */
let told: string[];
let listeners: (() => void)[];

const tell = (line: string): void => {
  told.push(line);
  for (const listener of listeners) listener();
};
const heard = (line: string): Promise<void> =>
  new Promise((resolve) => {
    const check = (): void => {
      if (told.includes(line)) resolve();
    };
    listeners.push(check);
    check();
  });

const events = (own: Partial<InteropEvents> = {}): InteropEvents => ({
  message: async (message) => tell(`message ${message.id}`),
  receipt: async (receipt) => tell(`receipt ${receipt.type} ${receipt.ids.join(',')}`),
  retry: async (retry) => tell(`retry ${retry.id} ${retry.count}`),
  mediaRetry: async ({ id, from, answer }) => tell(`media ${id} ${from.user} ${answer.kind}`),
  call: async ({ id, from, alternative, video, timestamp }) =>
    tell(`call ${id} ${from.user} ${alternative?.user} ${video ? 'video' : 'voice'} ${timestamp}`),
  typing: ({ from, state }) => tell(`typing ${from.user} ${state}`),
  identityChanged: async (from) => tell(`identity ${from.user}`),
  devicesChanged: async (from) => tell(`devices ${from.user}`),
  pictureChanged: async (from) => tell(`picture ${from.user}`),
  preKeysLow: async (count) => tell(`low ${count}`),
  givenUp: async ({ kind, code, message }) => tell(`given up ${kind} ${message?.id} ${code}`),
  online: async () => tell('online'),
  offline: ({ reason, retry }: Disconnect) => tell(`offline ${reason} ${retry}`),
  ...own,
});

const makeClient = (
  own: Partial<InteropEvents> = {},
  tuning: object = {},
  rootKey = network.rootKey,
  on: Network = 'whatsapp',
) => {
  const endpoints = { chatUrl: network.url, rootKey, enlistmentUrl: 'http://127.0.0.1:9' };
  const account: Account & { state: { at: 'active' } } = {
    id: 'a1' as AccountId,
    network: on,
    user: '@u:x' as UserId,
    managementRoom: '!r' as RoomId,
    state: { at: 'active', enlistment: { interopAccountId: '4242', jid: interopJid(7, '4242') } },
    createdAt: 0,
  };
  const logger = createLogger({ level: 'silent' });
  const port = createInteropNetwork({ endpoints: { [on]: endpoints }, clock, logger, tuning });
  const token = async (): Promise<string> => {
    dates.push(port.now(on));
    return `token-${++tokens}`;
  };
  client = port.client(account, token, events(own));
  client.start();
};

const connected = async (preKeys?: number): Promise<ScriptedConnection> => {
  const connection = await network.connection();
  await connection.logIn(preKeys);
  await heard('online');
  return connection;
};

const message = (id: string, attrs: AttributesInput = {}): Stanza =>
  stanza('message', { from: anna, id, t: 1_700_000_000, type: 'text', ...attrs }, [
    stanza('enc', { v: '2', type: 'msg' }, Buffer.from('ciphertext')),
  ]);

/** The next pause of the reconnecting loop. */
const nextPause = async (): Promise<number> => {
  const pause = await clock.sleeping(1, DEFAULT_TUNING.backOffCapMs);
  clock.advance(pause);
  return pause;
};

beforeEach(async () => {
  network = await startScriptedNetwork();
  clock = new ManualClock();
  tokens = 0;
  dates = [];
  told = [];
  listeners = [];
});

afterEach(async () => {
  await client.stop();
  await network.close();
});

describe('login', () => {
  test('says who we are, asks for what was kept, and tells when pre-keys run low', async () => {
    makeClient();
    const connection = await network.connection();
    expect(connection.payload).toMatchObject({
      product: ClientPayload_Product.INTEROP,
      passive: true,
      interopData: { accountId: 4242n, token: Buffer.from('token-1'), enableReadReceipts: false },
    });
    expect(client.connected).toBe(false);
    connection.send(stanza('success', { t: 1 }));
    const active = await connection.next();
    expect([attribute(active, 'xmlns'), child(active, 'active')?.tag]).toEqual(['passive', 'active']);
    // An endpoint may refuse requests that it does not know.
    connection.refuse(active, 405);
    connection.reply(await connection.next(), [stanza('count', { value: 3 })]);
    await Promise.all([heard('online'), heard('low 3')]);
    expect(client.connected).toBe(true);
  });

  test('keys are never made twice at once, however often the network warns', async () => {
    const release: (() => void)[] = [];
    makeClient({
      preKeysLow: async (count) => {
        tell(`begin ${count}`);
        await new Promise<void>((resolve) => release.push(resolve));
        tell(`end ${count}`);
      },
    });
    const connection = await network.connection();
    await connection.logIn(3);
    connection.send(
      stanza('notification', { from: SERVER, id: 'N1', type: 'encrypt' }, [stanza('count', { value: 2 })]),
    );
    await heard('begin 3');
    release.shift()?.();
    await heard('begin 2');
    release.shift()?.();
    await connection.next();
    expect(told.filter((line) => line !== 'online')).toEqual(['begin 3', 'end 3', 'begin 2', 'end 2']);
  });

  test('Messenger has a product code of its own', async () => {
    makeClient({}, {}, network.rootKey, 'messenger');
    expect((await network.connection()).payload.product).toBe(ClientPayload_Product.INTEROP_MSGR);
  });

  test.each<[number, string]>([
    [401, 'logged-out'],
    [403, 'logged-out'],
    [405, 'client-outdated'],
    [406, 'banned'],
    [402, 'banned'],
  ])('failure %i: %s, and no further attempt', async (reason, expected) => {
    makeClient();
    (await network.connection()).send(stanza('failure', { reason }));
    await heard(`offline ${expected} never`);
    await client.stop();
    expect([clock.sleepers, network.waiting, tokens]).toEqual([0, 0, 1]);
  });

  test.each<[number, string]>([
    [413, 'token-refused'],
    [414, 'token-refused'],
    [400, 'protocol'],
    [500, 'unavailable'],
    [503, 'unavailable'],
    [999, 'protocol'],
  ])('failure %i: %s, and another attempt with a new token', async (reason, expected) => {
    makeClient();
    (await network.connection()).send(stanza('failure', { reason }));
    await heard(`offline ${expected} later`);
    await nextPause();
    expect(Buffer.from((await network.connection()).payload.interopData?.token ?? '').toString()).toBe('token-2');
  });

  test('after the machine was suspended, and a refusal that shows no time, a token is made by our own clock until the time is shown again', async () => {
    /** The connection that follows when this one ends, and how long it was waited for. */
    const following = async (end: () => void, reason: string) => {
      told = [];
      end();
      await heard(`offline ${reason} later`);
      const pauseMs = await nextPause();
      return { connection: await network.connection(), pauseMs };
    };
    const refusal = (attrs: AttributesInput = {}): Stanza => stanza('failure', { reason: 413, ...attrs });
    makeClient();
    const before = await connected();
    // An hour that nothing has noticed that measures how long something takes.
    clock.set(3_600_000);
    const { connection: late, pauseMs } = await following(() => before.close(), 'network');
    expect(dates[1]).toBe(1_700_000_000_000 + pauseMs);
    const { connection: own } = await following(() => late.send(refusal()), 'token-refused');
    expect(dates[2]).toBe(clock.now());
    const shown = await following(() => own.send(refusal({ t: 1_800_000_000 })), 'token-refused');
    expect(dates[3]).toBe(1_800_000_000_000 + shown.pauseMs);
  });

  test('a temporary ban is waited for', async () => {
    makeClient();
    (await network.connection()).send(stanza('failure', { reason: 402, code: 101, expire: 86_400 }));
    await heard('offline banned later');
    expect(await clock.sleeping(86_400_000)).toBe(86_400_000);
  });

  test('a server whose certificate is not by the root key is never told the token', async () => {
    makeClient({}, {}, new Uint8Array(32).fill(9));
    await heard('offline untrusted-server later');
    expect(network.waiting).toBe(0);
  });

  test('pauses grow from attempt to attempt, up to the cap', async () => {
    makeClient({}, { backOffBaseMs: 1000, backOffCapMs: 8000 });
    for (const full of [1000, 2000, 4000, 8000, 8000, 8000]) {
      (await network.connection()).send(stanza('failure', { reason: 503 }));
      const pause = await clock.sleeping(full / 2, full);
      clock.advance(pause);
    }
    expect(tokens).toBeGreaterThanOrEqual(6);
  });

  test('a login that is not answered is given up', async () => {
    makeClient();
    await network.connection();
    await clock.sleeping(DEFAULT_TUNING.loginTimeoutMs);
    clock.advance(DEFAULT_TUNING.loginTimeoutMs);
    await heard('offline network later');
  });
});

describe('while connected', () => {
  test.each<[string, Stanza, string]>([
    ['another connection', stanza('stream:error', {}, [stanza('conflict', { type: 'replaced' })]), 'replaced later'],
    [
      'removal',
      stanza('stream:error', { code: '401' }, [stanza('conflict', { type: 'device_removed' })]),
      'logged-out never',
    ],
    ['a restart', stanza('stream:error', { code: '503' }), 'server-restart later'],
    ['the end of the stream', stanza('xmlstreamend'), 'server-restart later'],
    ['something unknown', stanza('stream:error', { code: '516' }), 'protocol later'],
  ])('%s ends it', async (_, end, expected) => {
    makeClient();
    (await connected()).send(end);
    await heard(`offline ${expected}`);
    expect(client.connected).toBe(false);
    await expect(client.countPreKeys()).rejects.toMatchObject({ code: 'interop.offline', retry: 'later' });
  });

  test('a restart that the server asks for happens without delay, the next one with', async () => {
    makeClient();
    (await connected()).send(stanza('stream:error', { code: '515' }));
    // Only a sleep of no time at all stands between the two: the clock does not move.
    await clock.sleeping(0);
    clock.advance(0);
    const again = await network.connection();
    again.send(stanza('stream:error', { code: '515' }));
    await clock.sleeping(1000, 2000);
  });

  test('pings; an answer keeps the connection, silence ends it', async () => {
    makeClient();
    const connection = await connected();
    const { keepAliveMs, keepAliveDeadlineMs } = DEFAULT_TUNING;
    await clock.sleeping(keepAliveMs);
    clock.advance(keepAliveMs);
    const ping = await connection.next();
    expect([attribute(ping, 'xmlns'), child(ping, 'ping')?.tag]).toEqual(['w:p', 'ping']);
    connection.reply(ping);
    await clock.sleeping(keepAliveMs);
    clock.advance(keepAliveMs);
    await connection.next();
    await clock.sleeping(keepAliveDeadlineMs);
    expect(client.connected).toBe(true);
    clock.advance(keepAliveDeadlineMs);
    await heard('offline network later');
    await nextPause();
    await network.connection();
  });

  test('a lost connection rejects what waits, and is made anew', async () => {
    makeClient();
    const connection = await connected();
    const sending = client.send(Buffer.from([0, 0xf8, 1, 9]), 'M1' as MessageId);
    connection.close();
    await expect(sending).rejects.toMatchObject({ code: 'interop.offline', retry: 'later' });
    await heard('offline network later');
    await nextPause();
    told.length = 0;
    await connected();
    expect(client.connected).toBe(true);
  });

  test('stopping ends it for good', async () => {
    makeClient();
    const connection = await connected();
    await client.stop();
    await connection.closed;
    expect(told.at(-1)).toBe('offline stopped never');
    expect([client.connected, clock.sleepers, network.waiting]).toEqual([false, 0, 0]);
  });

  test('routing info from the server is shown at the next connection', async () => {
    makeClient();
    const connection = await connected();
    const info = stanza('edge_routing', {}, [stanza('routing_info', {}, Buffer.from('where'))]);
    connection.send(stanza('ib', { from: SERVER }, [info]));
    connection.send(stanza('stream:error', { code: '515' }));
    await clock.sleeping(0);
    clock.advance(0);
    expect(Buffer.from((await network.connection()).routingInfo ?? '').toString()).toBe('where');
  });

  test('a request of the server is answered', async () => {
    makeClient();
    const connection = await connected();
    connection.send(stanza('iq', { from: SERVER, id: 'srv-1', type: 'get', xmlns: 'urn:xmpp:ping' }));
    const answer = await connection.next();
    expect([answer.tag, attribute(answer, 'id'), attribute(answer, 'type')]).toEqual(['iq', 'srv-1', 'result']);
  });
});

describe('incoming stanzas', () => {
  test('each kind reaches the domain and is acknowledged', async () => {
    let seen: IncomingMessage | undefined;
    makeClient({
      message: async (incoming) => {
        seen = incoming;
      },
    });
    const connection = await connected();
    connection.send(
      message('M1', { from: lidJid('100000001', 3), notify: 'Anna', sender_pn: phoneJid('31600000001'), offline: 1 }),
    );
    const ack = await connection.next();
    expect([
      ack.tag,
      attribute(ack, 'class'),
      attribute(ack, 'id'),
      attribute(ack, 'to'),
      ack.attrs.has('error'),
    ]).toEqual(['ack', 'message', 'M1', '100000001:3@lid', false]);
    expect(seen).toEqual({
      id: 'M1',
      from: anna,
      device: 3,
      alternative: phoneJid('31600000001'),
      timestamp: 1_700_000_000_000,
      pushName: 'Anna',
      ciphertexts: [{ type: 'msg', bytes: new Uint8Array(Buffer.from('ciphertext')) }],
      deviceIdentity: undefined,
      offline: true,
    });
    const list = [stanza('list', {}, [stanza('item', { id: 'R2' })])];
    const retry = [
      stanza('retry', { count: 2, id: 'R4', t: 1, v: 1 }),
      stanza('registration', {}, Uint8Array.of(0, 0, 1, 2)),
    ];
    const cases: [Stanza, string][] = [
      [stanza('receipt', { from: anna, id: 'R1', t: 5 }, list), 'receipt delivered R1,R2'],
      [stanza('receipt', { from: anna, id: 'R3', t: 5, type: 'read' }), 'receipt read R3'],
      [stanza('receipt', { from: anna, id: 'R4', type: 'retry' }, retry), 'retry R4 2'],
      [stanza('receipt', { from: anna, id: 'R5', type: 'retry' }, [...retry, stanza('keys')]), 'retry R5 2'],
      [stanza('notification', { from: SERVER, id: 'N1', type: 'encrypt' }, [stanza('count', { value: 4 })]), 'low 4'],
      [stanza('notification', { from: anna, id: 'N2', type: 'encrypt' }, [stanza('identity')]), 'identity 100000001'],
      [stanza('notification', { from: anna, id: 'N4', type: 'devices' }, [stanza('add')]), 'devices 100000001'],
      [stanza('notification', { from: anna, id: 'N6', type: 'picture' }, [stanza('delete')]), 'picture 100000001'],
      [
        stanza('notification', { from: anna, id: 'N5', type: 'mediaretry' }, [stanza('error', { code: 2 })]),
        'media N5 100000001 error',
      ],
      [stanza('notification', { from: anna, id: 'N3', type: 'status' }), 'online'],
      [
        stanza('call', { from: lidJid('100000001', 2), id: 'C1', t: 7 }, [
          stanza('offer', { 'call-id': 'K1', 'call-creator': anna, caller_pn: phoneJid('31600000001') }, [
            stanza('audio'),
            stanza('video'),
          ]),
        ]),
        'call K1 100000001 31600000001 video 7000',
      ],
      [
        stanza('call', { from: anna, id: 'C2', t: 8 }, [stanza('offer_notice', { 'call-id': 'K2', media: 'audio' })]),
        'call K2 100000001 undefined voice 8000',
      ],
      [stanza('call', { from: anna, id: 'C3' }, [stanza('terminate', { 'call-id': 'K2' })]), 'online'],
      [
        stanza('call', { from: anna, id: 'C4' }, [stanza('offer', { 'call-id': 'K3', 'group-jid': groupJid('5') })]),
        'online',
      ],
    ];
    for (const [sent, line] of cases) {
      connection.send(sent);
      const acknowledged = await connection.next();
      expect([
        attribute(acknowledged, 'class'),
        attribute(acknowledged, 'id'),
        attribute(acknowledged, 'type'),
      ]).toEqual([sent.tag, attribute(sent, 'id'), attribute(sent, 'type')]);
      expect(told).toContain(line);
    }
  });

  test('typing is told and not acknowledged; that of groups, and nonsense, is dropped', async () => {
    makeClient();
    const connection = await connected();
    const chatstate = (from: Jid, content: Stanza): Stanza => stanza('chatstate', { from }, [content]);
    connection.send(chatstate(lidJid('100000001', 4), stanza('composing')));
    connection.send(chatstate(anna, stanza('composing', { media: 'audio' })));
    connection.send(chatstate(groupJid('5'), stanza('composing')));
    connection.send(chatstate(anna, stanza('surprise')));
    connection.send(stanza('chatstate', {}, [stanza('composing')]));
    connection.send(stanza('presence', { from: anna, type: 'unavailable' }));
    connection.send(chatstate(anna, stanza('paused')));
    connection.send(message('M1'));
    expect(attribute(await connection.next(), 'id')).toBe('M1');
    expect(told.filter((line) => line.startsWith('typing'))).toEqual([
      'typing 100000001 composing',
      'typing 100000001 recording',
      'typing 100000001 paused',
    ]);
  });

  test('the acknowledgement waits for the handler; one sender in order, another meanwhile', async () => {
    const release = new Map<string, () => void>();
    makeClient({
      message: ({ id }) => {
        tell(`message ${id}`);
        return id.startsWith('A') ? new Promise((resolve) => release.set(id, resolve)) : Promise.resolve();
      },
    });
    const connection = await connected();
    connection.send(message('A1'));
    connection.send(message('A2'));
    connection.send(message('B1', { from: ben }));
    expect(attribute(await connection.next(), 'id')).toBe('B1');
    expect(told.filter((line) => line.startsWith('message'))).toEqual(['message A1', 'message B1']);
    release.get('A1')?.();
    expect(attribute(await connection.next(), 'id')).toBe('A1');
    await heard('message A2');
    release.get('A2')?.();
    expect(attribute(await connection.next(), 'id')).toBe('A2');
  });

  test('a person’s stanzas keep their order whichever address and device they come from', async () => {
    const release = Promise.withResolvers<void>();
    makeClient({
      message: async ({ id }) => {
        tell(`begun ${id}`);
        if (id === 'A1') await release.promise;
        tell(`message ${id}`);
      },
    });
    const connection = await connected();
    connection.send(message('A1'));
    connection.send(message('A2', { from: phoneJid('31612345678'), sender_lid: anna }));
    connection.send(message('A3', { from: withDevice(anna, 2) }));
    connection.send(message('B1', { from: ben }));
    expect(attribute(await connection.next(), 'id')).toBe('B1');
    release.resolve();
    for (const id of ['A1', 'A2', 'A3']) expect(attribute(await connection.next(), 'id')).toBe(id);
    const steps = ['A1', 'A2', 'A3'].flatMap((id) => [`begun ${id}`, `message ${id}`]);
    expect(told.filter((line) => line.includes(' A'))).toEqual(steps);
  });

  test('nothing of a sender overtakes what has to come again', async () => {
    let full = true;
    makeClient({
      message: async ({ id }) => {
        if (full && id === 'A1') throw new BridgeError('store.unavailable', 'the disk is full', { retry: 'later' });
        tell(`message ${id}`);
      },
    });
    const connection = await connected();
    for (const id of ['A1', 'A2']) connection.send(message(id));
    connection.send(message('B1', { from: ben }));
    expect(attribute(await connection.next(), 'id')).toBe('B1');
    full = false;
    connection.send(message('A3'));
    connection.close();
    await heard('offline network later');
    await nextPause();
    const again = await connected();
    for (const id of ['A1', 'A2', 'A3']) again.send(message(id));
    for (const id of ['A1', 'A2', 'A3']) expect(attribute(await again.next(), 'id')).toBe(id);
    expect(told.filter((line) => line.startsWith('message A'))).toEqual(['message A1', 'message A2', 'message A3']);
  });

  test('what could not be handled is not acknowledged, and a new connection brings it again', async () => {
    let broken = true;
    makeClient({
      message: async ({ id }) => {
        if (broken && id === 'A1') throw new Error('no disk');
        tell(`message ${id}`);
      },
    });
    const connection = await connected();
    connection.send(message('A1'));
    connection.send(message('B1', { from: ben }));
    expect(attribute(await connection.next(), 'id')).toBe('B1');
    await clock.sleeping(DEFAULT_TUNING.redeliverAfterMs);
    broken = false;
    clock.advance(DEFAULT_TUNING.redeliverAfterMs);
    await heard('offline network later');
    await clock.sleeping(0);
    clock.advance(0);
    const again = await connected();
    again.send(message('A1'));
    expect(attribute(await again.next(), 'id')).toBe('A1');
    expect(told).toContain('message A1');
  });

  test('what fails each time is asked for less and less often, then refused in sight, and others go on', async () => {
    const tries: string[] = [];
    makeClient(
      {
        message: async ({ id }) => {
          tries.push(id);
          if (id === 'A1') throw new Error('never works');
          tell(`message ${id}`);
        },
      },
      { keepAliveMs: FOR_EVER },
    );
    const { redeliverAfterMs, handlingTries } = DEFAULT_TUNING;
    let connection = await connected();
    for (let round = 1; round < handlingTries; round += 1) {
      connection.send(message('A1'));
      await clock.sleeping(redeliverAfterMs * 2 ** Math.min(round - 1, 4));
      expect(told.join()).not.toContain('given up');
      connection.close();
      await heard('offline network later');
      await nextPause();
      told.length = 0;
      connection = await connected();
    }
    connection.send(message('A1'));
    const refusal = await connection.next();
    expect([attribute(refusal, 'id'), attribute(refusal, 'error')]).toEqual(['A1', '500']);
    expect(told).toContain('given up message A1 Error');
    connection.send(message('A2'));
    expect(attribute(await connection.next(), 'error')).toBeUndefined();
    expect(tries).toEqual([...Array(handlingTries).fill('A1'), 'A2']);
  });

  test.each<[string, Stanza, number]>([
    [
      'no time',
      stanza('message', { from: anna, id: 'X' }, [stanza('enc', { v: '2', type: 'msg' }, Buffer.from('x'))]),
      487,
    ],
    [
      'a ciphertext that is none',
      stanza('message', { from: anna, id: 'X', t: 1 }, [stanza('enc', { v: '2', type: 'msg' })]),
      487,
    ],
    ['a call without a name', stanza('call', { from: anna, id: 'X', t: 1 }, [stanza('offer')]), 487],
    [
      'a call with an endless name',
      stanza('call', { from: anna, id: 'X', t: 1 }, [stanza('offer', { 'call-id': 'K'.repeat(129) })]),
      487,
    ],
    [
      'a retry without count',
      stanza('receipt', { from: anna, id: 'X', type: 'retry' }, [stanza('registration', {}, Buffer.alloc(4))]),
      487,
    ],
    [
      'an answer about a file that says nothing',
      stanza('notification', { from: anna, id: 'X', type: 'mediaretry' }),
      487,
    ],
    ['a group', message('X', { from: groupJid('123') }), 500],
    [
      'an encryption we do not have',
      stanza('message', { from: anna, id: 'X', t: 1 }, [stanza('enc', { v: '2', type: 'skmsg' }, Buffer.from('x'))]),
      500,
    ],
    ['an unknown stanza', stanza('surprise', { from: anna, id: 'X' }), 488],
  ])('%s is refused, and the connection goes on', async (_, bad, code) => {
    makeClient();
    const connection = await connected();
    connection.send(bad);
    const nack = await connection.next();
    expect([nack.tag, attribute(nack, 'class'), attribute(nack, 'error')]).toEqual(['ack', bad.tag, `${code}`]);
    connection.send(message('M1'));
    await heard('message M1');
  });

  test('bytes that are no stanza, and stanzas without address, are dropped', async () => {
    makeClient();
    const connection = await connected();
    for (const bytes of [[], [0], [0, 0xf8, 4, 1], [2, 1, 2, 3], [0, 0xff, 0xff]])
      connection.sendBytes(Uint8Array.from(bytes));
    connection.send(stanza('message', { id: 'X', t: 1 }));
    connection.send(stanza('failure', { reason: 'nonsense' }));
    connection.send(message('M1'));
    expect(attribute(await connection.next(), 'id')).toBe('M1');
    expect(told).toContain('message M1');
  });

  test('no more than the bound is in hand at once, and nothing is lost', async () => {
    let inHand = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    makeClient(
      {
        message: async ({ id }) => {
          most = Math.max(most, ++inHand);
          await new Promise<void>((resolve) => {
            waiting.push(resolve);
            tell(`message ${id}`);
          });
          inHand--;
        },
      },
      { maxInFlight: 4 },
    );
    const connection = await connected();
    for (let i = 0; i < 20; i++) connection.send(message(`M${i}`, { from: lidJid(`20${i}`) }));
    for (let i = 0; i < 20; i++) {
      await heard(`message M${i}`);
      if (waiting.length >= Math.min(4, 20 - i)) waiting.shift()?.();
    }
    for (const release of waiting) release();
    for (let i = 0; i < 20; i++) await connection.next();
    expect(most).toBe(4);
  });

  test('a handler that asks the network gets its answer even at the bound', async () => {
    makeClient(
      {
        retry: async () => {
          tell(`bundle ${(await client.fetchBundle(anna, 0)) === undefined}`);
        },
      },
      { maxInFlight: 1 },
    );
    const connection = await connected();
    const retry = [stanza('retry', { count: 1, id: 'R', t: 1, v: 1 }), stanza('registration', {}, Buffer.alloc(4))];
    connection.send(stanza('receipt', { from: anna, id: 'R', type: 'retry' }, retry));
    connection.refuse(await connection.next(), 404);
    await heard('bundle true');
    expect((await connection.next()).tag).toBe('ack');
  });
});

describe('what the domain asks', () => {
  const id = 'M1' as MessageId;
  const key = (fill: number) => new Uint8Array(32).fill(fill);
  const keys = {
    registrationId: 0x01020304,
    identityKey: key(1),
    signedPreKey: { id: 0x010203, publicKey: key(2), signature: new Uint8Array(64).fill(3) },
    preKeys: [
      { id: 9, publicKey: key(4) },
      { id: 10, publicKey: key(5) },
    ],
  };

  test('a message is accepted or refused by the acknowledgement', async () => {
    makeClient();
    const connection = await connected();
    const stanzas = createInteropNetwork({ endpoints: {}, clock, logger: createLogger({ level: 'silent' }) });
    const encoded = stanzas.encodeMessage('whatsapp', {
      id,
      to: anna,
      recipients: [{ device: 0, ciphertext: { type: 'msg', bytes: key(7) } }],
    });
    for (const [attrs, result] of [
      [{ t: 1_700_000_001 }, { accepted: true, timestamp: 1_700_000_001_000 }],
      [
        { t: 1, error: 463 },
        { accepted: false, code: 463 },
      ],
    ] as const) {
      const sending = client.send(encoded, id);
      expect(attribute(await connection.next(), 'id')).toBe('M1');
      connection.send(stanza('ack', { class: 'receipt', id, from: anna }));
      connection.send(stanza('ack', { class: 'message', id, from: anna, ...attrs }));
      expect(await sending).toEqual(result);
    }
  });

  test('a message whose acknowledgement does not come is to be sent again', async () => {
    makeClient({}, { keepAliveMs: FOR_EVER });
    const connection = await connected();
    const sending = client.send(Buffer.from([0, 0xf8, 1, 9]), id);
    await connection.next();
    await clock.sleeping(DEFAULT_TUNING.answerTimeoutMs);
    clock.advance(DEFAULT_TUNING.answerTimeoutMs);
    await expect(sending).rejects.toMatchObject({ code: 'interop.timeout', retry: 'later' });
  });

  test('receipts go to the device that wrote, with keys where a new session is wanted', async () => {
    makeClient();
    const connection = await connected();
    const delivered = client.sendDeliveryReceipt(id, anna, 2);
    const receipt = await connection.next();
    expect([attribute(receipt, 'to'), attribute(receipt, 'type')]).toEqual(['100000001:2@lid', undefined]);
    connection.send(stanza('ack', { class: 'receipt', id, from: anna }));
    await delivered;
    const asking = client.sendRetryReceipt({
      id,
      to: anna,
      device: 0,
      timestamp: 5_000,
      count: 2,
      registrationId: 0x01020304,
      keys,
    });
    const retry = await connection.next();
    expect(attribute(retry, 'type')).toBe('retry');
    expect(requireBytes(requireChild(retry, 'registration'))).toEqual(Uint8Array.from([1, 2, 3, 4]));
    expect(requireChild(retry, 'retry').attrs).toEqual(
      new Map(Object.entries({ count: '2', id: 'M1', t: '5', v: '1' })),
    );
    expect(children(requireChild(retry, 'keys')).map(({ tag }) => tag)).toEqual(['type', 'identity', 'key', 'skey']);
    connection.send(stanza('ack', { class: 'receipt', id, from: anna, type: 'retry' }));
    await asking;
    const mediaKey = new Uint8Array(32).fill(7);
    const again = client.sendMediaRetry({ id, to: lidJid('100000001', 2), fromMe: false, mediaKey });
    const receiptForFile = await connection.next();
    expect(Object.fromEntries(receiptForFile.attrs)).toMatchObject({ id, to: anna, type: 'server-error' });
    connection.send(stanza('ack', { class: 'receipt', id, from: anna, type: 'server-error' }));
    await again;
  });

  test('one read receipt names all messages, and waits for the acknowledgement', async () => {
    makeClient();
    const connection = await connected();
    for (const [ids, listed] of [
      [[id], undefined],
      [[id, 'M2', 'M3'] as MessageId[], ['M2', 'M3']],
    ] as const) {
      const [first, ...others] = ids;
      const reading = client.sendReadReceipt([first ?? id, ...others], lidJid('100000001', 3));
      const receipt = await connection.next();
      expect(Object.fromEntries(receipt.attrs)).toMatchObject({ id, to: anna, type: 'read' });
      const list = child(receipt, 'list');
      expect(list && children(list, 'item').map((item) => attribute(item, 'id'))).toEqual(listed);
      connection.send(stanza('ack', { class: 'receipt', id, from: anna, type: 'read' }));
      await reading;
    }
  });

  test('typing and presence are said, and nothing is waited for', async () => {
    makeClient();
    const connection = await connected();
    await client.sendPresence('available');
    await client.sendTyping(lidJid('100000001', 3), 'composing');
    await client.sendTyping(anna, 'paused');
    const [present, composing, paused] = [
      await connection.next(),
      await connection.next(),
      await connection.next(),
    ] as const;
    expect([present.tag, attribute(present, 'type')]).toEqual(['presence', 'available']);
    for (const [said, state] of [
      [composing, 'composing'],
      [paused, 'paused'],
    ] as const) {
      expect([said.tag, attribute(said, 'to'), children(said).map(({ tag }) => tag)]).toEqual([
        'chatstate',
        '100000001@lid',
        [state],
      ]);
    }
    connection.close();
    await heard('offline network later');
    await expect(client.sendTyping(anna, 'composing')).rejects.toMatchObject({ code: 'interop.offline' });
  });

  test('a picture is asked for by the hidden id; who has none, or does not show it to us, has none', async () => {
    makeClient();
    const connection = await connected();
    const asked = async () => {
      const answer = client.picture(anna, '1');
      // A refusal may arrive before anybody looks at the answer.
      answer.catch(() => {});
      return { answer, request: await connection.next() };
    };
    const found = await asked();
    connection.reply(found.request, [stanza('picture', { id: '2', type: 'image', direct_path: '/v/2' })]);
    expect(await found.answer).toEqual({ outcome: 'found', id: '2', url: undefined, directPath: '/v/2' });
    for (const code of [401, 403, 404]) {
      const { answer, request } = await asked();
      connection.refuse(request, code);
      expect(await answer).toEqual({ outcome: 'none' });
    }
    const busy = await asked();
    connection.refuse(busy.request, 429);
    await expect(busy.answer).rejects.toMatchObject({ code: 'interop.refused', retry: 'later' });
  });

  test('a number is looked up with its hidden id and devices; nobody is undefined', async () => {
    makeClient();
    const connection = await connected();
    const answer = (type: string) => [
      stanza('usync', {}, [
        stanza('list', {}, [
          stanza('user', { jid: phoneJid('31600000001') }, [
            stanza('contact', { type }, Buffer.from('+31600000001')),
            stanza('lid', { val: anna }),
            stanza('devices', {}, [
              stanza('device-list', {}, [stanza('device', { id: 0 }), stanza('device', { id: 3, 'key-index': 1 })]),
            ]),
          ]),
        ]),
      ]),
    ];
    for (const [type, expected] of [
      [
        'in',
        {
          addresses: [phoneJid('31600000001'), anna],
          devices: [
            { device: 0, keyIndex: undefined },
            { device: 3, keyIndex: 1 },
          ],
        },
      ],
      ['out', undefined],
    ] as const) {
      const looking = client.lookUp(phoneJid('31600000001'));
      const request = await connection.next();
      const [user] = children(requireChild(requireChild(request, 'usync'), 'list'));
      expect(user && Buffer.from(requireBytes(requireChild(user, 'contact'))).toString()).toBe('+31600000001');
      connection.reply(request, answer(type));
      expect(await looking).toEqual(expected);
    }
  });

  test('keys: bundle, count, upload, rotation', async () => {
    makeClient();
    const connection = await connected();
    const uploading = client.uploadPreKeys(keys);
    const upload = await connection.next();
    expect(children(upload).map(({ tag }) => tag)).toEqual(['registration', 'type', 'identity', 'list', 'skey']);
    connection.reply(upload);
    await uploading;
    const rotating = client.uploadSignedPreKey(keys.signedPreKey);
    const rotation = await connection.next();
    expect(requireBytes(requireChild(requireChild(requireChild(rotation, 'rotate'), 'skey'), 'id'))).toEqual(
      Uint8Array.from([1, 2, 3]),
    );
    connection.reply(rotation);
    await rotating;
    const counting = client.countPreKeys();
    connection.reply(await connection.next(), [stanza('count', { value: 17 })]);
    expect(await counting).toBe(17);

    const [registration, type, identity, list, skey] = children(upload);
    const [oneTime] = list ? children(list) : [];
    if (!registration || !type || !identity || !skey || !oneTime) throw new Error('an upload');
    const bundle = {
      registrationId: keys.registrationId,
      identityKey: key(1),
      signedPreKey: { id: 0x010203, publicKey: key(2), signature: new Uint8Array(64).fill(3) },
    };
    for (const [nodes, preKey] of [
      [[registration, type, identity, skey, oneTime], { id: 9, publicKey: key(4) }],
      [[registration, type, identity, skey], undefined],
    ] as const) {
      const fetching = client.fetchBundle(anna, 3);
      connection.reply(await connection.next(), [
        stanza('list', {}, [stanza('user', { jid: lidJid('100000001', 3) }, nodes)]),
      ]);
      expect(await fetching).toEqual({ ...bundle, preKey });
    }
    const missing = client.fetchBundle(own, 0);
    connection.reply(await connection.next(), [
      stanza('list', {}, [stanza('user', { jid: own }, [stanza('error', { code: 404 })])]),
    ]);
    expect(await missing).toBeUndefined();
  });

  test('a refusal says whether to ask again, silence that one should; an answer that makes no sense is an error', async () => {
    makeClient({}, { keepAliveMs: FOR_EVER });
    const connection = await connected();
    for (const [code, retry] of [
      [403, 'never'],
      [429, 'later'],
      [503, 'later'],
    ] as const) {
      const counting = client.countPreKeys();
      connection.refuse(await connection.next(), code);
      await expect(counting).rejects.toMatchObject({ code: 'interop.refused', status: code, retry });
    }
    const senseless = client.countPreKeys();
    connection.reply(await connection.next(), [stanza('surprise')]);
    await expect(senseless).rejects.toMatchObject({ code: 'stanza.missing-child' });
    const silent = client.countPreKeys();
    await connection.next();
    await clock.sleeping(DEFAULT_TUNING.answerTimeoutMs);
    clock.advance(DEFAULT_TUNING.answerTimeoutMs);
    await expect(silent).rejects.toMatchObject({ code: 'interop.timeout', retry: 'later' });
    expect(client.connected).toBe(true);
  });
});
