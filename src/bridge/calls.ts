// Calls are not carried. That somebody called is told in the chat, once; the call itself is left to ring (docs/protocol.md).
import type { IncomingCall } from '../model/interop.ts';
import type { Portal } from '../model/portal.ts';
import { callText } from '../translate/capabilities.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { contactName } from './labels.ts';
import { noticeOnce } from './notices.ts';
import { chatWith } from './receipts.ts';

/** Returns the portal to wake. A caller without a chat, or who asks to be let in, makes no room and is not told of. */
export async function noteCall(
  context: BridgeContext,
  account: ActiveAccount,
  call: IncomingCall,
): Promise<Portal | undefined> {
  const chat = await chatWith(context, account, call.from, call.alternative);
  if (chat?.portal.acceptance.at !== 'accepted') return undefined;
  const text = callText(contactName(chat.contact, chat.portal), call.video);
  await context.store.commit([noticeOnce(chat.portal, `call:${call.id}`, call.timestamp, { code: 'call', text })]);
  return chat.portal;
}
