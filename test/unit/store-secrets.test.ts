// At rest: nothing readable in the files, values bound to their place, the right master key only, rotation, erasure.
import { createSecretKey, randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ContactId, type EventId, ghostActorId, type RoomId, type SendId } from '../../src/model/ids.ts';
import { formatJid, lidJid, phoneJid } from '../../src/model/jid.ts';
import { openStore } from '../../src/store/open-store.ts';
import { rotateMasterKey } from '../../src/store/rotation.ts';
import { type Place, seal, unseal } from '../../src/store/sealing.ts';
import {
  aChat,
  aContact,
  anAccount,
  aPlace,
  departure,
  dialect,
  execute,
  masterKey,
  message,
  openTestJournal,
  openTestStore,
  outgoing,
  storedBytes,
  temporaryDirectory,
} from '../support/store.ts';

const canary = 'canary-6f1d2c';
const phone = '4915112345678';
const lid = '98765432101234';
const clock = { now: () => 1_000 };

const uri = `mxc://example.org/${canary}` as const;
const pictureOf = (contact: ContactId) => ({ contact, shown: true, lookedAt: 1, dueAt: undefined, failures: 0 });

/** Puts the canary, a phone number and a hidden id everywhere where content can go, in every state that keeps it. */
async function fill(store: Awaited<ReturnType<typeof openTestStore>>) {
  const contact = aContact({ addresses: [phoneJid(phone), lidJid(lid)], name: { text: canary, looks: [canary] } });
  const chat = await aChat(store, { account: anAccount(), contact });
  const { account, portal, ghost } = chat;
  const bytes = Buffer.from(canary);
  const peer = { account: account.id, contact: contact.contact.id, device: 0 };
  const event = { sendId: 's' as SendId, type: 'm.room.encrypted', content: { body: canary } };
  const body = { kind: 'message', payload: bytes } as const;
  await store.commit([
    { change: 'ghost.put', ghost: { ...ghost, ready: true, displayName: canary } },
    {
      change: 'signal.identity',
      account: account.id,
      identity: { keyPair: bytes, registrationId: 1, nextPreKeyId: 1 },
    },
    { change: 'signal.pre-keys', account: account.id, keys: [{ id: 1, record: bytes }] },
    { change: 'signal.signed-pre-key', account: account.id, key: { id: 1, record: bytes, createdAt: 1 } },
    { change: 'signal.session', peer, record: bytes },
    { change: 'peer.trust', peer, trust: { state: 'changed', key: bytes, seen: bytes } },
    { change: 'user.trust', trust: { state: 'changed', user: account.user, masterKey: canary, seen: canary } },
    { change: 'pending-command', user: account.user, command: `chat +${phone} ${canary}` },
    { change: 'bot-message.add', room: account.managementRoom, key: 'k', text: canary },
    { change: 'portal.name', portal: portal.id, givenName: canary },
    { change: 'picture.due', contact: contact.contact.id, at: 1 },
    { change: 'picture.put', picture: { ...pictureOf(contact.contact.id), uploaded: { id: canary, uri } }, handled: 1 },
    { change: 'inbox.add', row: message(portal, bytes) },
    {
      change: 'inbox.add',
      row: { ...message(portal, bytes), body: { kind: 'notice', notice: { code: 'c', text: canary } } },
    },
    { change: 'outbox.add', row: outgoing(portal, bytes) },
    {
      change: 'transaction.store',
      transaction: {
        id: 't',
        body: { canary },
        events: [
          {
            event_id: '$x' as EventId,
            room_id: '!r' as RoomId,
            sender: account.user,
            type: 'm.room.message',
            content: { body: canary },
            origin_server_ts: 1,
          },
        ],
      },
    },
  ]);
  const inbox = await store.inbox.next(portal.id);
  const outbox = await store.outbox.next(portal.id);
  const said = await store.botMessages.next(account.managementRoom);
  if (!inbox || !outbox || !said) throw new Error('rows are missing');
  await store.commit([
    { change: 'inbox.state', id: inbox.id, state: { at: 'encrypted', events: [event], body } },
    { change: 'outbox.state', id: outbox.id, state: { at: 'encrypted', stanza: bytes } },
    { change: 'bot-message.event', seq: said.seq, event },
  ]);
  await store.signingKeys.put({
    kid: 'k',
    algorithm: 'ES256',
    privateKey: canary,
    createdAt: 1,
    activeFrom: 1,
    retireAt: undefined,
  });
  return { ...chat, contact: contact.contact, peer };
}

