// Reports of messages to the network, by their ids. What is in them is not sent: the network has no proof of it, and ours means nothing to it.
import { SERVER, type UserJid, withoutDevice } from '../model/jid.ts';
import type { NamedMessage } from '../model/report.ts';
import { type Stanza, stanza } from './binary/index.ts';

/** Which menu of an ordinary client it comes from: that of a message. */
const flow = 'message_menu';

export function reportRequest(id: string, messages: readonly NamedMessage[], from: UserJid): Stanza {
  const jid = withoutDevice(from);
  const list = messages.map((message) =>
    stanza('message', { from: jid, t: Math.floor(message.sentAt / 1000), id: message.id }),
  );
  return stanza('iq', { id, to: SERVER, type: 'set', xmlns: 'spam' }, [
    stanza('spam_list', { spam_flow: flow, jid }, list),
  ]);
}
