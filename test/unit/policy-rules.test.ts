// The rules of policy rooms: what is read from state that anybody may have written, and whom a glob fits.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globMatches, mayFitEnding } from '../../src/bridge/policy/glob.ts';
import { mostRules, namesUser, namesUserOrServer, rulesIn } from '../../src/bridge/policy/rules.ts';
import type { UserId } from '../../src/model/ids.ts';
import type { StateEvent } from '../../src/model/matrix.ts';

const server = 'example.org';
const rule = (entity: unknown, type = 'm.policy.rule.user', recommendation: unknown = 'm.ban'): StateEvent => ({
  type,
  stateKey: `rule:${entity}`,
  content: { entity, recommendation, reason: 'spam' },
});
const read = (...state: StateEvent[]) => rulesIn(state, server);

describe('a glob', () => {
  it.each([
    ['@wa_*:example.org', '@wa_31ab:example.org', true],
    ['@wa_31??:example.org', '@wa_31ab:example.org', true],
    ['@wa_31?:example.org', '@wa_31ab:example.org', false],
    ['@wa_*:example.com', '@wa_31ab:example.org', false],
    ['@WA_*:example.org', '@wa_31ab:example.org', false],
    ['@wa_31ab:exampleXorg', '@wa_31ab:example.org', false],
    ['*', '', true],
    ['', '', true],
    ['?', '', false],
    ['**a**', 'bab', true],
    ['*ab', 'aab', true],
    ['.*', '@anna', false],
  ])('%s and %s: %s', (glob, text, fits) => expect(globMatches(glob, text)).toBe(fits));

  const letters = fc.string({ unit: fc.constantFrom('a', 'b', ':', '@'), maxLength: 12 });
  const globs = fc.string({ unit: fc.constantFrom('a', 'b', ':', '*', '?'), maxLength: 12 });

  it('fits what a regular expression for it fits', () => {
    const expression = (glob: string) => new RegExp(`^${glob.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`);
    fc.assert(
      fc.property(globs, letters, (glob, text) => globMatches(glob, text) === expression(glob).test(text)),
      { numRuns: 5_000 },
    );
  });

  it('that fits a text may fit its ending', () => {
    fc.assert(
      fc.property(globs, letters, letters, (glob, start, end) => {
        fc.pre(globMatches(glob, start + end));
        return mayFitEnding(glob, end);
      }),
      { numRuns: 5_000 },
    );
  });

  // A regular expression for one of these would not answer in a lifetime.
  it('made to be looked at for ever is answered', () => {
    const hostile = fc.array(fc.constantFrom('*a', 'a*', 'a', '?', '*?'), { minLength: 60, maxLength: 120 });
    const text = 'a'.repeat(255);
    fc.assert(fc.property(hostile, (parts) => !globMatches(`${parts.join('').slice(0, 254)}b`, text)));
    expect(globMatches(`${'*a'.repeat(127)}*`, text)).toBe(true);
  });
});

describe('of the state of a room', () => {
  it('bans of users and servers are read, under each of their names; whatever else stands there is not', () => {
    const { rules, leftOut } = read(
      rule('@a:example.org'),
      rule('@b:example.org', 'm.room.rule.user', 'org.matrix.mjolnir.ban'),
      rule('@c:example.org', 'org.matrix.mjolnir.rule.user'),
      rule('example.*', 'm.policy.rule.server'),
      rule('@d:example.org', 'm.policy.rule.user', 'm.allow'),
      rule('!e:example.org', 'm.policy.rule.room'),
      { type: 'm.policy.rule.user', stateKey: 'taken back', content: {} },
      {
        type: 'm.room.member',
        stateKey: '@f:example.org',
        content: { entity: '@f:example.org', recommendation: 'm.ban' },
      },
    );
    expect(rules).toEqual([
      { about: 'server', entity: 'example.*' },
      { about: 'user', entity: '@a:example.org' },
      { about: 'user', entity: '@b:example.org' },
      { about: 'user', entity: '@c:example.org' },
    ]);
    expect(leftOut).toBe(0);
  });

  it('nothing is kept that is about other servers', () => {
    expect(read(rule('@a:elsewhere.example'), rule('*.elsewhere.example', 'm.policy.rule.server')).rules).toEqual([]);
    expect(read(rule('@a:*'), rule('*'), rule('@a:exampl?.org')).rules).toHaveLength(3);
  });

  it('only so many rules are kept, and none that is longer than a Matrix ID; the rest is counted', () => {
    const many = Array.from({ length: mostRules + 7 }, (_, index) => rule(`@wa_${index}:example.org`));
    const { rules, leftOut } = read(...many, ...many, rule(`@${'a'.repeat(300)}:example.org`));
    expect([rules.length, leftOut]).toEqual([mostRules, 8]);
  });

  it('nothing breaks it', () => {
    const kinds = ['m.policy.rule.user', 'm.policy.rule.server', 'm.room.member'];
    const content = fc.record({ entity: fc.anything(), recommendation: fc.constantFrom('m.ban', 1, null) });
    const events = fc.record({ type: fc.constantFrom(...kinds), stateKey: fc.string(), content });
    const globs = fc.string({ unit: fc.constantFrom('*', '?', 'a', '@', ':', '.'), maxLength: 300 });
    const rules = fc.record({
      type: fc.constantFrom(...kinds),
      stateKey: fc.string(),
      content: fc.record({ entity: globs, recommendation: fc.constant('m.ban') }),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(events, rules)), (state) => {
        const { rules: kept } = rulesIn(state, server);
        expect(kept.every(({ entity }) => entity.length <= 255)).toBe(true);
        expect(typeof namesUserOrServer(kept, '@wa_1:example.org' as UserId)).toBe('boolean');
        // The order in which a server tells its state says nothing.
        expect(rulesIn(state.toReversed(), server).rules).toEqual(kept);
      }),
    );
  });
});

it('a rule about this server is about everybody on it, whatever its case and port, but names nobody', () => {
  const anna = '@anna:example.org' as UserId;
  const rules = read(rule('EXAMPLE.*', 'm.policy.rule.server')).rules;
  expect([namesUserOrServer(rules, anna), namesUser(rules, anna)]).toEqual([true, false]);
  const withPort = rulesIn([rule('example.org', 'm.policy.rule.server')], 'example.org:8448').rules;
  expect(namesUserOrServer(withPort, '@anna:example.org:8448' as UserId)).toBe(true);
});