it('stores no content, key, name, phone number or address that can be read, in a log neither', async () => {
  const place = await aPlace();
  const store = await openTestStore(place);
  const { account, contact } = await fill(store);
  if (account.state.at !== 'active') throw new Error('the account is active');
  const { interopAccountId, jid } = account.state.enlistment;

  const secrets = [canary, phone, lid, interopAccountId, formatJid(jid)];
  const exposed = async (): Promise<string[]> => {
    const bytes = await storedBytes(place);
    expect(bytes.includes(account.user)).toBe(true);
    return secrets.filter((secret) =>
      [secret, Buffer.from(secret).toString('base64').slice(0, -4)].some((form) => bytes.includes(form)),
    );
  };
  expect(await exposed()).toEqual([]);
  await store.commit([departure(account)]);
  expect(await store.accounts.departureOf('whatsapp', account.user)).toMatchObject({ interopAccountId });
  await store.close();
  expect(await exposed()).toEqual([]);

  const again = await openTestStore(place);
  const [found] = await again.contacts.byAddress('whatsapp', [lidJid(lid, 3)]);
  expect(found).toMatchObject({ id: contact.id, name: { text: canary } });
  expect(await again.contacts.byAddress('messenger', [lidJid(lid)])).toEqual([]);
});

it.runIf(dialect === 'sqlite')('keeps its files to their owner', async () => {
  const path = join(temporaryDirectory(), 'bridge.db');
  const store = await openTestStore({ path });
  await fill(store);
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
  for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o077).toBe(0);
});

it('destroys an erased account: neither its wrapped key nor its sealed rows are left', async () => {
  const place = await aPlace();
  const store = await openTestStore(place);
  const { account, contact, ghost, portal, peer } = await fill(store);
  const other = await aChat(store, { account: anAccount(), contact: { contact, ghost } });
  const rows = await execute(
    place,
    `select wrapped as bytes from data_key where id = 'account:${account.id}' union all
     select record from signal_session where account = '${account.id}' union all
     select stanza from outbox where account = '${account.id}' and stanza is not null`,
  );
  const blobs = rows.map(({ bytes }) => bytes as Buffer);
  expect(blobs).toHaveLength(3);
  const before = await storedBytes(place);
  expect(blobs.every((blob) => before.includes(blob))).toBe(true);

  await store.commit([departure(account)]);
  const after = await storedBytes(place);
  expect(blobs.some((blob) => after.includes(blob))).toBe(false);
  expect(await store.signal.session(peer)).toBeUndefined();
  expect(await store.portals.get(portal.id)).toBeUndefined();

  expect(await store.contacts.accountsUsing(contact.id)).toBe(1);
  await expect(store.commit([{ change: 'contact.erase', contact: contact.id }])).rejects.toMatchObject({
    code: 'store.conflict',
  });
  await store.commit([departure(other.account), { change: 'contact.erase', contact: contact.id }]);
  expect(await store.contacts.byAddress('whatsapp', contact.addresses)).toEqual([]);
  expect(await store.contacts.ghost(contact.id)).toBeUndefined();
});

it('refuses another master key before it changes anything, and a newer schema', async () => {
  const place = await aPlace();
  const store = await openTestStore(place);
  const { contact } = await fill(store);
  await store.close();
  await expect(openStore({ ...place, masterKey: randomBytes(32), clock })).rejects.toMatchObject({
    code: 'store.wrong-key',
    message: expect.stringMatching('path' in place ? place.path : /postgres:\/\/127[^@?]*\/\w+; after/),
  });

  await execute(place, "insert into kysely_migration (name, timestamp) values ('9999-later', 'x')");
  await expect(openStore({ ...place, masterKey, clock })).rejects.toMatchObject({ code: 'store.newer-schema' });
  await execute(place, "delete from kysely_migration where name = '9999-later'");
  const again = await openTestStore(place);
  expect(await again.contacts.get(contact.id)).toMatchObject({ name: { text: canary } });
});

