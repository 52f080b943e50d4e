// A session that a sender's messages open no longer is replaced by a new one (Matrix spec, "Recovering from undecryptable messages").
import { randomUUID } from 'node:crypto';
import { type Device, UserId } from '@matrix-org/matrix-sdk-crypto-wasm';
import { z } from 'zod';
import type { UserId as MatrixUserId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/journal.ts';
import { request } from '../client-request.ts';
import { follow } from './identity.ts';
import { type Machine, userIds } from './machine.ts';

const encrypted = z.object({ sender: z.string(), content: z.object({ sender_key: z.string() }) });

interface Sender {
  readonly user: MatrixUserId;
  readonly device: string;
}

/**
 * Opens a session with each device that has sent one of these messages, and says something in it, so that the device sends there from now
 * on. At most once an hour for each device: the library replaces none that is younger. Users whom the machine does not know are left
 * alone. To be called before anything else is sent. Returns how many were opened.
 */
export async function renewSessions(machine: Machine, undecryptable: readonly JsonObject[]): Promise<number> {
  const senders = await knownSenders(machine, undecryptable);
  if (senders.length === 0) return 0;
  // Those that are there and do not fit; the library has marked them. Its own greeting goes out in the session that is replaced (0.19.1).
  const replaced = await claim(machine, []);
  const users = new Set(senders.map(({ user }) => user));
  for (const user of users) await follow(machine, user);
  const lost = await claim(machine, [...users]);
  const opened = senders.filter((sender) => [...replaced, ...lost].some((one) => isSame(one, sender)));
  for (const sender of opened) await greet(machine, sender);
  return opened.length;
}

const isSame = (a: Sender, b: Sender): boolean => a.user === b.user && a.device === b.device;

async function devicesOfUser(machine: Machine, user: string): Promise<Device[]> {
  return (await machine.call((olm) => olm.getUserDevices(new UserId(user), 0))).devices();
}

async function knownSenders(machine: Machine, messages: readonly JsonObject[]): Promise<Sender[]> {
  const senders: Sender[] = [];
  for (const message of messages) {
    const { data } = encrypted.safeParse(message);
    if (data === undefined) continue;
    const devices = await devicesOfUser(machine, data.sender);
    const device = devices.find(({ curve25519Key }) => curve25519Key?.toBase64() === data.content.sender_key);
    if (device === undefined) continue;
    const sender = { user: data.sender as MatrixUserId, device: device.deviceId.toString() };
    if (!senders.some((one) => isSame(one, sender))) senders.push(sender);
  }
  return senders;
}

const claimed = z.object({ one_time_keys: z.record(z.string(), z.record(z.string(), z.unknown())) });

/** Opens the sessions that are missing with devices of these users, or due anyway; returns with whom. */
async function claim(machine: Machine, users: readonly MatrixUserId[]): Promise<Sender[]> {
  const missing = await machine.call((olm) => olm.getMissingSessions(userIds(users)));
  if (!missing) return [];
  const { one_time_keys: keys } = claimed.parse(await machine.send(missing));
  return Object.entries(keys).flatMap(([user, devices]) =>
    Object.keys(devices).map((device) => ({ user: user as MatrixUserId, device })),
  );
}

/** `m.dummy` says nothing but that the session exists. */
async function greet(machine: Machine, { user, device: id }: Sender): Promise<void> {
  const device = (await devicesOfUser(machine, user)).find(({ deviceId }) => deviceId.toString() === id);
  if (device === undefined) return;
  const content: unknown = JSON.parse(await machine.call(() => device.encryptToDeviceEvent('m.dummy', {})));
  const body = { messages: { [user]: { [id]: content } } };
  await machine.post(
    request('PUT sendToDevice/{type}/{txn}', { type: 'm.room.encrypted', txn: randomUUID() }, { body }),
  );
}
