// A stand-in for WhatsApp's network, in a process of its own: the real handshake, stanzas and Signal sessions, nothing else to do.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { WebSocketServer } from 'ws';
import { isUserJid, type Jid, lidJid, SERVER, type UserJid, withDevice } from '../../../src/model/jid.ts';
import type { PreKeyBundle } from '../../../src/model/signal.ts';
import { MessageSchema } from '../../../src/proto/message_pb.ts';
import {
  attribute,
  child,
  children,
  decodeStanza,
  encodeStanza,
  jidAttribute,
  requireAttribute,
  requireBytes,
  requireChild,
  type Stanza,
  stanza,
} from '../../../src/whatsapp/binary/index.ts';
import {
  acceptNoise,
  generateKeyPair,
  issueCertChain,
  type NoiseConnection,
  webSocketCarrier,
} from '../../../src/whatsapp/noise/index.ts';
import { answer, sharedNow } from '../apart.ts';
import { bundleStanza, Peer } from './peer.ts';

const peers: Peer[] = [];
const byUser = new Map<string, Peer>();
let connections = 0;
let current: NoiseConnection | undefined;
/** Waiting for the acknowledgement of a message of ours, by its id. */
const acknowledged = new Map<string, () => void>();
/** Of whom nothing is acknowledged. */
const silent = new Set<string>();
let receiptsBack = true;
let opening = false;
const root = generateKeyPair();

