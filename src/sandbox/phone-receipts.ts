// What receipts tell a phone of its messages.
import { type LidJid, sameUser, withoutDevice } from '../model/jid.ts';
import { attribute, child, children, jidAttribute, requireAttribute, type Stanza } from '../whatsapp/binary/index.ts';
import type { PhoneJournal } from './phone-journal.ts';

/** Of one's own devices, only what was read on them counts. */
export function takeProgress(journal: PhoneJournal, own: LidJid, from: LidJid, receipt: Stanza): void {
  const isOwn = sameUser(from, own);
  const chat = isOwn ? jidAttribute(receipt, 'recipient') : withoutDevice(from);
  const progress = progressOf(receipt);
  if (chat?.kind !== 'lid' || (isOwn && progress === 'delivered')) return;
  const list = child(receipt, 'list');
  const ids = [receipt, ...(list ? children(list, 'item') : [])].map((one) => requireAttribute(one, 'id'));
  for (const id of ids) {
    const message = journal.find(isOwn ? 'in' : 'out', chat, id);
    if (message) journal.advance(message, progress);
  }
}

function progressOf(receipt: Stanza): 'delivered' | 'read' | 'played' {
  switch (attribute(receipt, 'type')) {
    case 'read':
    case 'read-self':
      return 'read';
    case 'played':
    case 'played-self':
      return 'played';
    default:
      return 'delivered';
  }
}
