// The words that mark a chat as external: display names, topic, first notice, bridge info.
import type { Account, Network } from '../model/account.ts';
import type { Contact } from '../model/contact.ts';
import type { PortalId, UserId } from '../model/ids.ts';
import type { JsonObject, Notice, NoticePicture } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { type Direction, nouns } from '../translate/capabilities.ts';
import { writeMatrixFile } from '../translate/media/matrix-file.ts';
import { phoneNumberOf } from './phone-numbers.ts';

export const networkNames: Record<Network, string> = { whatsapp: 'WhatsApp', messenger: 'Messenger' };

/** Put into the encrypted content of every notice of the bridge; nothing that a contact sends can carry it. */
export const noticeField = 'matrix-appservice-whatsapp.notice';

/** What a contact is called in a chat: as the user calls them there, or as they call themselves. */
export function contactName(contact: Contact, { givenName }: Portal): string {
  return givenName ?? contact.name?.text ?? `${networkNames[contact.network]} contact`;
}

/**
 * The ghost's display name: "Anna (WhatsApp)". Where somebody else has a name that looks like this one (`alike`), or there is none, the
 * start of the contact's own id tells them apart: "Anna (WhatsApp · 3f9c)". Nobody can choose that.
 */
export function displayName({ id, network, name }: Contact, alike: boolean): string {
  const tag = id.slice(0, 4);
  if (name === undefined) return `${networkNames[network]} contact (${tag})`;
  return `${name.text} (${networkNames[network]}${alike ? ` · ${tag}` : ''})`;
}

/** The name of a portal's room: what the user calls the contact. Undefined: clients show the ghost's name. */
export function roomName(network: Network, { givenName }: Portal): string | undefined {
  return givenName === undefined ? undefined : `${givenName} (${networkNames[network]})`;
}

export function portalTopic(network: Network): string {
  return `External chat: the other person is on ${networkNames[network]}. Messages are decrypted and re-encrypted by the bridge of this server.`;
}

/** What can be sent and received, from the capability table. */
export function whatWorks(network: Network): string {
  const carried = (direction: Direction): string => {
    const works = [...nouns(direction, 'full', network), ...nouns(direction, 'partial', network)].join(', ');
    const shown = nouns(direction, 'fallback', network).join(', ');
    return shown === '' ? works : `${works}; shown as text: ${shown}`;
  };
  const name = networkNames[network];
  return `Works to ${name}: ${carried('to-whatsapp')}. From ${name}: ${carried('to-matrix')}. For any other message you are told that it was not carried over.`;
}

/** Who asked to be let in. Read once they have been, or while the user thinks about it. */
export function requestText(contact: Contact, waiting: number): string {
  const network = networkNames[contact.network];
  const name = contact.name?.text;
  const number = phoneNumberOf(contact);
  const who = [name && `"${name}"`, number].filter((part) => part !== undefined).join(', ');
  return [
    `Somebody who was unknown to you asked to write to you on ${network}: ${who || 'without a name'}. Whoever writes on ${network} chooses the name themselves.`,
    `${waiting === 1 ? 'One message' : `${waiting} messages`} waited for you when you were invited. By joining this room you let them in. To hear nothing more of them, reply "block".`,
  ].join('\n\n');
}

export function labelNotice(contact: Contact, portal: Portal, serverName: string): Notice {
  const network = networkNames[contact.network];
  return {
    code: 'label',
    text: [
      `This is an external chat: ${contactName(contact, portal)} uses ${network}, not Matrix.`,
      `Messages are end-to-end encrypted between you and the bridge on ${serverName}, and again between that bridge and ${network}. The bridge decrypts and re-encrypts them in between, so whoever runs ${serverName} could read them there. Nothing readable is stored.`,
      `${network} learns that you two write to each other and when, not what. The other person sees your Matrix ID and display name.`,
      whatWorks(contact.network),
      `Replies to notices like this one go to the bridge, never to the other person. Reply "verify" for the safety number, by which you two can compare keys.`,
    ].join('\n\n'),
  };
}

/** MSC2346. Carries no phone number: the channel is known by an id of our own. */
export function bridgeInfo(account: Account, portal: PortalId, bot: UserId): { stateKey: string; content: JsonObject } {
  const channel = { id: portal, displayname: 'External chat' };
  return {
    stateKey: `matrix-appservice-whatsapp:/${account.network}/${portal}`,
    content: {
      bridgebot: bot,
      creator: account.user,
      protocol: { id: account.network, displayname: networkNames[account.network] },
      channel,
    },
  };
}

export function noticeContent(notice: Notice): JsonObject {
  const content: { [key: string]: unknown } = {
    ...(notice.picture === undefined ? { msgtype: 'm.notice' } : pictureContent(notice.picture)),
    body: notice.text,
    [noticeField]: { code: notice.code },
  };
  if (notice.about !== undefined) content['m.relates_to'] = { 'm.in_reply_to': { event_id: notice.about } };
  return content;
}

function pictureContent({ file, size, side }: NoticePicture): JsonObject {
  return {
    msgtype: 'm.image',
    filename: 'safety-number.png',
    info: { mimetype: 'image/png', size, w: side, h: side },
    file: writeMatrixFile(file),
  };
}
