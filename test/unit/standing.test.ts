// How an account stands, from what is on record: paused when it must be, asked once a week at most, never without a way back.
import { describe, expect, it } from 'vitest';
import { type Demands, standing } from '../../src/bridge/consent/standing.ts';
import type { AccountState } from '../../src/model/account.ts';
import type { ConsentEntry } from '../../src/model/consent.ts';
import { interopJid } from '../../src/model/jid.ts';

const day = 86_400_000;
const now = 1_000 * day;
const current = { version: 2, digest: 'new' };
const earlier = { version: 1, digest: 'old' };
const enlistment = { interopAccountId: '1', jid: interopJid(1, '1') };
const active: AccountState = { at: 'active', enlistment };
const account = (state: AccountState = active) => ({ network: 'whatsapp', state }) as const;
const demands: Demands = {
  networks: ['whatsapp'],
  mayOptIn: true,
  attestationRequired: false,
  graceMs: 7 * day,
  endAfterMs: 30 * day,
};
const network = 'whatsapp';
const given = (explanation = current, at = now - 400 * day): ConsentEntry => ({
  what: 'given',
  network,
  explanation,
  at,
});
const asked = (daysAgo: number): ConsentEntry => ({
  what: 'asked-again',
  network,
  explanation: current,
  at: now - daysAgo * day,
});
const stands = (
  entries: readonly ConsentEntry[] | undefined,
  over: Partial<Demands> = {},
  state: AccountState = active,
) => standing(account(state), entries, current, { ...demands, ...over }, now);

it('works while what was agreed to is what holds', () => {
  expect(stands([given()])).toEqual({ pause: undefined, ask: [], deadlines: {}, end: false });
});

describe('a changed explanation', () => {
  it.each([
    ['is asked about at once', [], undefined, ['explanation']],
    ['is not asked about again within a week', [asked(6)], undefined, []],
    ['is asked about again after a week, and pauses', [asked(7)], 'explanation', ['explanation']],
    ['pauses until it is agreed to', [asked(14), asked(1)], 'explanation', []],
    ['is settled by agreeing', [asked(14), given(current, now)], undefined, []],
  ])('%s', (_, later, pause, ask) => {
    expect(stands([given(earlier), ...later])).toMatchObject({ pause, ask });
  });

  it('pauses at once where the operator grants no time', () => {
    expect(stands([given(earlier)], { graceMs: 0 })).toMatchObject({ pause: 'explanation', ask: ['explanation'] });
  });
});

describe('a record', () => {
  it.each([
    ['that is damaged', undefined],
    ['that does not exist', []],
    ['of a consent that was withdrawn', [given(), { what: 'withdrawn', network, at: now } as const]],
    ['of another network', [{ ...given(), network: 'messenger' } as ConsentEntry]],
  ])('%s is no consent', (_, entries) => {
    expect(stands(entries)).toMatchObject({ pause: 'record', ask: ['explanation'], end: false });
  });
});

it('a user, or a network, that the operator has taken out is paused and asked nothing', () => {
  expect(stands([given(earlier)], { mayOptIn: false })).toMatchObject({ pause: 'permission', ask: [] });
  expect(stands([given()], { networks: ['messenger'] })).toMatchObject({ pause: 'network', ask: [] });
});

describe('a statement of being in the European Economic Area', () => {
  const attested = (daysLeft: number): ConsentEntry => ({
    what: 'attested',
    until: now + daysLeft * day,
    at: now - day,
  });
  const reminded = (daysAgo: number): ConsentEntry => ({ what: 'attestation-asked', at: now - daysAgo * day });
  it.each([
    ['holds', [attested(31)], undefined, []],
    ['is to be renewed before it ends', [attested(29)], undefined, ['attestation']],
    ['is asked for once a week', [attested(20), reminded(3)], undefined, []],
    ['has ended', [attested(0), reminded(8)], 'attestation', ['attestation']],
    ['was never made', [], undefined, ['attestation']],
    ['was asked for in vain', [reminded(7)], 'attestation', ['attestation']],
  ])('%s', (_, entries, pause, ask) => {
    expect(stands([given(), ...entries], { attestationRequired: true })).toMatchObject({ pause, ask });
  });
});

it('ends what has been paused for too long, and nothing for a damaged record', () => {
  const paused = (daysAgo: number): ConsentEntry => ({
    what: 'paused',
    network,
    why: 'permission',
    at: now - daysAgo * day,
  });
  const state: AccountState = { at: 'paused', why: 'permission', enlistment };
  expect(stands([given(), paused(29)], { mayOptIn: false }, state).end).toBe(false);
  expect(stands([given(), paused(30)], { mayOptIn: false }, state).end).toBe(true);
  expect(stands([given(), paused(30)], {}, state)).toMatchObject({ end: false, pause: undefined });
  expect(stands(undefined, {}, state).end).toBe(false);
});
