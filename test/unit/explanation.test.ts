// The explanation that consent is given to: nobody changes it in substance without a decision, and configuration changes it by itself.
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { currentExplanation, explanationText } from '../../src/bridge/consent/explanation.ts';
import { whatWorks } from '../../src/bridge/labels.ts';

const facts = {
  serverName: 'example.org',
  operator: { name: 'Example organisation', contact: '@admin:example.org', privacyUrl: 'https://example.org/privacy' },
  devicePolicy: 'cross-signed',
} as const;

it('has these words in this version', () => {
  // What works is not consented to: it follows the capability table.
  const text = explanationText(facts, 'whatsapp').replace(whatWorks('whatsapp'), '');
  const words = createHash('sha256').update(text).digest('hex').slice(0, 16);
  // Does it say something new in substance? Then raise the version in explanation.ts as well: every user is asked again.
  expect([currentExplanation(facts, 'whatsapp').version, words]).toEqual([1, 'd5cc6a05c32b7c46']);
});

it('says who runs it, what is shared with whom, where messages are decrypted, what works, and how to end it', () => {
  const text = explanationText(facts, 'whatsapp');
  for (const part of [
    'Example organisation',
    '@admin:example.org',
    'https://example.org/privacy',
    'WhatsApp learns your Matrix ID',
    'The people you write with see',
    'Your homeserver, example.org, sees',
    'decrypts and re-encrypts',
    whatWorks('whatsapp'),
    '"opt-out"',
  ])
    expect(text).toContain(part);
  expect(text).not.toContain('verified or not');
});

it('is another one for another operator, server, device policy or network, and the same for another address', () => {
  const { digest } = currentExplanation(facts, 'whatsapp');
  const others = [
    currentExplanation({ ...facts, operator: { ...facts.operator, name: 'Somebody else' } }, 'whatsapp'),
    currentExplanation({ ...facts, serverName: 'example.com' }, 'whatsapp'),
    currentExplanation({ ...facts, devicePolicy: 'all' }, 'whatsapp'),
    currentExplanation(facts, 'messenger'),
  ];
  expect(new Set([digest, ...others.map((other) => other.digest)]).size).toBe(5);
  const moved = { ...facts, operator: { ...facts.operator, contact: 'elsewhere', privacyUrl: undefined } };
  expect(currentExplanation(moved, 'whatsapp').digest).toBe(digest);
  expect(explanationText({ ...facts, devicePolicy: 'all' }, 'whatsapp')).toContain('verified or not');
});
