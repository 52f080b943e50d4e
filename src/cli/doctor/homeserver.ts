// What the doctor asks of the homeserver: is it there, does it know us, does it send what we need, is its clock ours.
import type { Config } from '../../config/config.ts';
import type { Registration } from '../../matrix/registration.ts';
import { attempt, type Check, ok, problem, unknown } from './check.ts';
import type { Examined } from './database.ts';

const timeoutMs = 10_000;
/** More makes tokens invalid for the network. */
const mostSkewMs = 30_000;

const features = 'set both experimental_features (docs/operations.md) and restart Synapse';

export async function homeserverChecks(
  config: Config,
  registration: Registration,
  examined: Examined | undefined,
): Promise<readonly Check[]> {
  const base = config.homeserver.url.replace(/\/+$/, '');
  let response: Response;
  try {
    response = await fetch(`${base}/_matrix/client/versions`, { signal: AbortSignal.timeout(timeoutMs) });
  } catch {
    return [problem('homeserver', `nothing answers at ${base}`, 'start it, or correct homeserver.url')];
  }
  if (!response.ok) return [problem('homeserver', `${base} answers ${response.status}`, 'correct homeserver.url')];
  const bot = `@${config.appservice.bot.localpart}:${config.homeserver.server_name}`;
  return [
    ok('homeserver', `answers at ${base}`),
    clock(response),
    await loaded(base, registration, bot),
    ...(examined?.running ? [await reached(base, registration)] : []),
    keyCounts(examined),
  ];
}

function clock(response: Response): Check {
  const name = 'clock';
  const theirs = Date.parse(response.headers.get('date') ?? '');
  if (Number.isNaN(theirs)) return unknown(name, 'the homeserver does not say what time it is');
  const apart = Math.round((Date.now() - theirs) / 1000);
  const found = `${Math.abs(apart)} s apart from the homeserver's`;
  if (Math.abs(apart) * 1000 <= mostSkewMs) return ok(name, found);
  return problem(name, found, 'set the clocks of both machines by NTP');
}

function loaded(base: string, { asToken }: Registration, bot: string): Promise<Check> {
  const name = 'registration loaded';
  const todo = 'add registration.yaml to app_service_config_files and restart the homeserver';
  return attempt(name, todo, async () => {
    const url = new URL(`${base}/_matrix/client/v3/account/whoami`);
    url.searchParams.set('user_id', bot);
    const headers = { authorization: `Bearer ${asToken}` };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
    await response.body?.cancel();
    // A bot that has not been registered yet is refused in another way than a token that nobody knows.
    if (response.status === 401) return problem(name, 'the homeserver does not know our token', todo);
    return ok(name, 'the homeserver knows our token');
  });
}

function reached(base: string, { id, asToken }: Registration): Promise<Check> {
  const name = 'reached by it';
  const todo = 'correct the url in registration.yaml, on both sides, and restart the homeserver';
  return attempt(name, todo, async () => {
    const response = await fetch(`${base}/_matrix/client/v1/appservice/${encodeURIComponent(id)}/ping`, {
      method: 'POST',
      headers: { authorization: `Bearer ${asToken}`, 'content-type': 'application/json' },
      body: '{}',
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body?.cancel();
    if (response.ok) return ok(name, 'the homeserver reaches the bridge');
    return problem(name, `the homeserver does not reach the bridge (${response.status})`, todo);
  });
}

function keyCounts(examined: Examined | undefined): Check {
  const name = 'key extensions';
  if (!examined?.running) return unknown(name, 'seen only while the bridge runs');
  const { keyCounts } = examined.report;
  if (keyCounts === undefined) return unknown(name, 'nothing has been pushed since the bridge was started');
  return keyCounts
    ? ok(name, 'transactions carry key counts')
    : problem(name, 'transactions carry no key counts', features);
}
