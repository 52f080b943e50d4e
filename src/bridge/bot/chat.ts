// `chat <phone number> [name]`: opens a portal with somebody on the network.
import type { Account } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import { phoneJid } from '../../model/jid.ts';
import { settledContact, shownName } from '../contacts.ts';
import { type BridgeContext, type BridgeSettings, isActive } from '../context.ts';
import { networkNames } from '../labels.ts';
import { reasonText, untilText } from '../limits/words.ts';
import { noticeOnce } from '../notices.ts';
import { type PhoneNumber, readPhoneNumber } from '../phone-numbers.ts';
import { accept, newPortal } from '../policy/requests.ts';
import { renameRoom } from '../portal-rooms.ts';
import type { Answer, Command, CommandEffects } from './commands.ts';

export async function chat(
  context: BridgeContext,
  command: Command,
  args: readonly string[],
  effects: CommandEffects,
): Promise<Answer> {
  if (!command.encrypted) {
    return {
      text: 'I do not take phone numbers in an unencrypted room: the server would keep the number in the room for ever. Start an encrypted chat with me and send the command there.',
    };
  }
  const { store, settings } = context;
  const network = settings.networks[0];
  const account = network === undefined ? undefined : await store.accounts.find(network, command.user);
  if (network === undefined || !isActive(account)) return { text: 'You are not connected yet. Send "opt-in" first.' };
  const request = parseArguments(settings, args);
  if (request === undefined) {
    return {
      text: 'That is not a phone number that I can read. Write it with country code, for example: chat +31612345678 Anna',
    };
  }
  const client = effects.client(account);
  if (client === undefined || !client.connected)
    return { text: `${networkNames[network]} cannot be reached at the moment. Try again in a while.` };
  const isNew = !(await hasChat(context, account, request));
  const wait = isNew ? await context.limits.wait('new-chats', { account }) : undefined;
  if (wait !== undefined)
    return { text: `${reasonText(wait)}. Nobody was looked for. Send this again ${untilText(wait)}.` };
  const found = await client.lookUp(phoneJid(request.digits));
  // Whatever the network has answered: numbers are not to be tried out.
  if (isNew) await context.limits.count('new-chats', { account });
  if (found === undefined)
    return { text: `Nobody with that number can be reached on ${networkNames[network]} from here.` };
  const resolved = await settledContact(context, network, found.addresses);
  const changes: Change[] = [...resolved.changes];
  const known = await store.portals.find(account.id, resolved.contact.id);
  if (known === undefined && (await store.accounts.preferences(account.id)).reach === 'nobody')
    return { text: 'You want no new chats ("reach nobody"). Send "reach known" first, then the command again.' };
  const portal = known ?? newPortal(account, resolved.contact, request.name, { at: 'accepted' }, changes);
  // Whoever is written to is let in.
  if (portal.acceptance.at !== 'accepted') changes.push(...(await accept(context, portal)));
  const renamed =
    request.name === undefined || request.name === portal.givenName
      ? undefined
      : { ...portal, givenName: request.name };
  if (renamed !== undefined) changes.push({ change: 'portal.name', portal: portal.id, givenName: renamed.givenName });
  changes.push(
    noticeOnce(portal, `chat:${command.event}`, context.clock.now(), {
      code: 'chat-started',
      text: `You opened this chat with ${request.international}. Nothing has been sent yet: the first message you write here is the first they hear of you.`,
    }),
  );
  return {
    text:
      known === undefined
        ? 'I have invited you to the chat.'
        : 'You have a chat with them already; I have written into it.',
    changes,
    ...(renamed && { before: () => renameRoom(context, network, renamed) }),
    after: () => effects.wakePortal(portal.id),
  };
}

/** Whether the user has a chat with whoever is known to have this number. */
async function hasChat({ store }: BridgeContext, { id, network }: Account, { digits }: PhoneNumber): Promise<boolean> {
  const [contact] = await store.contacts.byAddress(network, [phoneJid(digits)]);
  return contact !== undefined && (await store.portals.find(id, contact.id)) !== undefined;
}

interface ChatRequest extends PhoneNumber {
  readonly name: string | undefined;
}

/** The number may be written in groups; what follows it is the name. */
function parseArguments(settings: BridgeSettings, args: readonly string[]): ChatRequest | undefined {
  const isNumberPart = (part: string): boolean => /^[+\d][\d().\-/]*$/.test(part) || /^\(\d+\)$/.test(part);
  const end = args.findIndex((part) => !isNumberPart(part));
  const count = end === -1 ? args.length : end;
  const number = readPhoneNumber(settings, args.slice(0, count).join(' '));
  return number && { ...number, name: shownName(settings, args.slice(count).join(' ')) };
}
