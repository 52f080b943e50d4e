// Who is let in, for every standing that a contact can have with a user.
import { expect, it } from 'vitest';
import { decide } from '../../src/bridge/policy/admission.ts';
import { type Reach, reaches } from '../../src/model/account.ts';
import type { Acceptance } from '../../src/model/portal.ts';

const asking: Acceptance = { at: 'requested', number: 1, since: 1, askedAgain: false, dropped: 0 };
const of = (acceptance: Acceptance | undefined, waiting = 0, reach: Reach = 'everyone') =>
  decide({ reach, acceptance, waiting, mostWaiting: 3, asking: 0, mostAsking: 2 });

it('delivers what comes from those who were let in, however much waits', () => {
  expect(of({ at: 'accepted' })).toBe('deliver');
  expect(of({ at: 'accepted' }, 1000)).toBe('deliver');
});

it('lets strangers wait, up to the limit, and drops the rest', () => {
  expect(of(undefined)).toBe('wait');
  expect(of(asking, 2)).toBe('wait');
  expect(of(asking, 3)).toBe('drop');
});

it('ignores those who were declined', () => {
  expect(of({ at: 'declined' })).toBe('ignore');
});

it('does not hear strangers of a user who wants none, and counts what those write who had asked before', () => {
  for (const reach of reaches.filter((each) => each !== 'everyone')) {
    expect(of(undefined, 0, reach)).toBe('ignore');
    expect(of(asking, 0, reach)).toBe('drop');
    expect(of({ at: 'accepted' }, 0, reach)).toBe('deliver');
    expect(of({ at: 'declined' }, 0, reach)).toBe('ignore');
  }
});

it('lets so many ask at a time; who asks already goes on', () => {
  const crowd = (acceptance: Acceptance | undefined, asking: number) =>
    decide({ reach: 'everyone', acceptance, waiting: 0, mostWaiting: 3, asking, mostAsking: 2 });
  expect(crowd(undefined, 1)).toBe('wait');
  expect(crowd(undefined, 2)).toBe('ignore');
  expect(crowd(asking, 2)).toBe('wait');
  expect(crowd({ at: 'accepted' }, 2)).toBe('deliver');
});
