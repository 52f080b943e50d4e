// Device lists: which devices of a contact one account knows, and what vouches for them. Sealed, which also keeps them from being replaced.
import type { AccountId, ContactId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';
import type { DeviceList } from '../model/trust.ts';
import { unlessDamaged } from './damaged.ts';
import { accountKey } from './keyring.ts';
import { type Place, sealJson, unsealJson } from './sealing.ts';
import { run, type Steps } from './steps.ts';
import type { Reader, Unit } from './unit.ts';

export const deviceListPlace = (account: AccountId, contact: ContactId): Place => [
  'device_list',
  'list',
  account,
  contact,
];

export function* putDevices({ db, keys }: Unit, account: AccountId, contact: ContactId, list: DeviceList): Steps {
  const row = { list: sealJson(yield* keys.get(accountKey(account)), deviceListPlace(account, contact), list) };
  yield* run(
    db
      .insertInto('device_list')
      .values({ contact, account, ...row })
      .onConflict((at) => at.columns(['contact', 'account']).doUpdateSet(row)),
  );
}

/** A list that cannot be opened is fetched again. */
export function deviceReads({ db, keys }: Reader): Store['trust']['devices'] {
  return async (account, contact) => {
    const row = await db
      .selectFrom('device_list')
      .select('list')
      .where('contact', '=', contact)
      .where('account', '=', account)
      .executeTakeFirst();
    const key = row && (await keys.find(accountKey(account)));
    const open = async () => key && unsealJson<DeviceList>(key, deviceListPlace(account, contact), row.list);
    return unlessDamaged(open());
  };
}
