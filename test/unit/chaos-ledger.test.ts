// The account of a run: it has to see every way in which delivery can go wrong.
import { expect, test } from 'vitest';
import { accountOf, isSound, type Lane, type Received } from '../chaos/ledger.ts';

const message = (number: number, late = false): Received => ({ kind: 'message', number, late });
const lane = (sent: number[], received: Received[], unconfirmed: number[] = []): Lane => ({
  name: 'lane',
  sent,
  received,
  unconfirmed,
});
const sound = { lost: 0, doubled: 0, outOfOrder: 0, undecryptable: 0, stray: 0, unconfirmed: 0, late: 0 };

test('everything once and in order is sound', () => {
  const account = accountOf([
    lane(
      [1, 2, 3],
      [1, 2, 3].map((n) => message(n)),
    ),
    lane([4], [message(4)]),
  ]);
  expect(account).toMatchObject({ ...sound, sent: 4, complaints: [] });
  expect(isSound(account)).toBe(true);
});

test.each<[string, Lane, Partial<typeof sound>, string]>([
  ['a loss', lane([1, 2, 3], [message(1), message(3)]), { lost: 1 }, 'lost: 2'],
  ['a double', lane([1, 2], [message(1), message(2), message(1)]), { doubled: 1 }, 'doubled: 1'],
  ['a swap', lane([1, 2, 3], [message(2), message(1), message(3)]), { outOfOrder: 1 }, 'out of order: 2'],
  [
    'what nobody can read',
    lane([1], [message(1), { kind: 'undecryptable' }]),
    { undecryptable: 1 },
    'undecryptable: 1',
  ],
  ['what nobody has sent', lane([1], [message(1), message(7)]), { stray: 1 }, 'never sent: 7'],
  ['words of nobody', lane([1], [message(1), { kind: 'stray', text: 'x' }]), { stray: 1 }, 'never sent: x'],
  ['a sender who is not told', lane([1], [message(1)], [1]), { unconfirmed: 1 }, 'not confirmed to its sender: 1'],
])('%s is seen', (_what, one, counts, complaint) => {
  const account = accountOf([one]);
  expect(account).toMatchObject({ ...sound, ...counts, complaints: [`lane: ${complaint}`] });
  expect(isSound(account)).toBe(false);
});

test('of what the network has swapped itself the order is not asked, but everything else is', () => {
  const swapped = { ...lane([1, 2, 3], [message(2), message(1), message(3)]), unordered: new Set([1]) };
  expect(accountOf([swapped])).toMatchObject({ ...sound, complaints: [] });
  expect(accountOf([{ ...swapped, received: [message(2), message(3)] }])).toMatchObject({ lost: 1 });
});

test('of a message that comes late and says so the order is not asked', () => {
  const account = accountOf([lane([1, 2, 3], [message(2), message(3), message(1, true)])]);
  expect(account).toMatchObject({ ...sound, late: 1, complaints: [] });
});
