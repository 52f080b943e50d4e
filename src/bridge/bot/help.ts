// `help`: what the bot understands.
import { nouns } from '../../translate/capabilities.ts';
import type { Answer } from './commands.ts';

export async function help(): Promise<Answer> {
  return {
    text: [
      'opt-in — connect your account to WhatsApp; explains first, then asks',
      'opt-out — end it; says what is deleted',
      'status — whether you are connected, and what is waiting',
      'chat <phone number> [name] — start a chat; only in an encrypted room with me',
      'confirm-identity — after you have reset your own encryption identity',
      '',
      `Carried to WhatsApp: ${nouns('to-whatsapp', 'full').join(', ')}. From WhatsApp: ${nouns('to-matrix', 'full').join(', ')}.`,
    ].join('\n'),
  };
}
