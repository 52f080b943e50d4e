// Replies to notices: commands for the bridge, never relayed.
import type { Change } from '../model/change.ts';
import type { EventId } from '../model/ids.ts';
import type { NoticePicture } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { PeerTrust } from '../model/trust.ts';
import type { CommandEffects } from './bot/commands.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import type { Handled } from './matrix-events.ts';
import { noticeOnce, notSent } from './notices.ts';
import { blockContact } from './policy/blocks.ts';
import { accept as acceptRequest } from './policy/requests.ts';
import { confirmReport } from './reports/question.ts';
import { safetyNumber, uploadPicture } from './safety-numbers.ts';

export async function noticeReply(
  context: BridgeContext,
  account: ActiveAccount,
  portal: Portal,
  event: EventId,
  text: string,
  effects: CommandEffects,
): Promise<Handled> {
  const after = (): void => effects.wakePortal(portal.id);
  const answer = (code: string, words: string, ...changes: Change[]): Handled => ({
    kind: 'done',
    changes: [notSent(portal, event, context.clock.now(), code, words), ...changes],
    after,
  });
  switch (text.trim().toLowerCase()) {
    case 'accept': {
      if (portal.acceptance.at === 'requested') {
        return answer('request-accepted', 'They are let in.', ...(await acceptRequest(context, portal)));
      }
      const changes = await acceptKeys(context, account, portal);
      return changes.length > 0
        ? answer('identity-accepted', 'The new security key is accepted. What was waiting is sent now.', ...changes)
        : answer('command-answer', 'There is no changed security key to accept here.');
    }
    case 'keep': {
      const changes = await keepKeys(context, account, portal);
      return changes.length > 0
        ? answer('identity-kept', 'The new security key is rejected. Messages go to the earlier key only.', ...changes)
        : answer('command-answer', 'There is no changed security key to reject here.');
    }
    case 'yes': {
      const room = portal.state.at === 'open' ? portal.state.room : undefined;
      const confirmed = room && (await confirmReport(context, account.user, room));
      if (confirmed === undefined) return answer('command-answer', 'I have not asked you anything here.');
      const { text, changes, accounts } = confirmed;
      const told = notSent(portal, event, context.clock.now(), 'report-confirmed', text);
      const wake = (): void => {
        after();
        for (const id of accounts) effects.wakeReports(id);
      };
      return { kind: 'done', changes: [told, ...changes], after: wake };
    }
    case 'block': {
      const contact = await context.store.contacts.get(portal.contact);
      const changes = contact ? [blockContact(context, account.id, contact, portal.givenName)] : [];
      return answer(
        'blocked',
        'Blocked. Nothing of theirs reaches you any more, nothing of yours reaches them, and they are not told. "blocks" in the chat with the bot lists whom you have blocked.',
        ...changes,
      );
    }
    case 'verify':
    case 'safety number': {
      const number = await safetyNumber(context, account, portal);
      if (number === undefined) return answer('command-answer', noNumberYet);
      const picture = await uploadPicture(context, portal, number);
      const compared = (await context.store.trust.isVerified(number.peer))
        ? 'You have compared it with them already.'
        : 'When you have compared it, reply "verified".';
      return answer(
        'safety-number',
        `The safety number of this chat is ${number.grouped}. If the other person sees the same digits, nobody has come between the bridge and them. ${compared}`,
        ...(picture === undefined ? [] : [pictureNotice(portal, event, context.clock.now(), picture)]),
      );
    }
    case 'verified': {
      const number = await safetyNumber(context, account, portal);
      if (number === undefined) return answer('command-answer', noNumberYet);
      const { peer, key, grouped, changed } = number;
      if (changed) {
        return answer(
          'command-answer',
          'Their security key has changed: reply "accept" or "keep" first, then compare.',
        );
      }
      return answer(
        'verified',
        `It is on record that you have compared the safety number ${grouped}. It holds until their security key changes; then you are warned.`,
        { change: 'peer.verified', peer, key },
      );
    }
    default:
      return answer(
        'command-answer',
        'This was not sent to the other person: replies to notices go to the bridge. It understands "accept" and "keep" (about a changed security key), "verify" (shows the safety number), "verified" and "block".',
      );
  }
}

/** It stands below the digits. */
function pictureNotice(portal: Portal, event: EventId, timestamp: number, picture: NoticePicture): Change {
  return noticeOnce(portal, `safety-number-picture:${event}`, timestamp, {
    code: 'safety-number-picture',
    text: 'The same safety number as a QR code, for an app that can scan it.',
    picture,
  });
}

const noNumberYet = 'There is no safety number before the first message.';

/** Pins the keys that were seen last on every device of the contact. */
function acceptKeys(context: BridgeContext, account: ActiveAccount, portal: Portal): Promise<Change[]> {
  return decideKeys(context, account, portal, ({ seen }) => seen);
}

/** Stays with the keys that were pinned before. */
function keepKeys(context: BridgeContext, account: ActiveAccount, portal: Portal): Promise<Change[]> {
  return decideKeys(context, account, portal, ({ key }) => key);
}

async function decideKeys(
  context: BridgeContext,
  account: ActiveAccount,
  portal: Portal,
  choose: (changed: PeerTrust & { readonly state: 'changed' }) => Uint8Array,
): Promise<Change[]> {
  const devices = await context.store.trust.ofContact(account.id, portal.contact);
  return [...devices].flatMap(([device, trust]): Change[] => {
    if (trust.state !== 'changed') return [];
    const peer = { account: account.id, contact: portal.contact, device };
    return [{ change: 'peer.trust', peer, trust: { state: 'pinned', key: choose(trust) } }];
  });
}
