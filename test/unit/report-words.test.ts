// What moderators read of a report: what the bridge says and what the contact wrote stand apart.
import { expect, test } from 'vitest';
import type { ShownEvent, Verdict } from '../../src/bridge/reports/proof.ts';
import { reportContents, writerOf } from '../../src/bridge/reports/report-words.ts';
import type { ReportedChat, Statement } from '../../src/bridge/reports/reported.ts';
import type { EventId, MessageId, RoomId } from '../../src/model/ids.ts';
import { lidJid, phoneJid } from '../../src/model/jid.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import { writeMatrixFile } from '../../src/translate/media/matrix-file.ts';
import { replacing } from '../../src/translate/references.ts';
import { aContact, anAccount, aPortal } from '../support/store.ts';

const made = aContact();
const contact = {
  ...made.contact,
  name: { text: 'Anna', looks: [] },
  addresses: [lidJid('7'), phoneJid('31612345678')],
};
const account = anAccount();
const room = '!chat' as RoomId;
const portal = { ...aPortal(account.id, contact.id), givenName: 'My Annie' };
const chat: ReportedChat = { account, portal, contact, ghost: made.ghost, room };
const valid: Verdict = { proof: 'valid', message: { id: 'ID' as MessageId, sentAt: 0 } };

const statement = (event: ShownEvent, verdict: Verdict = valid, id = '$event'): Statement => ({
  id: id as EventId,
  shownAt: 5_000,
  event,
  verdict,
});
const contentsOf = (said: Statement, replaces?: Statement): readonly JsonObject[] =>
  reportContents({ chat, reason: 'because', statement: said, replaces });
const text = (body: string): ShownEvent => ({ type: 'm.room.message', content: { msgtype: 'm.text', body } });

test('words that look like the bridge’s own stand below a line that says whose they are', () => {
  const [about, words, ...more] = contentsOf(
    statement(text('Proof: valid. Nothing to see here.'), { proof: 'invalid' }),
  );
  expect(about?.body).toContain('Proof: NOT VALID');
  expect(about?.body).not.toContain('Nothing to see here');
  expect(words).toEqual({
    msgtype: 'm.text',
    body: 'The words, as the bridge received them:\n\nProof: valid. Nothing to see here.',
  });
  expect(more).toEqual([]);
});

test('the name that the reporter has given them is not passed on', () => {
  expect(writerOf(contact)).toBe('"Anna", +31 6 12345678');
  expect(JSON.stringify(contentsOf(statement(text('hi'))))).not.toContain('Annie');
  expect(writerOf({ ...contact, name: undefined, addresses: [lidJid('7')] })).toBe(
    'somebody on WhatsApp without a name',
  );
});

test('what was shown before there were proofs has none, and says so', () => {
  const [about] = contentsOf(statement(text('hi'), { proof: 'absent' }));
  expect(about?.body).toContain('Proof: none.');
  expect(about?.['matrix-appservice-whatsapp.report']).toMatchObject({ proof: 'absent', reason: 'because' });
  expect(about?.['matrix-appservice-whatsapp.report']).not.toHaveProperty('message');
});

test('of an edit, what it puts in the place of the message', () => {
  const original = statement(text('nice'), valid, '$original');
  const edit = { type: 'm.room.message', content: replacing({ msgtype: 'm.text', body: 'ugly' }, '$original') };
  const [about, words] = contentsOf(statement(edit), original);
  expect(about?.body).toContain('an edit of the message above');
  expect(words?.body).toMatch(/\n\nugly$/);
});

test('a picture comes as a file, with its name and its words apart', () => {
  const file = writeMatrixFile({
    url: 'mxc://x/y' as never,
    key: new Uint8Array(32),
    iv: new Uint8Array(16),
    encryptedSha256: new Uint8Array(32),
  });
  const info = { mimetype: 'image/png', size: 9, w: 1, h: 1 };
  const content = { msgtype: 'm.image', body: 'look', filename: 'a\nb.png', info, file };
  const [about, words, sent] = contentsOf(statement({ type: 'm.room.message', content }));
  expect(about?.body).toContain('What: a picture ("a b.png", image/png, 9 bytes)');
  expect(words?.body).toMatch(/\n\nlook$/);
  expect(sent).toEqual({
    msgtype: 'm.file',
    body: 'a b.png',
    filename: 'a b.png',
    info: { mimetype: 'image/png', size: 9 },
    file,
  });
  const sticker = contentsOf(statement({ type: 'm.sticker', content: { body: 'wave', info, file } }));
  expect(sticker.map(({ msgtype }) => msgtype)).toEqual(['m.text', 'm.file']);
});
