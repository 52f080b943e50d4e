// What a contact sends and Matrix shows in another form: places, contact cards, polls, invitations. Content is built from scratch, and
// whatever is not shown as itself ends with the sentence that the capability table has for it.
import type { JsonObject } from '../model/journal.ts';
import type {
  ContactMessage,
  GroupInviteMessage,
  LiveLocationMessage,
  LocationMessage,
  PollCreationMessage,
} from '../proto/message_pb.ts';
import { geoUri, type Place, place } from './location.ts';
import { oneLine } from './names.ts';
import { objectOf } from './sent-text.ts';
import { readCard } from './vcard.ts';

const longestLine = 300;
const mostCards = 10;
const mostOptions = 20;

/** Returns undefined where the message names no place on Earth. */
export function locationContent(message: LocationMessage): JsonObject | undefined {
  const { degreesLatitude, degreesLongitude, accuracyInMeters, name, address, comment } = message;
  return placeContent(place(degreesLatitude, degreesLongitude, accuracyInMeters, [name, address, comment]), '');
}

export function liveLocationContent(
  message: LiveLocationMessage | LocationMessage,
  label: string,
): JsonObject | undefined {
  const { degreesLatitude, degreesLongitude, accuracyInMeters } = message;
  const caption = 'caption' in message ? message.caption : undefined;
  return placeContent(place(degreesLatitude, degreesLongitude, accuracyInMeters, [caption]), label);
}

function placeContent(where: Place | undefined, label: string): JsonObject | undefined {
  if (where === undefined) return undefined;
  const uri = geoUri(where);
  const words = where.name === '' ? `Location: ${uri}` : `Location: ${where.name} (${uri})`;
  return { msgtype: 'm.location', geo_uri: uri, body: label === '' ? words : labelled([words], label) };
}

export function cardsText(contacts: readonly ContactMessage[], label: string): string {
  const lines = contacts.slice(0, mostCards).flatMap(({ displayName, vcard }) => {
    const card = readCard(vcard ?? '');
    const name = oneLine(displayName ?? '', longestLine) || card.name || 'Without a name';
    return [name, ...(card.numbers.length === 0 ? ['no telephone number'] : card.numbers).map((line) => `    ${line}`)];
  });
  return labelled([...lines, ...more(contacts.length - mostCards)], label);
}

export function pollText(poll: PollCreationMessage, label: string): string {
  const options = poll.options
    .slice(0, mostOptions)
    .map(({ optionName }) => `• ${oneLine(optionName ?? '', longestLine)}`);
  const question = oneLine(poll.name ?? '', longestLine);
  return labelled([`Poll: ${question}`, ...options, ...more(poll.options.length - mostOptions)], label);
}

/** Returns the words of a Matrix poll (MSC3381, stable or not), or undefined where it asks nothing. */
export function sentPollText(content: JsonObject, label: string): string | undefined {
  const poll = objectOf(content['m.poll'] ?? content['org.matrix.msc3381.poll.start']);
  const question = oneLine(extensibleText(poll.question), longestLine);
  const answers = Array.isArray(poll.answers) ? poll.answers : [];
  if (question === '' || answers.length === 0) return undefined;
  const options = answers.slice(0, mostOptions).map((answer) => `• ${oneLine(extensibleText(answer), longestLine)}`);
  return labelled([`Poll: ${question}`, ...options, ...more(answers.length - mostOptions)], label);
}

/** Text of extensible events (MSC1767): stable, as a list of representations, or unstable, as a string. */
function extensibleText(value: unknown): string {
  const { 'm.text': stable, 'org.matrix.msc1767.text': unstable } = objectOf(value);
  const [first] = Array.isArray(stable) ? stable.map((part) => objectOf(part).body) : [stable ?? unstable];
  return typeof first === 'string' ? first : '';
}

export function groupInviteText(invite: GroupInviteMessage, label: string): string {
  const name = oneLine(invite.groupName ?? '', longestLine);
  const caption = oneLine(invite.caption ?? '', longestLine);
  return labelled([`Invitation to the group “${name}”`, ...(caption === '' ? [] : [caption])], label);
}

function more(count: number): string[] {
  return count > 0 ? [`… and ${count} more`] : [];
}

function labelled(lines: readonly string[], label: string): string {
  return [...lines, '', `(${label})`].join('\n');
}
