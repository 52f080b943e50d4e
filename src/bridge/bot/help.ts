// `help`: what the bot understands.
import type { BridgeContext } from '../context.ts';
import { networkNames, whatWorks } from '../labels.ts';
import { blocksHelp } from './blocks.ts';
import type { Answer } from './commands.ts';
import { inboxHelp } from './inbox.ts';
import { policyRoomsHelp } from './policy-rooms.ts';
import { switchHelp } from './preferences.ts';
import { reachHelp } from './reach.ts';
import { reportHelp } from './report.ts';
import { visitorHelp } from './visitors.ts';

export async function help({ settings }: BridgeContext): Promise<Answer> {
  const names = settings.networks.map((network) => networkNames[network]).join(' or ');
  return {
    text: [
      `opt-in: connect your account to ${names}; explains first, then asks`,
      'opt-out: end it at once; says what is deleted',
      'consent: what is on record about what you have agreed to',
      'export: everything that I hold about you, as an encrypted file; only in an encrypted room with me',
      'erase: after opt-out, deletes what is left of you here; asks first',
      'status: whether you are connected, and what is waiting',
      ...switchHelp,
      'chat <phone number> [name]: start a chat; only in an encrypted room with me. The name is for that chat alone: nobody else here is shown it, but your homeserver can read it',
      'requests: who asks to write to you. Whoever you do not know waits for your decision and learns nothing of it',
      'accept <number>, decline <number>: the answer; to join the room that you are invited to, or to reject the invitation, is the same',
      reachHelp,
      inboxHelp,
      ...blocksHelp,
      policyRoomsHelp,
      reportHelp,
      visitorHelp,
      'confirm-identity: after you have reset your own encryption identity',
      '',
      'In a chat, reply to a notice of the bridge: "accept" or "keep" after a changed security key, "verify" to see the safety number, also as a QR code, "verified" when you have compared it.',
      ...settings.networks.map(whatWorks),
    ].join('\n'),
  };
}
