// A database as a large installation has it after years: accounts, contacts with ghosts and open chats, sessions, messages that are done with.
import { randomBytes } from 'node:crypto';
import type { Account } from '../../src/model/account.ts';
import type { Change } from '../../src/model/change.ts';
import type { Clock } from '../../src/model/clock.ts';
import {
  type DeviceId,
  type EventId,
  ghostActorId,
  newAccountId,
  newContactId,
  newMessageId,
  newPortalId,
  type RoomId,
  type UserId,
} from '../../src/model/ids.ts';
import { interopJid, lidJid, phoneJid } from '../../src/model/jid.ts';
import type { Store } from '../../src/model/store.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';

export interface Population {
  readonly accounts: number;
  /** Chats of each account, each with a contact and a ghost of its own. */
  readonly chatsPerAccount: number;
  /** Messages either way that each chat has behind it. */
  readonly history: number;
}

/** They share a transaction, and with it the wait for the disk. */
const commitsTogether = 50;

const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

/** Fills an empty store; every account, ghost and portal is as it is in the middle of its life. */
export async function populate(
  store: Store,
  clock: Clock,
  serverName: string,
  population: Population,
  consent: (user: UserId) => Change,
): Promise<void> {
  const signal = createSignal({ reads: store.signal, clock });
  let group: Promise<void>[] = [];
  for (let number = 0; number < population.accounts; number += 1) {
    const account = anAccount(serverName, number, clock.now());
    const changes: Change[] = [
      { change: 'account.put', account },
      consent(account.user),
      ...signal.createIdentity(account.id, 1).changes,
      { change: 'user.trust', trust: { state: 'pinned', user: account.user, masterKey: hex(32) } },
    ];
    for (let chat = 0; chat < population.chatsPerAccount; chat += 1) {
      changes.push(
        ...aChat(serverName, account, number * population.chatsPerAccount + chat, population.history, clock),
      );
    }
    group.push(store.commit(changes));
    if (group.length < commitsTogether) continue;
    await Promise.all(group);
    group = [];
  }
  await Promise.all(group);
}

function anAccount(serverName: string, number: number, createdAt: number): Account {
  return {
    id: newAccountId(),
    network: 'whatsapp',
    user: `@user${number}:${serverName}` as UserId,
    managementRoom: `!management${number}:${serverName}` as RoomId,
    state: {
      at: 'active',
      enlistment: { interopAccountId: `${900_000_000 + number}`, jid: interopJid(7, `user${number}`) },
    },
    createdAt,
  };
}

function aChat(serverName: string, account: Account, number: number, history: number, clock: Clock): Change[] {
  const id = newContactId();
  const portal = newPortalId();
  const room = `!portal${number}:${serverName}` as RoomId;
  const peer = { account: account.id, contact: id, device: 0 };
  const name = `Contact ${number}`;
  const now = clock.now();
  const actor = {
    id: ghostActorId(id),
    user: `@wa_${id}:${serverName}` as UserId,
    device: hex(6).toUpperCase() as DeviceId,
  };
  const changes: Change[] = [
    {
      change: 'contact.create',
      contact: {
        id,
        network: 'whatsapp',
        name: { text: name, looks: [name.toLowerCase()] },
        addresses: [lidJid(`${1_000_000 + number}`), phoneJid(`${49_150_000_000 + number}`)],
      },
      ghost: { contact: id, actor, ready: true, displayName: name },
    },
    {
      change: 'portal.create',
      portal: {
        id: portal,
        account: account.id,
        contact: id,
        givenName: undefined,
        acceptance: { at: 'accepted' },
        state: { at: 'open', room, labelled: true },
      },
    },
    { change: 'signal.session', peer, record: randomBytes(600) },
    { change: 'peer.trust', peer, trust: { state: 'pinned', key: randomBytes(33) } },
  ];
  for (let message = 0; message < history; message += 1) {
    const event = `$${hex(16)}` as EventId;
    const reference = { portal, messageId: newMessageId(), fromUser: true, event, room, sentAt: now };
    changes.push({ change: 'reference.put', reference });
  }
  return changes;
}
