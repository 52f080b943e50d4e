// A message of ours may stand in its room before we have noted that it does: after a crash, or for a moment while the homeserver answers.
import type { EventId } from '../model/ids.ts';
import type { JsonObject } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { relatedEvent } from '../translate/references.ts';
import { repliedTo } from '../translate/to-whatsapp.ts';
import type { BridgeContext } from './context.ts';

/**
 * Whether what is said here is about an event that we do not know, but may know soon. Such a reply would lose what it answers, and a
 * reply to a notice would even go to the contact. Woken when the row that is on its way has been noted.
 */
export async function isAboutUnnoted({ store }: BridgeContext, portal: Portal, content: JsonObject): Promise<boolean> {
  const about = relatedEvent(content, 'm.annotation') ?? relatedEvent(content, 'm.replace') ?? repliedTo(content);
  if (about === undefined || !(await store.inbox.isSending(portal.id))) return false;
  const event = about as EventId;
  if ((await store.references.byEvent(portal.id, event)) !== undefined) return false;
  return !(await store.inbox.isNotice(portal.id, event));
}
