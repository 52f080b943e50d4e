// `export`: everything held about a user, from the store alone, so that it also works with the bridge stopped.
import type { Account } from '../model/account.ts';
import type { AccountId, UserId } from '../model/ids.ts';
import { formatJid } from '../model/jid.ts';
import type { Portal } from '../model/portal.ts';
import { roomOfSpace } from '../model/space.ts';
import type { Store } from '../model/store.ts';
import { type ExportedAccount, type ExportedChat, exportVersion, type UserExport } from '../model/user-data.ts';

/** Far above what one user can have waiting. */
const mostMessages = 100_000;

const time = (ms: number): string => new Date(ms).toISOString();

/** `now` in milliseconds since the Unix epoch. */
export async function exportUser(store: Store, user: UserId, now: number): Promise<UserExport> {
  const accounts: ExportedAccount[] = [];
  for (const account of await store.accounts.ofUser(user)) accounts.push(await exportAccount(store, account));
  const departures = (await store.accounts.departures()).filter((departure) => departure.user === user);
  return {
    format: 'matrix-appservice-whatsapp export',
    version: exportVersion,
    exportedAt: time(now),
    user,
    identity: (await store.trust.ofUser(user))?.state ?? 'unknown',
    consent: (await store.consent.entries(user)).map(({ at, ...entry }) => ({ ...entry, at: time(at) })),
    accounts,
    departures: departures.map(({ network, interopAccountId }) => ({ network, interopAccountId })),
  };
}

async function exportAccount(store: Store, account: Account): Promise<ExportedAccount> {
  const { id, network, state } = account;
  const enlistment = state.at === 'enlisting' ? undefined : state.enlistment;
  const chats: ExportedChat[] = [];
  for (const portal of await store.portals.ofAccount(id)) chats.push(await exportChat(store, portal));
  const space = await store.spaces.of(id);
  const messages = await store.queue.list({ which: 'all', limit: mostMessages, user: account.user });
  return {
    id,
    network,
    createdAt: time(account.createdAt),
    managementRoom: account.managementRoom,
    interopAccountId: enlistment?.interopAccountId,
    address: enlistment && formatJid(enlistment.jid),
    preferences: await store.accounts.preferences(id),
    limits: await exportLimits(store, id),
    space: space && roomOfSpace(space),
    blocks: (await store.blocks.list(id)).map(({ label, createdAt }) => ({ label, since: time(createdAt) })),
    policyRooms: await exportPolicyRooms(store, id),
    reports: (await store.reports.made(id)).map(({ madeAt, done }) => ({ at: time(madeAt), done })),
    chats,
    messages: messages
      .filter((message) => message.account === id)
      .map(({ item, portal, messageId, event, state: at, code, since }) => ({
        direction: item.journal === 'inbox' ? 'from-contact' : 'to-contact',
        chat: portal,
        messageId,
        event,
        state: at,
        code,
        since: time(since),
      })),
    files: (await store.accounts.hostedFiles(id)).map(({ name, size, expiresAt }) => ({
      name,
      bytes: size,
      expiresAt: time(expiresAt),
    })),
  };
}

async function exportLimits(store: Store, account: AccountId): Promise<ExportedAccount['limits']> {
  const uses = await store.limitUses.of(account);
  return uses.map(({ limit, points, until }) => ({ limit, used: points, until: time(until) }));
}

async function exportPolicyRooms(store: Store, account: AccountId): Promise<ExportedAccount['policyRooms']> {
  const subscriptions = await store.policyRooms.subscriptions(account);
  return subscriptions.map(({ room, name, createdAt }) => ({ room, name, since: time(createdAt) }));
}

async function exportChat(store: Store, portal: Portal): Promise<ExportedChat> {
  const { id, account, contact: contactId, givenName, state, heldSince } = portal;
  const held = (since: number | undefined) => (since === undefined ? undefined : time(since));
  const contact = await store.contacts.get(contactId);
  const devices = [...(await store.trust.ofContact(account, contactId))];
  return {
    id,
    room: state.at === 'open' ? state.room : undefined,
    acceptance: portal.acceptance.at,
    contactName: contact?.name?.text,
    givenName,
    contactAddresses: (contact?.addresses ?? []).map(formatJid),
    ghost: (await store.contacts.ghost(contactId))?.actor.user,
    visitors: await store.visitors.of(id),
    heldSince: { fromContact: held(heldSince?.inbox), toContact: held(heldSince?.outbox) },
    roomKeys: await store.roomKeyUses.of(id),
    devices: devices.map(([device, trust]) => ({ device, key: trust.state })),
  };
}
