// What the doctor sees of the moderation room: whether reports of users can go there.
import type { Config } from '../../config/config.ts';
import type { Registration } from '../../matrix/registration.ts';
import { attempt, type Check, ok, problem } from './check.ts';

const timeoutMs = 10_000;
const name = 'moderation room';

/** Nothing where none is configured: then no reports are taken. */
export async function moderationChecks(config: Config, registration: Registration): Promise<readonly Check[]> {
  const { room } = config.moderation;
  if (room === undefined) return [];
  const bot = `@${config.appservice.bot.localpart}:${config.homeserver.server_name}`;
  const ask = async (path: string): Promise<Response> => {
    const base = config.homeserver.url.replace(/\/+$/, '');
    const url = new URL(`${base}/_matrix/client/v3/rooms/${encodeURIComponent(room)}/${path}`);
    url.searchParams.set('user_id', bot);
    const headers = { authorization: `Bearer ${registration.asToken}` };
    return fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
  };
  const check = attempt(name, 'see that the homeserver answers', async () => {
    const members = await ask('joined_members');
    if (!members.ok) return problem(name, 'the bot is not in it', `invite ${bot} there; see that it runs`);
    const { joined } = (await members.json()) as { readonly joined: Readonly<Record<string, unknown>> };
    const encryption = await ask('state/m.room.encryption/');
    if (!encryption.ok) return problem(name, 'it is not encrypted', 'switch encryption on there');
    const others = Object.keys(joined).filter((user) => user !== bot).length;
    if (others === 0) return problem(name, 'nobody but the bot is in it', 'invite whoever is to read reports');
    return ok(name, `encrypted, with the bot and ${others === 1 ? 'one other' : `${others} others`} in it`);
  });
  return [await check];
}
