// Signal state: identities, sessions, pre-keys. Everything is sealed under its account's key, so it ends with the account.
import type { Insertable } from 'kysely';
import type { AccountId } from '../model/ids.ts';
import type { OneTimePreKey, PeerDevice, SignalIdentity, SignalReads, SignedPreKey } from '../model/signal.ts';
import { built } from './built.ts';
import { unlessDamaged } from './damaged.ts';
import { accountKey } from './keyring.ts';
import { type Place, seal, unseal } from './sealing.ts';
import { mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import { peerTrustReads } from './trust.ts';
import type { Reader, Unit } from './unit.ts';

const identityPlace = (account: AccountId): Place => ['signal_identity', 'key_pair', account];
const preKeyPlace = (account: AccountId, id: number): Place => ['signal_pre_key', 'record', account, id];
const signedPreKeyPlace = (account: AccountId, id: number): Place => ['signal_signed_pre_key', 'record', account, id];
export const sessionPlace = ({ account, contact, device }: PeerDevice): Place => [
  'signal_session',
  'record',
  account,
  contact,
  device,
];

const putSessionRow = built((db, row: Insertable<Tables['signal_session']>) =>
  db
    .insertInto('signal_session')
    .values(row)
    .onConflict((at) => at.columns(['contact', 'account', 'device']).doUpdateSet({ record: row.record })),
);
const sessionOf = built(
  (db, { account, contact, device }: Readonly<Pick<PeerDevice, 'account' | 'contact' | 'device'>>) =>
    db
      .selectFrom('signal_session')
      .select('record')
      .where('contact', '=', contact)
      .where('account', '=', account)
      .where('device', '=', device),
);

export function* putIdentity({ db, keys }: Unit, account: AccountId, identity: SignalIdentity): Steps {
  const key = yield* keys.get(accountKey(account));
  const row = {
    key_pair: seal(key, identityPlace(account), identity.keyPair),
    registration_id: identity.registrationId,
    next_pre_key_id: identity.nextPreKeyId,
  };
  yield* run(
    db
      .insertInto('signal_identity')
      .values({ account, ...row })
      .onConflict((at) => at.column('account').doUpdateSet(row)),
  );
}

export function* putSession({ db, keys }: Unit, peer: PeerDevice, session: Uint8Array | undefined): Steps {
  const { account, contact, device } = peer;
  const key = yield* keys.get(accountKey(account));
  if (!session) {
    yield* run(
      db
        .deleteFrom('signal_session')
        .where('contact', '=', contact)
        .where('account', '=', account)
        .where('device', '=', device),
    );
    return;
  }
  yield* run(putSessionRow(db, { contact, account, device, record: seal(key, sessionPlace(peer), session) }));
}

export function* addPreKeys({ db, keys }: Unit, account: AccountId, preKeys: readonly OneTimePreKey[]): Steps {
  const key = yield* keys.get(accountKey(account));
  for (const { id, record } of preKeys) {
    const row = { record: seal(key, preKeyPlace(account, id), record) };
    // Ids wrap around after 24 bits: a key that nobody took in all that time is replaced.
    yield* run(
      db
        .insertInto('signal_pre_key')
        .values({ account, id, ...row })
        .onConflict((at) => at.columns(['account', 'id']).doUpdateSet(row)),
    );
  }
}

/** Throws BridgeError `store.gone` where it is used up: two messages must not both spend it. */
export function* usePreKey({ db }: Unit, account: AccountId, id: number): Steps {
  const used = db.deleteFrom('signal_pre_key').where('account', '=', account).where('id', '=', id);
  yield* mustChange(used, 'the one-time pre-key');
}

export function* putSignedPreKey({ db, keys }: Unit, account: AccountId, signed: SignedPreKey): Steps {
  const key = yield* keys.get(accountKey(account));
  const { id, createdAt } = signed;
  const row = { record: seal(key, signedPreKeyPlace(account, id), signed.record), created_at: createdAt };
  yield* run(
    db
      .insertInto('signal_signed_pre_key')
      .values({ account, id, ...row })
      .onConflict((at) => at.columns(['account', 'id']).doUpdateSet(row)),
  );
}

export function* expireSignedPreKey({ db }: Unit, account: AccountId, id: number): Steps {
  yield* run(db.deleteFrom('signal_signed_pre_key').where('account', '=', account).where('id', '=', id));
}

export function signalReads(reader: Reader): SignalReads {
  const { db, keys } = reader;

  /** Opens what a query found, with the key of its account. */
  async function opened(account: AccountId, place: Place, sealed: Buffer | undefined): Promise<Buffer | undefined> {
    const key = sealed && (await keys.find(accountKey(account)));
    return key && unseal(key, place, sealed);
  }

  const signedPreKeys = db.selectFrom('signal_signed_pre_key').select(['id', 'record', 'created_at as createdAt']);

  return {
    identity: async (account) => {
      const row = await db.selectFrom('signal_identity').selectAll().where('account', '=', account).executeTakeFirst();
      const keyPair = await opened(account, identityPlace(account), row?.key_pair);
      return row && keyPair
        ? { keyPair, registrationId: row.registration_id, nextPreKeyId: row.next_pre_key_id }
        : undefined;
    },
    session: async (peer) => {
      const { account, contact, device } = peer;
      const [row] = (await db.executeQuery(sessionOf(db, { account, contact, device }))).rows;
      return unlessDamaged(opened(peer.account, sessionPlace(peer), row?.record));
    },
    preKey: async (account, id) => {
      const row = await db
        .selectFrom('signal_pre_key')
        .select('record')
        .where('account', '=', account)
        .where('id', '=', id)
        .executeTakeFirst();
      const record = await unlessDamaged(opened(account, preKeyPlace(account, id), row?.record));
      return record && { id, record };
    },
    signedPreKey: async (account, id) => {
      const row = await signedPreKeys.where('account', '=', account).where('id', '=', id).executeTakeFirst();
      const record = await unlessDamaged(opened(account, signedPreKeyPlace(account, id), row?.record));
      return row && record && { ...row, record };
    },
    signedPreKeys: async (account) => {
      const rows = await signedPreKeys
        .where('account', '=', account)
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .execute();
      // Each for itself: one that is damaged takes none of the others with it.
      const record = ({ id, record }: (typeof rows)[number]): Promise<Buffer | undefined> =>
        unlessDamaged(opened(account, signedPreKeyPlace(account, id), record));
      return Promise.all(rows.map(async (row) => ({ ...row, record: await record(row) })));
    },
    peerTrust: peerTrustReads(reader).ofDevice,
  };
}
