// The rules of policy rooms: read from a room's state, and held against the users of this server.
import { z } from 'zod';
import { serverOf, type UserId } from '../../model/ids.ts';
import type { StateEvent } from '../../model/matrix.ts';
import type { PolicyRoom, PolicyRule } from '../../model/policy.ts';
import { globMatches, mayFitEnding } from './glob.ts';

/**
 * The types of the specification, and those under which the rules of many rooms still stand: from before MSC2313 was accepted, and from
 * before it was written. Source: Mjolnir and Element Web, which read all three.
 */
const about: ReadonlyMap<string, PolicyRule['about']> = new Map(
  (['user', 'server'] as const).flatMap((kind) =>
    ['m.policy.rule', 'm.room.rule', 'org.matrix.mjolnir.rule'].map((start) => [`${start}.${kind}`, kind] as const),
  ),
);
const toBan: ReadonlySet<string> = new Set(['m.ban', 'org.matrix.mjolnir.ban']);

export const isPolicyType = (type: string): boolean => about.has(type);

/** Rules that are taken from one room. */
export const mostRules = 1000;
/** Of a Matrix ID or a server name, in characters; what is longer fits none. */
const longestEntity = 255;

const ban = z.object({
  entity: z.string().min(1),
  recommendation: z.string().refine((text) => toBan.has(text)),
});

/** The rules that can be about somebody on `server`, in a fixed order. An event without a rule in it, or with one taken back, is none. */
export function rulesIn(state: readonly StateEvent[], server: string): Pick<PolicyRoom, 'rules' | 'leftOut'> {
  const found = new Map<string, PolicyRule>();
  let tooLong = 0;
  for (const { type, content } of state) {
    const kind = about.get(type);
    const read = kind === undefined ? undefined : ban.safeParse(content);
    if (kind === undefined || !read?.success) continue;
    const rule = { about: kind, entity: read.data.entity };
    if (!concerns(rule, server)) continue;
    if (rule.entity.length > longestEntity) tooLong += 1;
    else found.set(`${kind} ${rule.entity}`, rule);
  }
  const all = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => rule);
  return { rules: all.slice(0, mostRules), leftOut: tooLong + Math.max(0, all.length - mostRules) };
}

function concerns({ about: kind, entity }: PolicyRule, server: string): boolean {
  if (entity.length > longestEntity) return mayFitEnding(entity, kind === 'user' ? `:${server}` : server);
  return kind === 'user' ? mayFitEnding(entity, `:${server}`) : namesServer(entity, server);
}

/** Server names are host names, whatever their case, perhaps with a port, which a rule need not name. */
function namesServer(entity: string, server: string): boolean {
  const glob = entity.toLowerCase();
  const name = server.toLowerCase();
  return globMatches(glob, name) || globMatches(glob, name.replace(/:\d+$/, ''));
}

/** Whether a rule is about this user by name. */
export function namesUser(rules: readonly PolicyRule[], user: UserId): boolean {
  return rules.some((rule) => rule.about === 'user' && globMatches(rule.entity, user));
}

/** Whether a rule is about this user, or about everybody on their server. */
export function namesUserOrServer(rules: readonly PolicyRule[], user: UserId): boolean {
  const server = serverOf(user);
  return namesUser(rules, user) || rules.some((rule) => rule.about === 'server' && namesServer(rule.entity, server));
}
