// What a user is told before they agree. Consent is given to this, so its version and what it rests on are kept with the consent.
import { createHash } from 'node:crypto';
import type { Network } from '../../model/account.ts';
import type { Explanation } from '../../model/consent.ts';
import type { BridgeSettings } from '../context.ts';
import { networkNames, whatWorks } from '../labels.ts';

/** Raised when the text below says something new in substance: every user is then asked again. A test fails where that was not decided. */
const version = 1;

type Facts = Pick<BridgeSettings, 'serverName' | 'operator' | 'devicePolicy'>;

/** What is explained at present. Another server, operator or device policy is a change of substance; another address of the operator is none. */
export function currentExplanation({ serverName, operator, devicePolicy }: Facts, network: Network): Explanation {
  const substance = JSON.stringify([version, network, serverName, operator.name, devicePolicy]);
  return { version, digest: createHash('sha256').update(substance).digest('hex').slice(0, 32) };
}

export const sameExplanation = (one: Explanation, other: Explanation): boolean =>
  one.version === other.version && one.digest === other.digest;

export function explanationText({ serverName, operator, devicePolicy }: Facts, network: Network): string {
  const name = networkNames[network];
  const policy = operator.privacyUrl === undefined ? '' : ` Privacy policy: ${operator.privacyUrl}`;
  return [
    `If you opt in, people on ${name} who allow chats with other services can write to you, and you to them.`,
    `Who runs this: ${operator.name}. Contact: ${operator.contact}.${policy}`,
    [
      'What is shared, and with whom:',
      `- ${name} learns your Matrix ID and display name, that you use ${serverName}, with whom you write, when and how much.`,
      '- The people you write with see your Matrix ID and display name.',
      `- Your homeserver, ${serverName}, sees which of your rooms are chats with ${name}, what the people in them call themselves, when and how much is written, and reactions and deletions, which are not encrypted anywhere in Matrix.`,
    ].join('\n'),
    `What is read where: messages and files are end-to-end encrypted from you to the bridge on ${serverName}, and again from there to ${name}. The bridge decrypts and re-encrypts them in between, in memory. Whoever runs ${serverName} could therefore read them. Nothing readable is stored, and delivered messages are erased. Files that you send lie on this server, encrypted, until they have been fetched.`,
    ...(devicePolicy === 'all'
      ? [
          `On this server messages go to all of your sessions, verified or not: whoever controls ${serverName} could add one and read along.`,
        ]
      : []),
    'Whether you have read something, and that you are typing, is told to nobody unless you switch it on; "settings" shows how.',
    'Who may reach you: whoever you do not know waits until you have decided, and learns nothing until then, not even that their message has arrived.',
    whatWorks(network),
    'That you have agreed, and when, is kept on record; "consent" shows it.',
    'You can end this at any time with "opt-out": from then on nothing is sent or received, and your keys, your chats and everything that waits in them are deleted here. What others have received stays with them.',
  ].join('\n\n');
}

/** What is kept while an answer is waited for. */
export function questionFor(facts: Facts, network: Network): string {
  const { version, digest } = currentExplanation(facts, network);
  return `opt-in ${network} ${version}:${digest}`;
}
