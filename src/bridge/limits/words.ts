// What users are told of limits: how much there may be, and how long they have to wait.
import type { LimitName } from '../../model/limit.ts';
import { utcMinute } from '../../translate/times.ts';
import type { HeldChats, Wait } from './limits.ts';

const minute = 60_000;
const units = [
  ['day', 24 * 60 * minute],
  ['hour', 60 * minute],
  ['minute', minute],
] as const;

/** Rounded up: `3 hours`, `1 second`. */
export function duration(ms: number): string {
  const [name, length] = units.find(([, each]) => ms >= each) ?? (['second', 1000] as const);
  const count = Math.max(1, Math.ceil(ms / length));
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** The user's time zone is not known: how long is said as well. */
export function untilText({ until, waitMs }: Pick<Wait, 'until' | 'waitMs'>): string {
  return `in ${duration(waitMs)} (${utcMinute(until)})`;
}

/** `1000 in 1 hour`. Of files in megabytes. */
function amount({ limit, most, perMs }: Wait): string {
  const much = limit === 'media' ? `${Math.round(most / 1024 ** 2)} MB` : String(most);
  return `${much} in ${duration(perMs)}`;
}

/** Why there may not be more now. */
export function reasonText(wait: Wait): string {
  if (wait.scope === 'everybody') return `This server carries no more ${whole[wait.limit]} at the moment for anybody`;
  return `You have reached the limit for ${whole[wait.limit]} (${amount(wait)})`;
}

const whole: Readonly<Record<LimitName, string>> = {
  messages: 'messages',
  'new-chats': 'new chats',
  requests: 'requests',
  media: 'files',
};

/** What `status` says of it. */
export function heldText({ limit, chats, until }: HeldChats): string {
  const where = chats === 1 ? 'one chat' : `${chats} chats`;
  const at = utcMinute(until);
  switch (limit) {
    case 'messages':
      return `The limit for messages is reached: what you have written in ${where} waits until ${at}, and is sent by itself then.`;
    case 'media':
      return `The limit for files is reached: what is in ${where} waits until ${at}, and goes on by itself then.`;
    case 'requests':
      return `The limit for requests is reached: ${chats === 1 ? 'one' : chats} more, to be shown to you from ${at} on. "requests" lists them already.`;
  }
}
