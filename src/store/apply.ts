// Every change has its steps: the one place where the vocabulary of changes meets the tables.
import type { Change } from '../model/change.ts';
import { eraseAccount, finishDeparture, putAccount, putDeparture, setPendingCommand } from './accounts.ts';
import { addBlock, removeBlock } from './blocks.ts';
import { addBotMessage, encryptBotMessage, finishBotMessage, releaseBotMessage } from './bot-messages.ts';
import { eraseConsent, recordConsent } from './consent.ts';
import { addAddress, createContact, eraseContact, nameContact, putGhost } from './contacts.ts';
import { setDamagedAside } from './damaged.ts';
import { putDevices } from './devices.ts';
import { eraseUser, putErasure } from './erasures.ts';
import { finishEvent, finishTransaction, setEventAside, storeTransaction } from './events.ts';
import {
  addInbox,
  arriveInbox,
  awaitInbox,
  countDecryptFailure,
  discardInbox,
  expireRequest,
  forgetInbox,
  giveUp,
  parkMissing,
  parkReceived,
  setInboxFile,
  setInboxState,
} from './inbox.ts';
import { putLimitUse } from './limit-uses.ts';
import { mergeContacts } from './merge.ts';
import { addOutbox, dropDevice, forgetOutbox, setOutboxPayload, setOutboxState, withdrawOutbox } from './outbox.ts';
import { duePicture, putPicture } from './pictures.ts';
import {
  addSubscription,
  forgetPolicyRoom,
  notePolicyUnreadable,
  putPolicyRules,
  removeSubscription,
} from './policy-rooms.ts';
import {
  countDropped,
  createPortal,
  namePortal,
  noteAskedAgain,
  setAcceptance,
  setHeld,
  setPortalState,
} from './portals.ts';
import { putPreferences } from './preferences.ts';
import { dropParked, retryParked } from './queue.ts';
import { putReaction, removeReaction } from './reactions.ts';
import {
  addDeliveryMark,
  confirmUserRead,
  finishDeliveryMark,
  setContactRead,
  setContactShown,
  setUserRead,
  withholdUserRead,
} from './reading.ts';
import { putPart, putReference } from './references.ts';
import { addReport, finishReport, setReportState } from './reports.ts';
import { noteCommandKeyUse, noteRoomKeyUse } from './room-key-uses.ts';
import { addPreKeys, expireSignedPreKey, putIdentity, putSession, putSignedPreKey, usePreKey } from './signal.ts';
import { noteChild, notePut, putSpace, removeChild, removeSpace } from './spaces.ts';
import type { Steps } from './steps.ts';
import { putPeerTrust, putUserTrust, putVerified } from './trust.ts';
import type { Unit } from './unit.ts';
import { addVisitor, allowVisitor, removeVisitors } from './visitors.ts';

export function* applyAll(unit: Unit, changes: readonly Change[]): Steps {
  for (const change of changes) yield* apply(unit, change);
}

