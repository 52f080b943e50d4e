// Who is let in, for every standing that a contact can have with a user.
import { expect, it } from 'vitest';
import { decide } from '../../src/bridge/policy/admission.ts';
import type { Acceptance } from '../../src/model/portal.ts';

const asking: Acceptance = { at: 'requested', number: 1, since: 1, askedAgain: false, dropped: 0 };
const of = (acceptance: Acceptance | undefined, waiting = 0) => decide({ acceptance, waiting, mostWaiting: 3 });

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
