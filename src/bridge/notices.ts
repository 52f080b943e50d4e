// Notices: what the bridge itself says in a portal. They go through the inbox, so they are durable and keep their place.
import type { Change } from '../model/change.ts';
import type { EventId, MessageId, PortalId } from '../model/ids.ts';
import type { Notice } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { Store } from '../model/store.ts';

/** The id of the row that holds a notice. */
export const noticeId = (key: string): MessageId => `notice:${key}` as MessageId;

/** Returns the change that writes a notice once: the same `key` in the same portal is the same notice. */
export function noticeOnce(portal: Portal, key: string, timestamp: number, notice: Notice): Change {
  return {
    change: 'inbox.add-once',
    row: {
      account: portal.account,
      portal: portal.id,
      messageId: noticeId(key),
      device: 0,
      timestamp,
      body: { kind: 'notice', notice },
    },
  };
}

export interface NoticePlace {
  /** The event under which it stands, where that is not the one that was not sent. */
  readonly about?: EventId | undefined;
  /** What it is about, where that is more than one event: told once. */
  readonly action?: string | undefined;
}

/** A notice that a Matrix event was not sent on. */
export function notSent(
  portal: Portal,
  event: EventId,
  timestamp: number,
  code: string,
  text: string,
  { about = event, action = event }: NoticePlace = {},
): Change {
  return noticeOnce(portal, `${code}:${action}`, timestamp, { code, text, about });
}

/** The same store. Whoever writes a notice, `tell` hears of its chat: notices wait in the inbox, whatever they are about. */
export function tellingOfNotices(store: Store, tell: (portal: PortalId) => void): Store {
  return {
    ...store,
    commit: async (changes) => {
      await store.commit(changes);
      for (const each of changes) if (each.change === 'inbox.add-once') tell(each.row.portal);
    },
  };
}
