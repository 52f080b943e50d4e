// Damaged rows: whoever was to have what was in them is told, and everything else goes on.
import type { Change } from '../model/change.ts';
import { type DamagedPlace, DamagedRow, LostKeys } from '../model/damaged-row.ts';
import type { EventId, RoomId } from '../model/ids.ts';
import type { Portal } from '../model/portal.ts';
import type { BridgeContext } from './context.ts';
import { contactName } from './labels.ts';
import { noticeOnce, notSent } from './notices.ts';
import type { Step } from './workers.ts';

export interface Repairs {
  /** Keys of a transaction are gone, and have to be fetched. */
  readonly lost?: () => void;
  /** An actor's keys have to be made anew. */
  readonly renew?: (lost: LostKeys) => Promise<void>;
}

/** A step that comes upon damage sets it aside, and is made again. */
export async function settingAside(
  context: BridgeContext,
  step: () => Promise<Step>,
  { lost, renew }: Repairs = {},
): Promise<Step> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof LostKeys && renew !== undefined) {
      await renew(error);
      return 'again';
    }
    if (!(error instanceof DamagedRow)) throw error;
    const { place } = error;
    context.logger.error(
      { kind: place.journal, code: error.code, err: error },
      'a damaged row of the database is set aside; a backup may have it whole',
    );
    await context.store.commit([{ change: 'row.damaged', place }, ...(await told(context, place))]);
    if (place.journal === 'transaction') lost?.();
    return 'again';
  }
}

async function told({ store, clock }: BridgeContext, place: DamagedPlace): Promise<Change[]> {
  const now = clock.now();
  switch (place.journal) {
    case 'inbox': {
      const portal = await store.portals.get(place.portal);
      const contact = portal && (await store.contacts.get(portal.contact));
      if (portal === undefined || contact === undefined || place.isNotice) return [];
      const text = `A message from ${contactName(contact, portal)} was damaged on the disk of this server and cannot be shown. Ask them to send it once more.`;
      return [noticeOnce(portal, `damaged:${place.id}`, now, { code: 'damaged', text })];
    }
    case 'outbox': {
      const portal = await store.portals.get(place.portal);
      const progress = await store.outbox.progress(place.id);
      // It has been read on one of the contact's devices; another one had asked for it again.
      if (portal === undefined || progress?.confirmed) return [];
      return [notSaved(portal, place.event, now, (progress?.waitingFor.length ?? 0) > 0)];
    }
    case 'event': {
      const portal = await store.portals.byRoom(place.room as RoomId);
      return portal === undefined ? [] : [notSaved(portal, place.event, now)];
    }
    default:
      return [];
  }
}

function notSaved(portal: Portal, event: EventId, now: number, mayBeSent = false): Change {
  const text = mayBeSent
    ? 'This was damaged on the disk of this server. It is not certain that it had gone out before: send it again if it still matters.'
    : 'This was not sent: it was damaged on the disk of this server. Send it again.';
  return notSent(portal, event, now, 'damaged', text);
}
