// A plan follows from its seed alone, names every step, and refers only to what was written before.
import { expect, test } from 'vitest';
import { deliverySteps } from '../../src/model/delivery-steps.ts';
import { type Action, planOf, troubles } from '../chaos/plan.ts';

const options = { seed: 7, chats: 3, everyStep: true, kills: 200, spells: 2 };
const plan = planOf(options);
const actions = [...plan.opening, ...[...plan.rounds, ...plan.spells].flatMap((part) => part.actions)];

test('the same seed gives the same plan, another one another', () => {
  expect(planOf(options)).toEqual(plan);
  expect(planOf({ ...options, seed: 8 })).not.toEqual(plan);
});

test('every step is killed at, and after that there are as many kills as wanted', () => {
  const certain = plan.rounds.flatMap(({ kill }) => (kill.at === 'step' && kill.certain ? kill.step : []));
  expect(certain).toEqual(deliverySteps);
  expect(plan.rounds).toHaveLength(deliverySteps.length + 200);
});

test('every trouble comes as often as wanted', () => {
  expect(plan.spells.map(({ trouble }) => trouble)).toEqual([...troubles, ...troubles]);
});

test('all kinds occur in both directions', () => {
  const seen = new Set(actions.map(({ from, kind }) => `${from} ${kind}`));
  for (const from of ['matrix', 'whatsapp']) {
    for (const kind of ['text', 'reply', 'reaction', 'edit', 'deletion']) expect(seen).toContain(`${from} ${kind}`);
  }
});

test('nothing refers to what comes later, to another chat, or to what is deleted; only what is one’s own is changed', () => {
  const before = new Map<number, Action>();
  const deleted = new Set<number>();
  for (const action of actions) {
    const about = action.about === undefined ? undefined : before.get(action.about);
    if (action.about !== undefined) {
      expect(about?.chat).toBe(action.chat);
      expect(deleted.has(action.about)).toBe(false);
      if (action.kind === 'edit' || action.kind === 'deletion') expect(about?.from).toBe(action.from);
      if (action.kind === 'deletion') deleted.add(action.about);
    }
    before.set(action.number, action);
  }
});
