// Trust decisions: pinned identity keys of contacts' devices, pinned master keys of Matrix users. Sealed, which also keeps them from being replaced.
import type { Selectable } from 'kysely';
import type { AccountId, ContactId, UserId } from '../model/ids.ts';
import type { PeerDevice } from '../model/signal.ts';
import type { Store } from '../model/store.ts';
import type { PeerTrust, UserTrust } from '../model/trust.ts';
import { deviceReads } from './devices.ts';
import { accountKey } from './keyring.ts';
import { type DataKey, type Place, seal, unseal, unsealText } from './sealing.ts';
import { run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

export const trustPlace = (column: 'key' | 'seen' | 'verified', { account, contact, device }: PeerDevice): Place => [
  'peer_trust',
  column,
  account,
  contact,
  device,
];
const userPlace = (column: 'master_key' | 'seen', user: UserId): Place => ['user_trust', column, user];

export function* putPeerTrust({ db, keys }: Unit, peer: PeerDevice, trust: PeerTrust): Steps {
  const { account, contact, device } = peer;
  const key = yield* keys.get(accountKey(account));
  const row = {
    key: seal(key, trustPlace('key', peer), trust.key),
    seen: trust.state === 'changed' ? seal(key, trustPlace('seen', peer), trust.seen) : null,
  };
  yield* run(
    db
      .insertInto('peer_trust')
      .values({ contact, account, device, ...row })
      .onConflict((at) => at.columns(['contact', 'account', 'device']).doUpdateSet(row)),
  );
}

/** The key stays on record when another one is pinned, and counts no more. Nothing happens where the device is not known. */
export function* putVerified({ db, keys }: Unit, peer: PeerDevice, compared: Uint8Array): Steps {
  const { account, contact, device } = peer;
  const verified = seal(yield* keys.get(accountKey(account)), trustPlace('verified', peer), compared);
  const ofContact = db.updateTable('peer_trust').set({ verified }).where('contact', '=', contact);
  yield* run(ofContact.where('account', '=', account).where('device', '=', device));
}

export function* putUserTrust({ db, bridge }: Unit, trust: UserTrust): Steps {
  const { user } = trust;
  const row = {
    master_key: seal(bridge, userPlace('master_key', user), trust.masterKey),
    seen: trust.state === 'changed' ? seal(bridge, userPlace('seen', user), trust.seen) : null,
  };
  yield* run(
    db
      .insertInto('user_trust')
      .values({ user, ...row })
      .onConflict((at) => at.column('user').doUpdateSet(row)),
  );
}

export interface PeerTrustReads {
  ofContact(account: AccountId, contact: ContactId): Promise<ReadonlyMap<number, PeerTrust>>;
  ofDevice(peer: PeerDevice): Promise<PeerTrust | undefined>;
}

export function peerTrustReads({ db, keys }: Reader): PeerTrustReads {
  const select = (account: AccountId, contact: ContactId) =>
    db.selectFrom('peer_trust').selectAll().where('contact', '=', contact).where('account', '=', account);
  return {
    ofContact: async (account, contact) => {
      const rows = await select(account, contact).execute();
      const key = await keys.find(accountKey(account));
      return new Map(key ? rows.map((row) => [row.device, toPeerTrust(key, row)]) : []);
    },
    ofDevice: async ({ account, contact, device }) => {
      const row = await select(account, contact).where('device', '=', device).executeTakeFirst();
      const key = row && (await keys.find(accountKey(account)));
      return key && toPeerTrust(key, row);
    },
  };
}

export function trustReads(reader: Reader): Store['trust'] {
  const { db, bridge, keys } = reader;
  return {
    ofContact: peerTrustReads(reader).ofContact,
    isVerified: async ({ account, contact, device }) => {
      const all = db.selectFrom('peer_trust').selectAll().where('contact', '=', contact).where('account', '=', account);
      const row = await all.where('device', '=', device).executeTakeFirst();
      const key = row?.verified && (await keys.find(accountKey(account)));
      if (!row?.verified || !key) return false;
      const compared = unseal(key, trustPlace('verified', row), row.verified);
      return Buffer.compare(compared, unseal(key, trustPlace('key', row), row.key)) === 0;
    },
    devices: deviceReads(reader),
    ofUser: async (user) => {
      const row = await db.selectFrom('user_trust').selectAll().where('user', '=', user).executeTakeFirst();
      if (!row) return undefined;
      const masterKey = unsealText(bridge, userPlace('master_key', user), row.master_key);
      if (!row.seen) return { state: 'pinned', user, masterKey };
      return { state: 'changed', user, masterKey, seen: unsealText(bridge, userPlace('seen', user), row.seen) };
    },
  };
}

function toPeerTrust(dataKey: DataKey, row: Selectable<Tables['peer_trust']>): PeerTrust {
  const key = unseal(dataKey, trustPlace('key', row), row.key);
  if (!row.seen) return { state: 'pinned', key };
  return { state: 'changed', key, seen: unseal(dataKey, trustPlace('seen', row), row.seen) };
}
