// The steps of both pipelines that matter when the process dies: docs/delivery.md says of each what is durable after it.

export const deliverySteps = [
  // WhatsApp to Matrix: a message.
  'W1-stanza-read',
  'W2-message-decrypted',
  'W3-message-committed',
  'W4-stanza-acknowledged',
  'W5-ghost-prepared',
  'W6-ghost-recorded',
  'W7-ghost-named',
  'W8-room-created',
  'W9-room-recorded',
  'W10-label-written',
  'W11-room-key-shared',
  'W12-event-encrypted',
  'W13-event-stored',
  'W14-event-accepted',
  'W15-event-recorded',
  'W16-receipt-sent',
  'W17-receipt-recorded',
  // Its file.
  'WF1-file-uploaded',
  'WF2-file-recorded',
  'WF3-file-asked-for',
  // One that could not be decrypted.
  'WU1-failure-counted',
  'WU2-asked-again',
  // What is done to an earlier message.
  'WR1-earlier-reaction-removed',
  'WR2-reaction-accepted',
  'WR3-deletion-accepted',
  // A notice in the place of a message that is not carried.
  'WN1-notice-written',
  'WN2-notice-delivered',
  // A mark at a message of the user's: that it has arrived, that it has been read.
  'WM1-delivery-mark-set',
  'WM2-delivery-mark-recorded',
  'WM3-reading-shown',
  'WM4-shown-reading-recorded',
  // Matrix to WhatsApp: an event.
  'M1-transaction-pushed',
  'M2-transaction-committed',
  'M3-transaction-answered',
  'M4-keys-fed',
  'M5-keys-settled',
  'M6-event-decrypted',
  'M7-event-settled',
  'M8-message-encrypted',
  'M9-stanza-committed',
  'M10-stanza-written',
  'M11-stanza-acknowledged',
  'M12-sending-recorded',
  // Its file, before M8.
  'MF1-file-hosted',
  'MF2-file-recorded',
  // What the contact's devices answer.
  'MR1-receipt-committed',
  'MR2-receipt-acknowledged',
  'MR3-retry-committed',
  // What the user has read.
  'MC1-reading-committed',
  'MC2-reading-told',
  'MC3-told-reading-recorded',
  // One-time keys are made and handed to the network.
  'K1-keys-committed',
  'K2-keys-uploaded',
  // Opt-in.
  'E1-keys-committed',
  'E2-network-enlisted',
  'E3-account-active',
  // Where the user wants their chats in a Space of their own.
  'S1-space-noted',
  'S2-space-made',
  'S3-space-recorded',
  'S4-chats-noted',
  'S5-chat-put',
  'S6-chat-recorded',
  'S7-space-left',
  // Opt-out.
  'D1-account-erased',
  'D2-chat-left',
  'D3-chat-recorded',
  'D4-network-told',
  'D5-departure-recorded',
  // What the bot says.
  'B1-event-stored',
  'B2-event-accepted',
  'B3-event-recorded',
] as const;

export type DeliveryStep = (typeof deliverySteps)[number];
