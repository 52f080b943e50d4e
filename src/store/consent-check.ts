// Reading what is on record about consent, and proving that it is what was written.
import { setImmediate } from 'node:timers/promises';
import type { ConsentCheck, ConsentEntry, DamagedRecord, RecordDamage } from '../model/consent.ts';
import type { RecordId, UserId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';
import {
  entryMac,
  entryPlace,
  headPlace,
  type Link,
  type Links,
  linksPlace,
  type PageDigests,
  pageDigest,
  pageOf,
  userHash,
  userPlace,
} from './consent.ts';
import { unsealJson, unsealText } from './sealing.ts';
import type { Reader } from './unit.ts';

interface RecordRow {
  readonly id: RecordId;
  readonly hash: Buffer | null;
  readonly user: Buffer | null;
}

interface EntryRow {
  readonly record: RecordId;
  readonly position: number;
  readonly entry: Buffer;
  readonly mac: Buffer;
}

/** Records looked at in one go. */
const BATCH = 200;

export function consentReads(reader: Reader): Store['consent'] {
  const { db } = reader;
  const entryRows = db.selectFrom('consent_entry').selectAll().orderBy('record').orderBy('position');

  const find = async (user: UserId): Promise<{ row: RecordRow; entries: readonly EntryRow[] } | undefined> => {
    const hash = userHash(reader.lookup, user);
    const row = await db.selectFrom('consent_record').selectAll().where('hash', '=', hash).executeTakeFirst();
    return row && { row, entries: await entryRows.where('record', '=', row.id).execute() };
  };

  return {
    entries: async (user) => (await find(user))?.entries.flatMap((row) => readEntry(reader, row) ?? []) ?? [],
    isIntact: async (user) => {
      const found = await find(user);
      if (found === undefined) return true;
      const page = pageOf(found.row.id);
      const head = await readHead(reader, page);
      return damageOf(reader, found.row, found.entries, head.links.get(found.row.id)) === undefined;
    },
    check: () => checkAll(reader),
  };
}

async function checkAll(reader: Reader): Promise<ConsentCheck> {
  const { db } = reader;
  const { links, intact: headIntact } = await readHead(reader);
  const damaged: DamagedRecord[] = [];
  let records = 0;
  for (let after = ''; ; ) {
    const rows = await db
      .selectFrom('consent_record')
      .selectAll()
      .where('id', '>', after as RecordId)
      .orderBy('id')
      .limit(BATCH)
      .execute();
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last.id;
    records += rows.length;
    const entries = await db
      .selectFrom('consent_entry')
      .selectAll()
      .where(
        'record',
        'in',
        rows.map(({ id }) => id),
      )
      .orderBy('record')
      .orderBy('position')
      .execute();
    const byRecord = Map.groupBy(entries, ({ record }) => record);
    for (const row of rows) {
      const damage = damageOf(reader, row, byRecord.get(row.id) ?? [], links.get(row.id));
      links.delete(row.id);
      if (damage !== undefined) damaged.push({ record: row.id, user: readUser(reader, row), damage });
    }
    // Reads of SQLite never let go of the event loop by themselves, and the rest of a start would wait for all of this.
    await setImmediate();
  }
  for (const record of links.keys()) damaged.push({ record, user: undefined, damage: 'missing' });
  return { records, damaged, headIntact };
}

/** The ends of all records, or of those on one page, as far as the head vouches for them. */
async function readHead(
  { db, bridge, ledger }: Reader,
  only?: string,
): Promise<{ readonly links: Map<RecordId, Link>; readonly intact: boolean }> {
  const head = await db.selectFrom('consent_head').select('digests').executeTakeFirst();
  let digests: PageDigests = {};
  let intact = true;
  try {
    if (head) digests = unsealJson<PageDigests>(bridge, headPlace, head.digests);
  } catch {
    intact = false;
  }
  const all = db.selectFrom('consent_page').selectAll();
  const pages = await (only === undefined ? all : all.where('page', '=', only)).execute();
  const links = new Map<RecordId, Link>();
  for (const { page, links: sealed } of pages) {
    try {
      const read = unsealJson<Links>(bridge, linksPlace(page), sealed);
      if (pageDigest(ledger, page, read) !== digests[page]) throw new Error('another page than the head knows');
      for (const [record, link] of Object.entries(read)) links.set(record as RecordId, link);
    } catch {
      intact = false;
    }
  }
  const present = new Set(pages.map(({ page }) => page));
  const expected = Object.keys(digests).filter((page) => only === undefined || page === only);
  if (expected.some((page) => !present.has(page))) intact = false;
  return { links, intact };
}

function damageOf(
  reader: Reader,
  row: RecordRow,
  entries: readonly EntryRow[],
  end: Link | undefined,
): RecordDamage | undefined {
  let previous = '';
  for (const [index, { position, entry, mac }] of entries.entries()) {
    const text = open(() => unsealText(reader.bridge, entryPlace(row.id, position), entry));
    if (text === undefined || position !== index + 1) return 'altered';
    if (!entryMac(reader.ledger, previous, row.id, position, text).equals(mac)) return 'altered';
    previous = mac.toString('base64');
  }
  if (!belongs(reader, row)) return 'altered';
  return end?.[0] === entries.length && end[1] === previous ? undefined : 'cut';
}

/** Whether it is found under the user whose it is. An erased one is nobody's. */
function belongs(reader: Reader, row: RecordRow): boolean {
  if (row.hash === null || row.user === null) return row.hash === row.user;
  const user = readUser(reader, row);
  return user !== undefined && userHash(reader.lookup, user).equals(row.hash);
}

function readUser({ bridge }: Reader, { id, user }: RecordRow): UserId | undefined {
  return user === null ? undefined : (open(() => unsealText(bridge, userPlace(id), user)) as UserId | undefined);
}

function readEntry({ bridge }: Reader, { record, position, entry }: EntryRow): ConsentEntry | undefined {
  return open(() => unsealJson<ConsentEntry>(bridge, entryPlace(record, position), entry));
}

/** Undefined where a sealed value was altered or moved. */
function open<Value>(unsealed: () => Value): Value | undefined {
  try {
    return unsealed();
  } catch {
    return undefined;
  }
}
