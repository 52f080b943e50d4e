// Contacts' pictures: which one the homeserver has, and when the network is asked again.
import type { Selectable } from 'kysely';
import type { ContactPicture, UploadedPicture } from '../model/contact.ts';
import type { ContactId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';
import { contactKey } from './keyring.ts';
import { type DataKey, type Place, sealJson, unsealJson } from './sealing.ts';
import { first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

const uploadedPlace = (contact: ContactId): Place => ['contact_picture', 'uploaded', contact];

/** What was known stays; earlier failures no longer count. */
export function* duePicture({ db }: Unit, contact: ContactId, at: number): Steps {
  const due = { due_at: at, failures: 0 };
  yield* run(
    db
      .insertInto('contact_picture')
      .values({ contact, uploaded: null, shown: 1, looked_at: null, ...due })
      .onConflict((known) => known.column('contact').doUpdateSet(due)),
  );
}

export function* putPicture({ db, keys }: Unit, picture: ContactPicture, handled: number | undefined): Steps {
  const { contact, uploaded, shown, lookedAt, dueAt, failures } = picture;
  const row = yield* first(db.selectFrom('contact_picture').select('due_at').where('contact', '=', contact));
  const key = yield* keys.get(contactKey(contact));
  const update = db
    .updateTable('contact_picture')
    .set({
      uploaded: uploaded ? sealJson(key, uploadedPlace(contact), uploaded) : null,
      shown: shown ? 1 : 0,
      looked_at: lookedAt ?? null,
      // Another look that became due in the meantime stays due.
      due_at: (row?.due_at ?? undefined) === handled ? (dueAt ?? null) : row?.due_at,
      failures,
    })
    .where('contact', '=', contact);
  yield* mustChange(update, 'the picture');
}

export function pictureReads({ db, keys }: Reader): Store['pictures'] {
  return {
    get: async (contact) => {
      const row = await db.selectFrom('contact_picture').selectAll().where('contact', '=', contact).executeTakeFirst();
      const key = row && (await keys.find(contactKey(contact)));
      return key && toPicture(row, key);
    },
    due: async (account) => {
      const rows = await db
        .selectFrom('portal')
        .innerJoin('contact_picture', 'contact_picture.contact', 'portal.contact')
        .select('portal.contact')
        .where('portal.account', '=', account)
        .where('contact_picture.due_at', 'is not', null)
        .execute();
      return rows.map(({ contact }) => contact);
    },
  };
}

function toPicture(row: Selectable<Tables['contact_picture']>, key: DataKey): ContactPicture {
  const { contact, uploaded } = row;
  return {
    contact,
    uploaded: uploaded ? unsealJson<UploadedPicture>(key, uploadedPlace(contact), uploaded) : undefined,
    shown: row.shown === 1,
    lookedAt: row.looked_at ?? undefined,
    dueAt: row.due_at ?? undefined,
    failures: row.failures,
  };
}