async function listen(): Promise<{ readonly url: string; readonly rootKey: Uint8Array }> {
  const staticKeyPair = generateKeyPair();
  const life = { notBefore: Date.now() - 86_400_000, notAfter: Date.now() + 365 * 86_400_000 };
  const leaf = { ...life, serial: 2, key: staticKeyPair.publicKey };
  const certChain = issueCertChain(root, generateKeyPair(), { ...life, serial: 1 }, leaf);
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    acceptNoise(webSocketCarrier(socket), { staticKeyPair, certChain }).then(
      ({ connection }) => serve(connection),
      () => socket.terminate(),
    );
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/chat`, rootKey: root.publicKey };
}

function serve(connection: NoiseConnection): void {
  connections += 1;
  current = connection;
  connection.start({
    onFrame: (frame) => void take(connection, decodeStanza(frame)),
    onClose: () => {
      connections -= 1;
    },
  });
  send(connection, stanza('success', { t: Math.floor(Date.now() / 1000) }));
}

function send(connection: NoiseConnection, out: Stanza): void {
  connection.send(encodeStanza(out));
}

async function take(connection: NoiseConnection, received: Stanza): Promise<void> {
  switch (received.tag) {
    case 'iq':
      return send(connection, await reply(received));
    case 'message':
      return takeMessage(connection, received);
    case 'receipt':
      return send(connection, stanza('ack', { class: 'receipt', id: requireAttribute(received, 'id'), from: SERVER }));
    case 'ack': {
      const id = requireAttribute(received, 'id');
      acknowledged.get(id)?.();
      acknowledged.delete(id);
    }
  }
}

const peerAt = (jid: Jid | undefined): Peer | undefined =>
  jid !== undefined && 'user' in jid ? byUser.get(String(jid.user)) : undefined;

async function takeMessage(connection: NoiseConnection, message: Stanza): Promise<void> {
  const to = jidAttribute(message, 'to');
  const peer = peerAt(to);
  if (to === undefined || peer === undefined || silent.has(peer.user)) return;
  const id = requireAttribute(message, 'id');
  peer.taken.push(sharedNow());
  send(connection, stanza('ack', { class: 'message', id, from: to, t: Math.floor(Date.now() / 1000) }));
  if (opening) {
    const [participant] = children(requireChild(message, 'participants'), 'to');
    const enc = participant && requireChild(participant, 'enc');
    if (enc) await peer.open(attribute(enc, 'type') === 'pkmsg' ? 'pkmsg' : 'msg', requireBytes(enc));
  }
  if (receiptsBack) send(connection, stanza('receipt', { id, from: withDevice(peer.jid, 0) }));
}

async function reply(request: Stanza): Promise<Stanza> {
  const attrs = { from: SERVER, id: requireAttribute(request, 'id'), type: 'result' };
  const usync = child(request, 'usync');
  if (usync) return stanza('iq', attrs, [lookUp(usync)]);
  const wanted = child(request, 'key');
  if (wanted) {
    const [user] = children(wanted, 'user');
    const jid = user && jidAttribute(user, 'jid');
    const bundle = await peerAt(jid)?.bundle();
    return stanza('iq', attrs, [
      stanza('list', {}, jid && isUserJid(jid) && bundle ? [bundleStanza(jid, bundle)] : []),
    ]);
  }
  if (child(request, 'count')) return stanza('iq', attrs, [stanza('count', { value: 100 })]);
  return stanza('iq', attrs);
}

function lookUp(usync: Stanza): Stanza {
  const asked = children(requireChild(usync, 'list'), 'user').flatMap((user) => jidAttribute(user, 'jid') ?? []);
  const devices = () => stanza('devices', {}, [stanza('device-list', {}, [stanza('device', { id: 0 })])]);
  const users = asked.map((jid) => stanza('user', { jid }, [devices()]));
  return stanza('usync', {}, [stanza('list', {}, users)]);
}

const textMessage = (text: string): Uint8Array =>
  toBinary(MessageSchema, create(MessageSchema, { conversation: text }));

function messageStanza(from: UserJid, id: string, type: 'pkmsg' | 'msg', bytes: Uint8Array): Stanza {
  const attrs = { id, from: withDevice(from, 0), type: 'text', t: Math.floor(Date.now() / 1000) };
  return stanza('message', attrs, [stanza('enc', { v: '2', type }, bytes)]);
}

function chats(count: number): Peer[] {
  const chosen = peers.slice(0, count);
  if (chosen.length < count) throw new Error(`there are ${chosen.length} contacts, not ${count}`);
  return chosen;
}

const connection = (): NoiseConnection => {
  if (current === undefined) throw new Error('nobody has connected');
  return current;
};

let sent = 0;
let written: { readonly peer: Peer; readonly id: string; readonly frame: Uint8Array }[] = [];

const calls = {
  listen,
  connections: (): number => connections,
  /** Contacts of an account with these keys, numbered from `from`; each has a session with it. */
  makeContacts: async ({ from, count, keys }: { from: number; count: number; keys: readonly PreKeyBundle[] }) => {
    for (let number = 0; number < count; number += 1) {
      const bundle = keys[number];
      if (bundle === undefined) throw new Error('every contact takes a one-time key of the account');
      const peer = await Peer.create(lidJid(`${2_000_000 + from + number}`), bundle);
      peers.push(peer);
      byUser.set(peer.user, peer);
    }
  },
  /** Whether messages to contacts are decrypted, which sessions need at their beginning, and only then. */
  open: (on: boolean): void => {
    opening = on;
  },
  receipts: (on: boolean): void => {
    receiptsBack = on;
  },
  /** What is sent to the first `count` contacts is not acknowledged any more; with 0, everything is again. */
  silence: (count: number): void => {
    silent.clear();
    for (const peer of chats(count)) silent.add(peer.user);
  },
  /** Encrypts messages, in turn from each of the contacts, and keeps them for `send`. */
  write: async ({ count, messages, skip = 0 }: { count: number; messages: number; skip?: number }): Promise<void> => {
    const chosen = chats(count + skip).slice(skip);
    written = [];
    for (let number = 0; number < messages; number += 1) {
      const peer = chosen[number % count];
      if (peer === undefined) return;
      sent += 1;
      const id = `3EB0${sent.toString(16).toUpperCase().padStart(18, '0')}`;
      const { type, bytes } = await peer.seal(textMessage(`message ${number} of a conversation as people have it`));
      written.push({ peer, id, frame: encodeStanza(messageStanza(peer.jid, id, type, bytes)) });
    }
  },
  /**
   * Sends what was written, at `perSecond` (as fast as it is acknowledged, `window` at a time, where that is 0). Answers, by contact, when each
   * message was sent.
   */
  send: async ({ count, perSecond, window = 256 }: { count: number; perSecond: number; window?: number }) => {
    const times = new Map(chats(count).map(({ user }) => [user, [] as number[]]));
    const open = new Set<Promise<void>>();
    const started = sharedNow();
    for (const [index, { peer, id, frame }] of written.entries()) {
      const wait = perSecond > 0 ? started + (index * 1000) / perSecond - sharedNow() : 0;
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      while (open.size >= window) await Promise.race(open);
      const { promise, resolve } = Promise.withResolvers<void>();
      acknowledged.set(id, resolve);
      open.add(promise);
      void promise.then(() => open.delete(promise));
      times.get(peer.user)?.push(sharedNow());
      connection().send(frame);
    }
    written = [];
    await Promise.all(open);
    return [...times.values()];
  },
  /** How many messages to contacts were taken in all. */
  taken: (): number => peers.reduce((sum, { taken }) => sum + taken.length, 0),
  /** When each message to each of these contacts was taken; forgotten afterwards. */
  takenAt: (count: number): number[][] => chats(count).map(({ taken }) => taken.splice(0)),
};

export type StandInNetwork = typeof calls;
answer(calls);
