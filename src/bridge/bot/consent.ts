// `consent`: what is on record about the user's consent, readable.
import type { ConsentEntry } from '../../model/consent.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import type { Answer, Command } from './commands.ts';

/** Lines of one answer. */
const most = 100;

export async function consent({ store }: BridgeContext, { user }: Command): Promise<Answer> {
  const entries = await store.consent.entries(user);
  const intact = await store.consent.isIntact(user);
  if (entries.length === 0 && intact) return { text: 'Nothing is on record about you.' };
  const left = entries.length - most;
  const lines = entries.slice(-most).map((entry) => `${time(entry.at)}: ${words(entry)}`);
  return {
    text: [
      'What is on record about your consent (times in UTC):',
      [...(left > 0 ? [`(${left} earlier entries)`] : []), ...lines].join('\n'),
      intact
        ? 'Entries are only ever added, and sealed one upon the other: this record is as it was written.'
        : 'This record has been damaged, so it does not count: what is missing or altered in it cannot be told. The administrator of this server can see that it is. "opt-in" asks you anew.',
    ].join('\n\n'),
  };
}

const time = (at: number): string => new Date(at).toISOString().replace('T', ' ').slice(0, 16);

function words(entry: ConsentEntry): string {
  switch (entry.what) {
    case 'explained':
      return `${networkNames[entry.network]}: you asked to opt in and were shown the explanation (${versionOf(entry)})`;
    case 'given':
      return `${networkNames[entry.network]}: you agreed (${versionOf(entry)})`;
    case 'asked-again':
      return `${networkNames[entry.network]}: you were asked again, because the explanation has changed (${versionOf(entry)})`;
    case 'withdrawn':
      return `${networkNames[entry.network]}: you opted out`;
    case 'ended':
      return `${networkNames[entry.network]}: ended without you (${entry.why})`;
    case 'paused':
      return `${networkNames[entry.network]}: paused (${entry.why})`;
    case 'resumed':
      return `${networkNames[entry.network]}: goes on`;
    case 'announced':
      return `${networkNames[entry.network]}: you were told that it is available here`;
    case 'attested':
      return `you stated that you are in the European Economic Area (holds until ${time(entry.until)})`;
    case 'attestation-asked':
      return 'you were asked to state that you are in the European Economic Area';
    case 'begun-anew':
      return 'the record before this one was damaged, and was given up';
    case 'erased':
      return 'a record was erased';
  }
}

const versionOf = ({ explanation }: Extract<ConsentEntry, { readonly explanation: object }>): string =>
  `version ${explanation.version}-${explanation.digest.slice(0, 6)}`;
