// What a message is, in words that need no protobuf: for those who read a phone's messages over the control API.
import {
  type ContextInfo,
  type Message,
  type MessageKey,
  PinInChatMessage_Type,
  ProtocolMessage_Type,
} from '../proto/message_pb.ts';
import { filePart, unwrapped } from './message-content.ts';
import { pollOf } from './poll-votes.ts';

/** Each field is there only if the message has it. `label`: what people call the owner of an address. */
export function detailsOf(message: Message, label: (jid: string) => string): object {
  const inner = unwrapped(message);
  return {
    ...aboutOthers(inner),
    ...places(inner),
    ...contacts(inner),
    ...poll(inner),
    ...invitation(inner),
    ...context(contextOf(inner), label),
  };
}

const target = (key: MessageKey | undefined) => ({ id: key?.id, fromMe: key?.fromMe ?? false });

function aboutOthers({ reactionMessage, pinInChatMessage, protocolMessage }: Message): object {
  if (reactionMessage) return { reaction: { ...target(reactionMessage.key), emoji: reactionMessage.text ?? '' } };
  if (pinInChatMessage) {
    const pinned = pinInChatMessage.type === PinInChatMessage_Type.PIN_FOR_ALL;
    return { pin: { ...target(pinInChatMessage.key), pinned } };
  }
  if (!protocolMessage) return {};
  const { key, type = ProtocolMessage_Type.REVOKE, editedMessage, ephemeralExpiration } = protocolMessage;
  if (type === ProtocolMessage_Type.EPHEMERAL_SETTING) return { timer: { seconds: ephemeralExpiration ?? 0 } };
  if (type === ProtocolMessage_Type.MESSAGE_EDIT) return { edit: { ...target(key), text: textOf(editedMessage) } };
  return type === ProtocolMessage_Type.REVOKE && key ? { deletion: target(key) } : {};
}

/** The new text of a text, or the new caption of a file. */
function textOf(message: Message | undefined): string | undefined {
  if (!message) return undefined;
  const inner = unwrapped(message);
  const part = filePart(inner)?.part;
  const caption = part && 'caption' in part ? part.caption : undefined;
  return inner.conversation ?? inner.extendedTextMessage?.text ?? caption;
}

function places({ locationMessage, liveLocationMessage }: Message): object {
  const place = locationMessage ?? liveLocationMessage;
  if (!place) return {};
  const { degreesLatitude: latitude, degreesLongitude: longitude, accuracyInMeters: accuracy } = place;
  const live = liveLocationMessage !== undefined || locationMessage?.isLive || undefined;
  const { name, address } = locationMessage ?? {};
  return { location: { latitude, longitude, accuracy, name, address, live, caption: liveLocationMessage?.caption } };
}

function contacts({ contactMessage, contactsArrayMessage }: Message): object {
  const cards = contactMessage ? [contactMessage] : contactsArrayMessage?.contacts;
  return cards ? { contacts: cards.map(({ displayName: name, vcard }) => ({ name, vcard })) } : {};
}

function poll(message: Message): object {
  const found = pollOf(message);
  if (!found) return {};
  const options = found.options.map(({ optionName }) => optionName);
  return { poll: { question: found.name, options, selectable: found.selectableOptionsCount ?? 0 } };
}

function invitation({ groupInviteMessage }: Message): object {
  if (!groupInviteMessage) return {};
  const { groupJid, inviteCode: code, groupName: name, caption, inviteExpiration } = groupInviteMessage;
  const expiresAt = inviteExpiration === undefined ? undefined : Number(inviteExpiration) * 1000;
  return { invite: { group: groupJid?.replace(/@.*/s, ''), code, name, caption, expiresAt } };
}

function contextOf(message: Message): ContextInfo | undefined {
  const { extendedTextMessage, locationMessage, liveLocationMessage, contactMessage, contactsArrayMessage } = message;
  const parts = [extendedTextMessage, locationMessage, liveLocationMessage, contactMessage, contactsArrayMessage];
  return [filePart(message)?.part, pollOf(message), ...parts].find((part) => part?.contextInfo)?.contextInfo;
}

function context(info: ContextInfo | undefined, label: (jid: string) => string): object {
  const { stanzaId: id, participant, expiration } = info ?? {};
  return {
    reply: id === undefined ? undefined : { id, author: participant && label(participant) },
    disappears: expiration ? { seconds: expiration } : undefined,
  };
}