it('rotates the master key of store and crypto journal, and leaves alone what has the new one', async () => {
  const storePlace = await aPlace();
  const journalPlace = 'path' in storePlace ? { path: `${storePlace.path}.crypto` } : storePlace;
  const database = 'path' in storePlace ? { files: [storePlace.path, `${storePlace.path}.crypto`] } : storePlace;
  const store = await openTestStore(storePlace);
  const { contact, peer } = await fill(store);
  const actor = ghostActorId(contact.id);
  const journal = await openTestJournal(journalPlace);
  const storeKey = Buffer.from(await journal.storeKey(actor));
  const next = randomBytes(32);

  await expect(rotateMasterKey(database, masterKey, next)).rejects.toMatchObject({ code: 'store.locked' });
  await store.close();
  await expect(rotateMasterKey(database, masterKey, next)).rejects.toMatchObject({ code: 'store.locked' });
  await journal.close();
  await expect(rotateMasterKey(database, randomBytes(32), next)).rejects.toMatchObject({ code: 'store.wrong-key' });
  await rotateMasterKey(database, masterKey, next);
  await rotateMasterKey(database, masterKey, next);

  await expect(openStore({ ...storePlace, masterKey, clock })).rejects.toMatchObject({ code: 'store.wrong-key' });
  await expect(openTestJournal(journalPlace)).rejects.toMatchObject({ code: 'store.wrong-key' });
  const reopened = await openTestJournal(journalPlace, next);
  expect(Buffer.from(await reopened.storeKey(actor))).toEqual(storeKey);
  const again = await openStore({ ...storePlace, masterKey: next, clock });
  expect((await again.signal.session(peer))?.toString()).toBe(canary);
  expect(await again.contacts.byAddress('whatsapp', [phoneJid(phone)])).toMatchObject([{ id: contact.id }]);
  await again.close();
});

it.runIf(dialect === 'sqlite')('finishes a rotation that was interrupted between the files', async () => {
  const directory = temporaryDirectory();
  const [path, journalPath] = [join(directory, 'bridge.db'), join(directory, 'crypto.db')];
  const next = randomBytes(32);
  await (await openTestStore({ path })).close();
  await (await openTestJournal({ path: journalPath })).close();
  // As if the process had been killed after the first file.
  await rotateMasterKey({ files: [path] }, masterKey, next);
  await expect(openStore({ path, masterKey, clock })).rejects.toMatchObject({ code: 'store.wrong-key' });
  await rotateMasterKey({ files: [path, journalPath] }, masterKey, next);
  await (await openStore({ path, masterKey: next, clock })).close();
  await (await openTestJournal({ path: journalPath }, next)).close();
});

it('notices a sealed value that somebody moved to another row', async () => {
  const place = await aPlace();
  const store = await openTestStore(place);
  const { account } = await aChat(store);
  const keys = [1, 2].map((id) => ({ id, record: new Uint8Array([id]) }));
  await store.commit([{ change: 'signal.pre-keys', account: account.id, keys }]);
  await store.close();
  await execute(place, 'update signal_pre_key set record = (select record from signal_pre_key where id = 1)');
  const again = await openTestStore(place);
  expect((await again.signal.preKey(account.id, 1))?.record[0]).toBe(1);
  // A key that cannot be opened counts as none: its message is asked for again.
  expect(await again.signal.preKey(account.id, 2)).toBeUndefined();
});

const key = createSecretKey(randomBytes(32));
const place = fc.tuple(fc.string(), fc.string(), fc.oneof(fc.string(), fc.integer())) as fc.Arbitrary<Place>;

it('opens what it sealed, in its own place only', () => {
  fc.assert(
    fc.property(fc.uint8Array(), place, place, (plain, here, there) => {
      const sealed = seal(key, here, plain);
      expect(unseal(key, here, sealed)).toEqual(Buffer.from(plain));
      if (JSON.stringify(here) !== JSON.stringify(there)) {
        expect(() => unseal(key, there, sealed)).toThrow(expect.objectContaining({ code: 'store.sealed' }));
      }
    }),
  );
});

it('refuses altered, cut and arbitrary values, and other keys', () => {
  const here: Place = ['table', 'column', 1];
  const refused = expect.objectContaining({ code: 'store.sealed' });
  fc.assert(
    fc.property(
      fc.uint8Array(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.uint8Array(),
      (plain, at, flip, junk) => {
        const sealed = seal(key, here, plain);
        const altered = Buffer.from(sealed);
        const index = at % altered.length;
        altered[index] = (altered[index] ?? 0) ^ flip;
        expect(() => unseal(key, here, altered)).toThrow(refused);
        expect(() => unseal(key, here, sealed.subarray(0, index))).toThrow(refused);
        expect(() => unseal(key, here, junk)).toThrow(refused);
        expect(() => unseal(createSecretKey(randomBytes(32)), here, sealed)).toThrow(refused);
      },
    ),
  );
});
