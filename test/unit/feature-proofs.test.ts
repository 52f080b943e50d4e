// Every row of the capability table has an end-to-end test in each direction: where it is said to be elsewhere, it is there.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { capabilities } from '../../src/translate/capabilities.ts';
import { contactRows } from '../support/table/contact-rows.ts';
import { userRows } from '../support/table/user-rows.ts';

const contacts = Object.entries(contactRows).flatMap(([row, { phone, client }]) => [
  { row, proof: phone },
  { row, proof: client },
]);
const elsewhere = [...contacts, ...Object.entries(userRows).map(([row, proof]) => ({ row, proof }))].flatMap(
  ({ row, proof }) => ('file' in proof ? [{ row, ...proof }] : []),
);

test.each(elsewhere)('$row is in $file: $test', ({ file, test: name }) => {
  expect(readFileSync(`test/e2e/${file}`, 'utf8')).toContain(`'${name}'`);
});

test('what is sent and not refused has something to be seen', () => {
  for (const [row, { phone, client, shown }] of Object.entries(contactRows)) {
    const { support } = capabilities.whatsapp[row as keyof typeof contactRows]['to-matrix'] ?? {};
    const isSent = [phone, client].some((proof) => typeof proof === 'function');
    expect([row, shown !== undefined]).toEqual([row, isSent && support !== 'refused']);
  }
});
