// What the parts of a phone share.
import type { LidJid } from '../model/jid.ts';
import type { Stanza } from '../whatsapp/binary/index.ts';
import type { PhoneAccount } from './directory.ts';
import type { Network } from './network.ts';
import type { PhoneFanout } from './phone-fanout.ts';
import type { PhoneFiles } from './phone-files.ts';
import type { PhoneJournal } from './phone-journal.ts';
import type { PhoneKeys } from './phone-keys.ts';
import type { PhoneLine } from './phone-line.ts';

export interface PhoneParts {
  readonly network: Network;
  readonly account: PhoneAccount;
  readonly journal: PhoneJournal;
  readonly keys: PhoneKeys;
  readonly files: PhoneFiles;
  readonly line: PhoneLine;
  readonly fanout: PhoneFanout;
}

/** WhatsApp's own clients know everybody by LID. */
export function senderOf(received: Stanza): LidJid | undefined {
  const from = received.attrs.get('from');
  return from !== undefined && typeof from !== 'string' && from.kind === 'lid' ? from : undefined;
}
