// What is said in a portal about the contact's keys and devices. Each of these notices is written once.
import { createHash } from 'node:crypto';
import type { Change } from '../model/change.ts';
import type { Contact } from '../model/contact.ts';
import type { Portal } from '../model/portal.ts';
import type { SignalWork } from '../model/signal.ts';
import type { ContactDevice } from '../model/trust.ts';
import { contactName, networkNames } from './labels.ts';
import { noticeOnce } from './notices.ts';

/** The notice about a changed identity key, once per new key. */
export function identityNotice(portal: Portal, contact: Contact, unit: SignalWork, timestamp: number): Change[] {
  const seen = unit
    .changes()
    .flatMap((change) =>
      change.change === 'peer.trust' && change.trust.state === 'changed' ? [change.trust.seen] : [],
    );
  const name = contactName(contact, portal);
  return seen.map((key) =>
    noticeOnce(portal, `identity-changed:${digest(key)}`, timestamp, {
      code: 'identity-changed',
      text: [
        `The security key of ${name} has changed. That happens when they reinstall the app or change phones; it would also happen if somebody else took their place.`,
        'If you have compared safety numbers with them, that does not hold for the new key.',
        `Your messages are held back until you decide. To accept the new key and send what is waiting, reply "accept" to this notice. To stay with the earlier key, reply "keep".`,
      ].join('\n\n'),
    }),
  );
}

export function addedNotice(portal: Portal, contact: Contact, since: number, key: Uint8Array, now: number): Change {
  return noticeOnce(portal, `device-added:${since}:${digest(key)}`, now, {
    code: 'device-added',
    text: `${contactName(contact, portal)} has linked another device. Their main device vouches for it, so what you write in this chat can be read there, too.`,
  });
}

export function removedNotice(portal: Portal, contact: Contact, { device, since }: ContactDevice, now: number): Change {
  return noticeOnce(portal, `device-removed:${device}:${since}`, now, {
    code: 'device-removed',
    text: `${contactName(contact, portal)} has unlinked a device. Nothing is sent there any more.`,
  });
}

export function unprovenNotice(portal: Portal, contact: Contact, device: number, now: number): Change {
  const name = contactName(contact, portal);
  return noticeOnce(portal, `device-unproven:${device}`, now, {
    code: 'device-unproven',
    text: `${networkNames[contact.network]} names a device of ${name} for which ${name}'s main device does not vouch. Nothing is sent to it, and nothing that it sends is shown here.`,
  });
}

const digest = (key: Uint8Array): string => createHash('sha256').update(key).digest('hex');
