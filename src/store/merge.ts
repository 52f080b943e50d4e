// Merging two contacts that turned out to be one person: all that is `from`'s moves to `into`, sealed anew for its new place.
import type { Selectable } from 'kysely';
import type { ContactId, PortalId } from '../model/ids.ts';
import type { Acceptance } from '../model/portal.ts';
import { addressPlace, namePlace, nextPosition } from './contacts.ts';
import { deviceListPlace } from './devices.ts';
import { gone } from './errors.ts';
import { discardInbox, inboxPlace } from './inbox.ts';
import { accountKey, contactKey } from './keyring.ts';
import { eraseLimitUses } from './limit-uses.ts';
import { moveLooks } from './looks.ts';
import { setAcceptance, stateRow, toAcceptance } from './portals.ts';
import { moveReactions } from './reactions.ts';
import { moveReading } from './reading.ts';
import { moveReferences } from './references.ts';
import { reseal } from './sealing.ts';
import { sessionPlace } from './signal.ts';
import { all, first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import { trustPlace } from './trust.ts';
import type { Unit } from './unit.ts';

/** Where both have one (a portal of the same account, a session with the same device), `into`'s stays. */
export function* mergeContacts(unit: Unit, into: ContactId, from: ContactId): Steps {
  if (into === from) return;
  yield* moveName(unit, into, from);
  yield* moveAddresses(unit, into, from);
  yield* moveSessions(unit, into, from);
  yield* moveTrust(unit, into, from);
  yield* moveDevices(unit, into, from);
  yield* movePortals(unit, into, from);
  yield* unit.keys.destroy(contactKey(from));
  yield* mustChange(unit.db.deleteFrom('contact').where('id', '=', from), 'the contact');
  yield* eraseLimitUses(unit, from);
}

function* moveName(unit: Unit, into: ContactId, from: ContactId): Steps {
  const { db, keys } = unit;
  const nameOf = function* (id: ContactId): Steps<Buffer | null> {
    const row = yield* first(db.selectFrom('contact').select('name').where('id', '=', id));
    if (!row) throw gone('the contact');
    return row.name;
  };
  const [kept, other] = [yield* nameOf(into), yield* nameOf(from)];
  if (kept || !other) return;
  const [fromKey, intoKey] = [yield* keys.get(contactKey(from)), yield* keys.get(contactKey(into))];
  const name = reseal(other, { key: fromKey, place: namePlace(from) }, { key: intoKey, place: namePlace(into) });
  yield* run(db.updateTable('contact').set({ name }).where('id', '=', into));
  yield* moveLooks(unit, into, from);
}

function* moveAddresses({ db, keys }: Unit, into: ContactId, from: ContactId): Steps {
  const [fromKey, intoKey] = [yield* keys.get(contactKey(from)), yield* keys.get(contactKey(into))];
  let position = yield* nextPosition(db, into);
  const rows = yield* all(db.selectFrom('contact_address').selectAll().where('contact', '=', from).orderBy('position'));
  for (const { network, hash, address } of rows) {
    const moved = reseal(
      address,
      { key: fromKey, place: addressPlace(from, hash) },
      { key: intoKey, place: addressPlace(into, hash) },
    );
    yield* run(
      db
        .updateTable('contact_address')
        .set({ contact: into, address: moved, position })
        .where('hash', '=', hash)
        .where('network', '=', network),
    );
    position += 1;
  }
}

/** Adds what `into` lacks; `from`'s rows go with `from`. */
function* moveSessions({ db, keys }: Unit, into: ContactId, from: ContactId): Steps {
  for (const row of yield* all(db.selectFrom('signal_session').selectAll().where('contact', '=', from))) {
    const key = yield* keys.get(accountKey(row.account));
    const moved = { ...row, contact: into };
    const record = reseal(row.record, { key, place: sessionPlace(row) }, { key, place: sessionPlace(moved) });
    yield* run(
      db
        .insertInto('signal_session')
        .values({ ...moved, record })
        .onConflict((at) => at.doNothing()),
    );
  }
}

function* moveTrust({ db, keys }: Unit, into: ContactId, from: ContactId): Steps {
  for (const row of yield* all(db.selectFrom('peer_trust').selectAll().where('contact', '=', from))) {
    const dataKey = yield* keys.get(accountKey(row.account));
    const moved = { ...row, contact: into };
    const move = (column: 'key' | 'seen' | 'verified', sealed: Buffer): Buffer =>
      reseal(
        sealed,
        { key: dataKey, place: trustPlace(column, row) },
        { key: dataKey, place: trustPlace(column, moved) },
      );
    yield* run(
      db
        .insertInto('peer_trust')
        .values({
          ...moved,
          key: move('key', row.key),
          seen: row.seen && move('seen', row.seen),
          verified: row.verified && move('verified', row.verified),
        })
        .onConflict((at) => at.doNothing()),
    );
  }
}

function* moveDevices({ db, keys }: Unit, into: ContactId, from: ContactId): Steps {
  for (const row of yield* all(db.selectFrom('device_list').selectAll().where('contact', '=', from))) {
    const key = yield* keys.get(accountKey(row.account));
    const place = (contact: ContactId) => ({ key, place: deviceListPlace(row.account, contact) });
    const moved = { ...row, contact: into, list: reseal(row.list, place(from), place(into)) };
    yield* run(
      db
        .insertInto('device_list')
        .values(moved)
        .onConflict((at) => at.doNothing()),
    );
  }
}

function* movePortals(unit: Unit, into: ContactId, from: ContactId): Steps {
  const { db } = unit;
  for (const portal of yield* all(db.selectFrom('portal').selectAll().where('contact', '=', from))) {
    const kept = yield* first(
      db.selectFrom('portal').selectAll().where('account', '=', portal.account).where('contact', '=', into),
    );
    if (!kept) {
      // Its room is that of a ghost which stands for nobody any more: it gets another one.
      const moved = { contact: into, ...stateRow({ at: 'wanted' }) };
      yield* run(db.updateTable('portal').set(moved).where('id', '=', portal.id));
      continue;
    }
    yield* moveInbox(unit, kept.id, portal.id);
    yield* moveFailures(unit, kept.id, portal.id);
    const acceptance = merged(toAcceptance(kept), toAcceptance(portal));
    yield* setAcceptance(unit, kept.id, acceptance);
    if (acceptance.at === 'declined') yield* discardInbox(unit, kept.id);
    const known = db.selectFrom('outbox').select('message_id').where('portal', '=', kept.id);
    yield* run(
      db
        .updateTable('outbox')
        .set({ portal: kept.id })
        .where('portal', '=', portal.id)
        .where('message_id', 'not in', known),
    );
    yield* moveReading(unit, kept.id, portal.id);
    yield* moveReferences(unit, kept.id, portal.id);
    yield* moveReactions(unit, kept.id, portal.id);
    yield* run(db.deleteFrom('portal').where('id', '=', portal.id));
  }
}

/** Whoever was let in under one address is let in under both, and otherwise refused under both who was refused under one. */
function merged(kept: Acceptance, other: Acceptance): Acceptance {
  if (kept.at !== 'requested') return other.at === 'accepted' ? other : kept;
  if (other.at !== 'requested') return other;
  const askedAgain = kept.askedAgain || other.askedAgain;
  return { ...kept, askedAgain, dropped: kept.dropped + other.dropped };
}

/** What is counted there is what was asked for again, and is told in the end if it does not come. */
function* moveFailures({ db }: Unit, into: PortalId, from: PortalId): Steps {
  const failures = db.selectFrom('decrypt_failure').select(['message_id', 'device', 'count', 'settled_at']);
  for (const row of yield* all(failures.where('portal', '=', from))) {
    const moved = db.insertInto('decrypt_failure').values({ ...row, portal: into });
    yield* run(moved.onConflict((at) => at.doNothing()));
  }
}

/** It stands for a message that could not be read. */
function isMissing({ state, body }: Pick<Selectable<Tables['inbox']>, 'state' | 'body'>): boolean {
  return state === 'awaited' || state === 'overdue' || (state === 'parked' && body === null);
}

/** A message that both portals know stays where it is first, unless only the other one has it. */
function* moveInbox({ db, keys }: Unit, into: PortalId, from: PortalId): Steps {
  for (const row of yield* all(db.selectFrom('inbox').selectAll().where('portal', '=', from))) {
    const { id, message_id, device } = row;
    const known = yield* first(
      db
        .selectFrom('inbox')
        .select(['id', 'state', 'body'])
        .where('portal', '=', into)
        .where('message_id', '=', message_id)
        .where('device', '=', device),
    );
    if (known && (!isMissing(known) || isMissing(row))) continue;
    if (known) yield* run(db.deleteFrom('inbox').where('id', '=', known.id));
    const key = yield* keys.get(accountKey(row.account));
    const move = (column: 'body' | 'event' | 'file', sealed: Buffer | null): Buffer | null =>
      sealed &&
      reseal(
        sealed,
        { key, place: inboxPlace(column, row) },
        { key, place: inboxPlace(column, { ...row, portal: into }) },
      );
    const moved = {
      portal: into,
      body: move('body', row.body),
      event: move('event', row.event),
      file: move('file', row.file),
    };
    yield* run(db.updateTable('inbox').set(moved).where('id', '=', id));
  }
}
