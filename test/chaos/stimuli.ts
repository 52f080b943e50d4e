// What has to happen for a step of delivery to be passed.
import type { DeliveryStep } from '../../src/model/delivery-steps.ts';

export type Stimulus =
  /** A contact writes, or writes for the first time, or reacts to a message and changes their mind, or deletes one. */
  | 'text-in'
  | 'new-chat'
  | 'reactions-in'
  | 'deletion-in'
  /** A file from the contact, or to them; one that the network has lost when it is fetched. */
  | 'file-in'
  | 'file-out'
  | 'dropped-file-in'
  /** Something that is not carried. */
  | 'unsupported-in'
  /** A message from the contact, or to them, arrives damaged. */
  | 'damaged-in'
  | 'damaged-out'
  | 'text-out'
  /** The contact reads what the user wrote, and the other way round. */
  | 'read-in'
  | 'read-out'
  /** The network has hardly any one-time keys of the user left. */
  | 'few-keys'
  | 'opt-in'
  /** The user wants their chats in a Space, or no longer. */
  | 'separate'
  | 'combined'
  | 'opt-out'
  | 'help';

export const stimuli: Readonly<Record<DeliveryStep, Stimulus>> = {
  'W1-stanza-read': 'text-in',
  'W2-message-decrypted': 'text-in',
  'W3-message-committed': 'text-in',
  'W4-stanza-acknowledged': 'text-in',
  'W5-ghost-prepared': 'new-chat',
  'W6-ghost-recorded': 'new-chat',
  'W7-ghost-named': 'new-chat',
  'W8-room-created': 'new-chat',
  'W9-room-recorded': 'new-chat',
  'W10-label-written': 'new-chat',
  'W11-room-key-shared': 'new-chat',
  'W12-event-encrypted': 'text-in',
  'W13-event-stored': 'text-in',
  'W14-event-accepted': 'text-in',
  'W15-event-recorded': 'text-in',
  'W16-receipt-sent': 'text-in',
  'W17-receipt-recorded': 'text-in',
  'WF1-file-uploaded': 'file-in',
  'WF2-file-recorded': 'file-in',
  'WF3-file-asked-for': 'dropped-file-in',
  'WU1-failure-counted': 'damaged-in',
  'WU2-asked-again': 'damaged-in',
  'WR1-earlier-reaction-removed': 'reactions-in',
  'WR2-reaction-accepted': 'reactions-in',
  'WR3-deletion-accepted': 'deletion-in',
  'WN1-notice-written': 'unsupported-in',
  'WN2-notice-delivered': 'unsupported-in',
  'WM1-delivery-mark-set': 'text-out',
  'WM2-delivery-mark-recorded': 'text-out',
  'WM3-reading-shown': 'read-in',
  'WM4-shown-reading-recorded': 'read-in',
  'M1-transaction-pushed': 'text-out',
  'M2-transaction-committed': 'text-out',
  'M3-transaction-answered': 'text-out',
  'M4-keys-fed': 'text-out',
  'M5-keys-settled': 'text-out',
  'M6-event-decrypted': 'text-out',
  'M7-event-settled': 'text-out',
  'M8-message-encrypted': 'text-out',
  'M9-stanza-committed': 'text-out',
  'M10-stanza-written': 'text-out',
  'M11-stanza-acknowledged': 'text-out',
  'M12-sending-recorded': 'text-out',
  'MF1-file-hosted': 'file-out',
  'MF2-file-recorded': 'file-out',
  'MR1-receipt-committed': 'text-out',
  'MR2-receipt-acknowledged': 'text-out',
  'MR3-retry-committed': 'damaged-out',
  'MC1-reading-committed': 'read-out',
  'MC2-reading-told': 'read-out',
  'MC3-told-reading-recorded': 'read-out',
  'K1-keys-committed': 'few-keys',
  'K2-keys-uploaded': 'few-keys',
  'E1-keys-committed': 'opt-in',
  'E2-network-enlisted': 'opt-in',
  'E3-account-active': 'opt-in',
  'S1-space-noted': 'separate',
  'S2-space-made': 'separate',
  'S3-space-recorded': 'separate',
  'S4-chats-noted': 'separate',
  'S5-chat-put': 'separate',
  'S6-chat-recorded': 'separate',
  'S7-space-left': 'combined',
  'D1-account-erased': 'opt-out',
  'D2-chat-left': 'opt-out',
  'D3-chat-recorded': 'opt-out',
  'D4-network-told': 'opt-out',
  'D5-departure-recorded': 'opt-out',
  'B1-event-stored': 'help',
  'B2-event-accepted': 'help',
  'B3-event-recorded': 'help',
};
