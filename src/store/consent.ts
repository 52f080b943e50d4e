// Consent on record: entries that are only ever added, chained by a keyed MAC, and one head that knows where every record ends.
import { createHmac } from 'node:crypto';
import type { ConsentEntry, ConsentEvent } from '../model/consent.ts';
import { newRecordId, type RecordId, type UserId } from '../model/ids.ts';
import { damaged } from './errors.ts';
import { type DataKey, lookupHash, type Place, seal, sealJson, unsealJson } from './sealing.ts';
import { first, run, type Steps } from './steps.ts';
import type { Unit } from './unit.ts';

/** Where a record ends: the position of its newest entry, and that entry's MAC in base64. */
export type Link = readonly [position: number, mac: string];
/** The links of some records, by id. */
export type Links = Readonly<Record<string, Link>>;
/** By page, what its links must be, in base64. */
export type PageDigests = Readonly<Record<string, string>>;

export const entryPlace = (record: RecordId, position: number): Place => ['consent_entry', 'entry', record, position];
export const userPlace = (record: RecordId): Place => ['consent_record', 'user', record];
export const linksPlace = (page: string): Place => ['consent_page', 'links', page];
export const headPlace: Place = ['consent_head', 'digests'];

/** The head is spread over 256 pages, so that an entry costs the same however many users there are. */
export const pageOf = (record: RecordId): string => record.slice(0, 2);

export const userHash = (lookup: DataKey, user: UserId): Buffer => lookupHash(lookup, 'consent', user);

/** Binds an entry to its place and to everything before it. */
export function entryMac(ledger: DataKey, previous: string, record: RecordId, position: number, entry: string): Buffer {
  return createHmac('sha256', ledger)
    .update(JSON.stringify(['entry', previous, record, position, entry]))
    .digest();
}

export function pageDigest(ledger: DataKey, page: string, links: Links): string {
  return createHmac('sha256', ledger)
    .update(JSON.stringify(['page', page, links]))
    .digest('base64');
}

/**
 * Adds an entry to the user's record. `anew`: whatever there is of the record is damaged, and given up. Without it, BridgeError
 * `store.sealed` where the head does not know the record's end.
 */
export function* recordConsent(unit: Unit, user: UserId, event: ConsentEvent, anew: boolean): Steps {
  const { db, lookup, bridge } = unit;
  const hash = userHash(lookup, user);
  let known = yield* first(db.selectFrom('consent_record').select('id').where('hash', '=', hash));
  if (known && anew) {
    yield* run(db.deleteFrom('consent_record').where('id', '=', known.id));
    yield* setLink(unit, known.id, undefined, anew);
    known = undefined;
  }
  const record = known?.id ?? newRecordId();
  if (!known) {
    yield* run(
      db.insertInto('consent_record').values({ id: record, hash, user: seal(bridge, userPlace(record), user) }),
    );
  }
  if (anew) yield* append(unit, record, { what: 'begun-anew' }, anew);
  yield* append(unit, record, event, anew);
}

/** Replaces what is on record of a user by a single entry that says that there was something. */
export function* eraseConsent(unit: Unit, user: UserId): Steps {
  const { db, lookup } = unit;
  const known = yield* first(db.selectFrom('consent_record').select('id').where('hash', '=', userHash(lookup, user)));
  if (!known) return;
  yield* run(db.deleteFrom('consent_record').where('id', '=', known.id));
  yield* setLink(unit, known.id, undefined, true);
  const record = newRecordId();
  yield* run(db.insertInto('consent_record').values({ id: record, hash: null, user: null }));
  yield* append(unit, record, { what: 'erased' }, true);
}

/** `lenient`: a part of the head that cannot be relied on is begun anew; without it, BridgeError `store.sealed`. */
function* append(unit: Unit, record: RecordId, event: ConsentEvent, lenient: boolean): Steps {
  const { db, bridge, ledger, now } = unit;
  const [before, previous] = (yield* readLinks(unit, pageOf(record), lenient))[record] ?? [0, ''];
  const position = before + 1;
  const entry: ConsentEntry = { ...event, at: now };
  const text = JSON.stringify(entry);
  const mac = entryMac(ledger, previous, record, position, text);
  const sealed = seal(bridge, entryPlace(record, position), text);
  yield* run(db.insertInto('consent_entry').values({ record, position, entry: sealed, mac }));
  yield* setLink(unit, record, [position, mac.toString('base64')], lenient);
}

function* setLink(unit: Unit, record: RecordId, link: Link | undefined, lenient: boolean): Steps {
  const { db, bridge, ledger } = unit;
  const page = pageOf(record);
  const { [record]: _, ...others } = yield* readLinks(unit, page, lenient);
  const links: Links = link === undefined ? others : { ...others, [record]: link };
  const digests: PageDigests = { ...(yield* readDigests(unit, lenient)), [page]: pageDigest(ledger, page, links) };
  const pageRow = { links: sealJson(bridge, linksPlace(page), links) };
  const headRow = { digests: sealJson(bridge, headPlace, digests) };
  yield* run(
    db
      .insertInto('consent_page')
      .values({ page, ...pageRow })
      .onConflict((at) => at.column('page').doUpdateSet(pageRow)),
  );
  yield* run(
    db
      .insertInto('consent_head')
      .values({ id: 1, ...headRow })
      .onConflict((at) => at.column('id').doUpdateSet(headRow)),
  );
}

function* readLinks(unit: Unit, page: string, lenient: boolean): Steps<Links> {
  const { db, bridge, ledger } = unit;
  const expected = (yield* readDigests(unit, lenient))[page];
  const row = yield* first(db.selectFrom('consent_page').select('links').where('page', '=', page));
  if (!row && expected === undefined) return {};
  try {
    const links = row && unsealJson<Links>(bridge, linksPlace(page), row.links);
    if (links && pageDigest(ledger, page, links) === expected) return links;
  } catch (error) {
    if (!lenient) throw error;
  }
  if (!lenient) throw damaged('consent_page');
  return {};
}

function* readDigests({ db, bridge }: Unit, lenient: boolean): Steps<PageDigests> {
  const row = yield* first(db.selectFrom('consent_head').select('digests').where('id', '=', 1));
  if (!row) return {};
  try {
    return unsealJson<PageDigests>(bridge, headPlace, row.digests);
  } catch (error) {
    if (!lenient) throw error;
    return {};
  }
}