function apply(unit: Unit, change: Change): Steps {
  switch (change.change) {
    case 'account.put':
      return putAccount(unit, change.account);
    case 'limit.used':
      return putLimitUse(unit, change.use);
    case 'account.preferences':
      return putPreferences(unit, change.account, change.preferences);
    case 'account.erase':
      return eraseAccount(unit, change.departure);
    case 'departure.put':
      return putDeparture(unit, change.departure);
    case 'departure.done':
      return finishDeparture(unit, change.account);
    case 'contact.create':
      return createContact(unit, change.contact, change.ghost);
    case 'contact.address':
      return addAddress(unit, change.contact, change.address);
    case 'contact.name':
      return nameContact(unit, change.contact, change.name);
    case 'picture.due':
      return duePicture(unit, change.contact, change.at);
    case 'picture.put':
      return putPicture(unit, change.picture, change.handled);
    case 'contact.merge':
      return mergeContacts(unit, change.into, change.from);
    case 'contact.erase':
      return eraseContact(unit, change.contact);
    case 'ghost.put':
      return putGhost(unit, change.ghost);
    case 'portal.create':
      return createPortal(unit, change.portal);
    case 'portal.name':
      return namePortal(unit, change.portal, change.givenName);
    case 'portal.state':
      return setPortalState(unit, change.portal, change.state);
    case 'portal.acceptance':
      return setAcceptance(unit, change.portal, change.acceptance);
    case 'portal.held':
      return setHeld(unit, change.portal, change.journal, change.since);
    case 'space.put':
      return putSpace(unit, change.space);
    case 'space.child-noted':
      return noteChild(unit, change.account, change.child);
    case 'space.child-put':
      return notePut(unit, change.account, change.room);
    case 'space.child-gone':
      return removeChild(unit, change.account, change.room);
    case 'space.gone':
      return removeSpace(unit, change.account);
    case 'room-key.used':
      return noteRoomKeyUse(unit, change.portal, change.use);
    case 'command-key.used':
      return noteCommandKeyUse(unit, change.room, change.use);
    case 'peer.verified':
      return putVerified(unit, change.peer, change.key);
    case 'visitor.add':
      return addVisitor(unit, change.portal, change.user);
    case 'visitor.allow':
      return allowVisitor(unit, change.portal, change.user);
    case 'visitor.gone':
      return removeVisitors(unit, change.portal, change.user);
    case 'request.asked-again':
      return noteAskedAgain(unit, change.portal);
    case 'request.dropped':
      return countDropped(unit, change.portal, 1);
    case 'request.expired':
      return expireRequest(unit, change.portal, change.before);
    case 'inbox.discard':
      return discardInbox(unit, change.portal);
    case 'block.add':
      return addBlock(unit, change.account, change.block, change.patterns);
    case 'block.remove':
      return removeBlock(unit, change.account, change.id);
    case 'policy.subscribe':
      return addSubscription(unit, change.subscription);
    case 'policy.unsubscribe':
      return removeSubscription(unit, change.id);
    case 'policy.rules':
      return putPolicyRules(unit, change.room, change.read);
    case 'policy.unreadable':
      return notePolicyUnreadable(unit, change.room);
    case 'policy.forget':
      return forgetPolicyRoom(unit, change.room);
    case 'user.trust':
      return putUserTrust(unit, change.trust);
    case 'devices.put':
      return putDevices(unit, change.account, change.contact, change.list);
    case 'peer.trust':
      return putPeerTrust(unit, change.peer, change.trust);
    case 'signal.identity':
      return putIdentity(unit, change.account, change.identity);
    case 'signal.session':
      return putSession(unit, change.peer, change.record);
    case 'signal.pre-keys':
      return addPreKeys(unit, change.account, change.keys);
    case 'signal.pre-key-used':
      return usePreKey(unit, change.account, change.id);
    case 'signal.signed-pre-key':
      return putSignedPreKey(unit, change.account, change.key);
    case 'signal.signed-pre-key-expired':
      return expireSignedPreKey(unit, change.account, change.id);
    case 'inbox.add':
      return addInbox(unit, change.row, 'new');
    case 'inbox.add-once':
      return addInbox(unit, change.row, 'once');
    case 'inbox.await':
      return awaitInbox(unit, change.row);
    case 'inbox.arrived':
      return arriveInbox(unit, change.id, change.body);
    case 'inbox.park-missing':
      return parkMissing(unit, change.row, change.code);
    case 'inbox.park-received':
      return parkReceived(unit, change.portal, change.before, change.code);
    case 'inbox.forget':
      return forgetInbox(unit, change.id);
    case 'inbox.state':
      return setInboxState(unit, change.id, change.state);
    case 'inbox.file':
      return setInboxFile(unit, change.id, change.file);
    case 'inbox.decrypt-failed':
      return countDecryptFailure(unit, change, change.count);
    case 'inbox.given-up':
      return giveUp(unit, change.message);
    case 'outbox.add':
      return addOutbox(unit, change.row);
    case 'outbox.state':
      return setOutboxState(unit, change);
    case 'outbox.withdraw':
      return withdrawOutbox(unit, change.id);
    case 'outbox.forget':
      return forgetOutbox(unit, change.id);
    case 'outbox.payload':
      return setOutboxPayload(unit, change.id, change.payload);
    case 'row.damaged':
      return setDamagedAside(unit, change.place);
    case 'queue.retry':
      return retryParked(unit, change.item);
    case 'queue.drop':
      return dropParked(unit, change.item);
    case 'outbox.device-gone':
      return dropDevice(unit, change.portal, change.device);
    case 'reference.put':
      return putReference(unit, change.reference);
    case 'part.put':
      return putPart(unit, change.part);
    case 'reading.user':
      return setUserRead(unit, change.portal, change.event);
    case 'reading.withheld':
      return withholdUserRead(unit, change.portal, change.event);
    case 'reading.confirmed':
      return confirmUserRead(unit, change.portal, change.upTo, change.settled);
    case 'reading.contact':
      return setContactRead(unit, change.portal, change.upTo);
    case 'reading.shown':
      return setContactShown(unit, change.portal, change.upTo);
    case 'delivery-mark.add':
      return addDeliveryMark(unit, change.mark);
    case 'delivery-mark.done':
      return finishDeliveryMark(unit, change.mark);
    case 'reaction.put':
      return putReaction(unit, change.reaction);
    case 'reaction.remove':
      return removeReaction(unit, change.portal, change.event);
    case 'transaction.store':
      return storeTransaction(unit, change.transaction);
    case 'transaction.done':
      return finishTransaction(unit, change.seq);
    case 'event.done':
      return finishEvent(unit, change.seq);
    case 'event.late':
      return setEventAside(unit, change.seq);
    case 'bot-message.add':
      return addBotMessage(unit, change);
    case 'bot-message.event':
      return encryptBotMessage(unit, change.seq, change.event);
    case 'bot-message.done':
      return finishBotMessage(unit, change.seq);
    case 'bot-message.release':
      return releaseBotMessage(unit, change.key);
    case 'report.add':
      return addReport(unit, change.id, change.account, change.chosen);
    case 'report.state':
      return setReportState(unit, change.id, change.state);
    case 'report.done':
      return finishReport(unit, change.id);
    case 'erasure.put':
      return putErasure(unit, change.erasure);
    case 'user.erase':
      return eraseUser(unit, change.user);
    case 'consent.record':
      return recordConsent(unit, change.user, change.event, change.anew ?? false);
    case 'consent.erase':
      return eraseConsent(unit, change.user);
    case 'pending-command':
      return setPendingCommand(unit, change.user, change.command);
  }
}
