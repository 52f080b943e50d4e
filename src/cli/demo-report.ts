// The demo's outcome, for people and as JSON.
import { styleText } from 'node:util';
import { type MessageRecord, problems, type RoomRecord, type Transcript } from './demo-transcript.ts';
import type { Access } from './demo-world.ts';

/** What failed, one line each; empty where everything was delivered. */
export function failures(transcript: Transcript, error?: unknown): string[] {
  const undelivered = transcript.messages.flatMap((message, index) =>
    problems(message).map((problem) => `message ${index + 1}, ${message.from} to ${message.to}: ${problem}`),
  );
  if (error === undefined) return undelivered;
  return [...undelivered, error instanceof Error ? error.message : String(error)];
}

/** The content of `--report`. `access` is missing where the demo did not get as far. */
export function report(access: Access | undefined, transcript: Transcript, failed: readonly string[]): object {
  const { phones = [], ...addresses } = access ?? {};
  const messages = transcript.messages.map((message) => ({ ...message, delivered: problems(message).length === 0 }));
  return {
    delivered: failed.length === 0,
    failures: failed,
    ...addresses,
    phoneNumber: phones[0]?.number,
    phones,
    rooms: transcript.rooms,
    transcript: messages,
  };
}

/** The conversation as each side decrypted it. */
export function formatTranscript({ rooms, messages }: Transcript): string {
  return rooms
    .flatMap((room) => [
      ...roomLines(room),
      ...messages.flatMap((message, index) => (message.roomId === room.roomId ? messageLines(message, index + 1) : [])),
    ])
    .join('\n');
}

function roomLines({ label }: RoomRecord): string[] {
  const notice = label.firstNotice.split('\n')[0] ?? '';
  return [
    '',
    bold(label.chat),
    `  topic         ${label.topic}`,
    `  first notice  ${notice}`,
    '',
    `  ${'#'.padEnd(3)}${'side'.padEnd(10)}${'as decrypted there'.padEnd(textWidth)}proof`,
  ];
}

const textWidth = 58;

function messageLines(message: MessageRecord, number: number): string[] {
  const { direction, firstContact, matrix, whatsapp, latencyMs } = message;
  const { shield, senderDevices } = matrix;
  const devices = senderDevices.every(({ crossSigned }) => crossSigned) ? 'cross-signed' : 'NOT cross-signed';
  const trust = `${shield.color === 'none' ? 'no' : shield.color} shield, device ${devices}`;
  const matrixLine = ['Matrix', matrix.text, `${matrix.eventId}  ${trust}`] as const;
  const whatsappLine = ['WhatsApp', whatsapp.text, `${whatsapp.messageId}  ${whatsapp.status}`] as const;
  const [sent, received] = direction === 'to-matrix' ? [whatsappLine, matrixLine] : [matrixLine, whatsappLine];
  const line = (head: string, [side, text = '(not decrypted)', proof]: readonly [string, string | undefined, string]) =>
    `  ${head.padEnd(3)}${side.padEnd(10)}${text.padEnd(textWidth)}${proof}`;
  const remarks = [`delivered in ${latencyMs} ms`, ...(firstContact ? ['first contact'] : []), ...problems(message)];
  return [line(String(number), sent), line(' →', received), `     ${remarks.join(' · ')}`];
}

/** How to look at it, and how to go on. */
export function formatAccess(access: Access): string {
  const { homeserverUrl, serverName, user, password, recoveryKey, bot, sandboxUrl, phones } = access;
  const [phone] = phones;
  const messages = `${sandboxUrl}/sandbox/phones/${phone?.number.slice(1)}/messages`;
  const rows = [
    ['homeserver', `${homeserverUrl}  (server name ${serverName})`],
    ['user', user],
    ['password', password],
    ['recovery key', recoveryKey],
    ['bot', bot],
    ['sandbox', sandboxUrl],
    ...phones.map(({ name, number }) => ['phone', `${number}  ${name}`] as const),
  ] as const;
  return [
    '',
    bold('Log in with Element'),
    ...rows.map(([name, value]) => `  ${name.padEnd(14)}${value}`),
    '',
    '  Element Desktop, or Element Web in Chrome or Firefox, on this machine: choose "Sign in", edit the homeserver to the',
    '  address above (http, loopback only), log in, and verify the session with the recovery key. Old and new messages',
    '  can then be read.',
    '',
    bold(`Write as ${phone?.name}, and see what her phone has`),
    `  curl ${messages} -H 'content-type: application/json' -d '{"to":"${user}","text":"Hello again"}'`,
    `  curl ${messages}`,
    '',
  ].join('\n');
}

const bold = (text: string): string => styleText('bold', text, { stream: process.stdout });
