// What moderators read: who reports what, whose words they are, and what is proven of them. What the contact wrote stands apart from what the bridge says.
import type { Contact, Ghost } from '../../model/contact.ts';
import type { UserId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/journal.ts';
import { describesFile, hasCaption, nameOf } from '../../translate/media/captions.ts';
import { readMatrixFile } from '../../translate/media/matrix-file.ts';
import { oneLine } from '../../translate/names.ts';
import { replacementIn } from '../../translate/references.ts';
import { withoutReplyFallback } from '../../translate/to-whatsapp.ts';
import { networkNames } from '../labels.ts';
import { phoneNumberOf } from '../phone-numbers.ts';
import type { ShownEvent, Verdict } from './proof.ts';
import type { ReportedChat, Statement } from './reported.ts';

/** For programs, beside the words. */
export const reportField = 'matrix-appservice-whatsapp.report';

const longestName = 200;

export interface Reported {
  readonly chat: ReportedChat;
  readonly reason: string;
  readonly statement: Statement;
  /** Of an edit, the message that it replaces. */
  readonly replaces: Statement | undefined;
}

/** The contents of the events that tell moderators of one statement: about it, its words, its file. */
export function reportContents(reported: Reported): readonly JsonObject[] {
  const { statement, replaces, chat, reason } = reported;
  const shown = shownIn(statement.event, replaces);
  const words = wordsOf(shown);
  return [
    { msgtype: 'm.text', body: about(reported, shown), [reportField]: factsOf(chat, statement, reason) },
    ...(words === '' ? [] : [{ msgtype: 'm.text', body: `The words, as the bridge received them:\n\n${words}` }]),
    ...fileOf(shown),
  ];
}

/** What it is, in a few words, for a list. */
export function summaryOf({ event, shownAt, verdict }: Statement): string {
  return `${kindOf(event)}, ${time(verdict.proof === 'valid' ? verdict.message.sentAt : shownAt)}`;
}

/** Who has written it, as moderators are told; the name that the reporter has given them stays with the reporter. */
export function writerOf(contact: Contact): string {
  const named = [contact.name && `"${contact.name.text}"`, phoneNumberOf(contact)].filter((part) => part !== undefined);
  return named.length === 0 ? `somebody on ${networkNames[contact.network]} without a name` : named.join(', ');
}

const time = (ms: number): string => new Date(ms).toISOString();

function about({ chat, reason, statement, replaces }: Reported, shown: ShownEvent): string {
  const { account, contact, ghost, room } = chat;
  const network = networkNames[contact.network];
  const { verdict, id, shownAt } = statement;
  return [
    replaces === undefined ? `Report of a message from ${network}` : `Report, continued: an edit of the message above`,
    `Reported by ${account.user}. ${reason === '' ? 'No reason was given.' : `Reason: "${reason}"`}`,
    `Written by ${writerOf(contact)}, here ${ghost.actor.user}. Whoever writes on ${network} chooses the name themselves.`,
    `Event ${id} in ${room}, shown there ${time(shownAt)}`,
    `What: ${kindOf(shown)}`,
    `Proof: ${proofText(verdict, ghost, account.user, network)}`,
  ].join('\n');
}

function proofText(verdict: Verdict, ghost: Ghost, reporter: UserId, network: string): string {
  switch (verdict.proof) {
    case 'valid':
      return [
        `valid. ${network} brought exactly this to this bridge for ${ghost.actor.user} in this chat, as message ${verdict.message.id}, sent ${time(verdict.message.sentAt)} by the network's clock;`,
        `neither ${reporter} nor anybody else without this bridge's keys can have made or changed it. It does not prove who held the phone, nor what was written before or after, and it proves nothing to anybody but this server.`,
      ].join(' ');
    case 'invalid':
      return 'NOT VALID. The event comes from this contact’s ghost, and what is in it is not what this bridge has put there. Do not act on it; look into how it came about.';
    case 'absent':
      return 'none. It was shown before this bridge put proofs into messages. The session of the contact’s ghost has sent it; nothing more is known.';
  }
}

function factsOf({ account, ghost, room }: ReportedChat, { id, verdict }: Statement, reason: string): JsonObject {
  const named = verdict.proof === 'valid' ? { message: verdict.message.id, sent_at: verdict.message.sentAt } : {};
  return { reporter: account.user, reason, sender: ghost.actor.user, room, event: id, proof: verdict.proof, ...named };
}

/** What is to be seen of it: of an edit, what it puts in the place of the message. */
function shownIn({ type, content }: ShownEvent, replaces: Statement | undefined): ShownEvent {
  const replacement = replaces && replacementIn(content, replaces.id);
  return { type, content: replacement ?? content };
}

function kindOf({ type, content }: ShownEvent): string {
  const { msgtype } = content;
  if (type === 'm.sticker') return `a sticker${details(content)}`;
  switch (msgtype) {
    case 'm.image':
      return `a picture${details(content)}`;
    case 'm.video':
      return `a video${details(content)}`;
    case 'm.audio':
      return `a sound${details(content)}`;
    case 'm.file':
      return `a file${details(content)}`;
    case 'm.location':
      return 'a place';
    default:
      return 'a text';
  }
}

function infoOf({ info }: JsonObject): JsonObject {
  return (typeof info === 'object' && info !== null ? info : {}) as JsonObject;
}

function details(content: JsonObject): string {
  const { mimetype, size } = infoOf(content);
  const name = oneLine(nameOf(content), longestName);
  const parts = [
    ...(name === '' ? [] : [`"${name}"`]),
    ...(typeof mimetype === 'string' ? [oneLine(mimetype, longestName)] : []),
    ...(typeof size === 'number' ? [`${size} bytes`] : []),
  ];
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function wordsOf({ type, content }: ShownEvent): string {
  const { body } = content;
  if (typeof body !== 'string') return '';
  const isFile = type === 'm.sticker' || describesFile(content);
  return isFile && !hasCaption(content) ? '' : withoutReplyFallback(content, body);
}

/** As a file, whatever it is: clients show pictures by themselves, and moderators are to decide what they look at. */
function fileOf({ content }: ShownEvent): readonly JsonObject[] {
  const { file } = content;
  if (readMatrixFile(file) === undefined) return [];
  const { mimetype, size } = infoOf(content);
  const name = oneLine(nameOf(content), longestName) || 'file';
  return [{ msgtype: 'm.file', body: name, filename: name, info: { mimetype, size }, file }];
}
