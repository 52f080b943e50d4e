// What contacts' names look like, as keyed hashes: who looks like whom can be asked, what anybody is called cannot.
import type { ContactId } from '../model/ids.ts';
import { lookupHash } from './sealing.ts';
import { run, type Steps } from './steps.ts';
import type { Reader, Unit } from './unit.ts';

/** Replaces the looks of a contact's name. Those that it had before keep their place among other contacts'. */
export function* putLooks({ db, lookup }: Unit, contact: ContactId, looks: readonly string[]): Steps {
  const hashes = looks.map((look) => lookupHash(lookup, 'contact_look', look));
  const mine = db.deleteFrom('contact_look').where('contact', '=', contact);
  yield* run(hashes.length > 0 ? mine.where('hash', 'not in', hashes) : mine);
  for (const hash of hashes) {
    yield* run(
      db
        .insertInto('contact_look')
        .values({ hash, contact })
        .onConflict((at) => at.doNothing()),
    );
  }
}

/** The survivor of a merge takes over the other's name, with its place. */
export function* moveLooks({ db }: Unit, into: ContactId, from: ContactId): Steps {
  yield* run(db.deleteFrom('contact_look').where('contact', '=', into));
  yield* run(db.updateTable('contact_look').set({ contact: into }).where('contact', '=', from));
}

export function looksLikeAnother({ db }: Reader): (contact: ContactId) => Promise<boolean> {
  return async (contact) => {
    const earlier = await db
      .selectFrom('contact_look as mine')
      .innerJoin('contact_look as other', 'other.hash', 'mine.hash')
      .select('other.id')
      .where('mine.contact', '=', contact)
      .where('other.contact', '!=', contact)
      .whereRef('other.id', '<', 'mine.id')
      .limit(1)
      .executeTakeFirst();
    return earlier !== undefined;
  };
}
