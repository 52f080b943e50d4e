// The appservice registration: made by `init`, read by the homeserver and by us; and the homeserver settings that go with it.
import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { BridgeError } from '../model/errors.ts';
import { localpartOf, type UserId } from '../model/ids.ts';

/** What we need of the registration file once it runs. */
export interface Registration {
  readonly id: string;
  /** Where the homeserver reaches us; null where it shall push nothing. */
  readonly url: string | null;
  readonly asToken: string;
  readonly hsToken: string;
  readonly senderLocalpart: string;
  /** Whether the homeserver leaves this user to us. */
  claims(user: UserId): boolean;
}

/** The users that the configuration names, as far as the homeserver must know of them. */
export interface OwnUsers {
  readonly bot: UserId;
  /** What ghosts will be called, by the example of one. */
  readonly ghost: UserId;
}

export interface RegistrationOptions {
  readonly id: string;
  /** Where the homeserver reaches us, without trailing slash. */
  readonly url: string;
  readonly serverName: string;
  /** The service's own user, which speaks to nobody. Synapse answers its /sync with an error, so it cannot be a user with keys. */
  readonly senderLocalpart: string;
  /** The user that people talk to. */
  readonly botLocalpart: string;
  /** What the localpart of every ghost begins with, such as `wa_`. */
  readonly ghostPrefix: string;
}

/**
 * Returns a new registration as YAML, with fresh tokens. The flags beyond the specification ask for ephemeral events and to-device
 * messages (MSC2409), device lists and key counts (MSC3202), and devices without login (MSC4190).
 */
export async function generateRegistration(options: RegistrationOptions): Promise<string> {
  const AppServiceRegistration = await loadRegistrationClass();
  const registration = new AppServiceRegistration(options.url);
  registration.setId(options.id);
  registration.setAppServiceToken(AppServiceRegistration.generateToken());
  registration.setHomeserverToken(AppServiceRegistration.generateToken());
  registration.setSenderLocalpart(options.senderLocalpart);
  registration.setRateLimited(false);
  registration.pushEphemeral = true;
  const server = escaped(options.serverName);
  registration.addRegexPattern('users', `^@${escaped(options.ghostPrefix)}.*:${server}$`, true);
  for (const localpart of [options.senderLocalpart, options.botLocalpart])
    registration.addRegexPattern('users', `^@${escaped(localpart)}:${server}$`, true);
  return stringify({
    ...registration.getOutput(),
    receive_ephemeral: true,
    'org.matrix.msc3202': true,
    'io.element.msc4190': true,
  });
}

/** Homeservers run these in other languages than ours: only what has a meaning is escaped, and in the plain way. */
const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Loaded here because only `init` needs it, and it takes a third of a second. */
async function loadRegistrationClass() {
  const before: unknown = Reflect.get(process, 'noDeprecation');
  // What its dependencies still call of Node is no news for an administrator.
  Reflect.set(process, 'noDeprecation', true);
  try {
    return (await import('matrix-appservice-bridge')).AppServiceRegistration;
  } finally {
    Reflect.set(process, 'noDeprecation', before);
  }
}

const flag = (why: string) => z.literal(true, `must be true: ${why}`);
const schema = z.looseObject({
  id: z.string().min(1),
  url: z.url().nullable(),
  as_token: z.string().min(16),
  hs_token: z.string().min(16),
  sender_localpart: z.string().regex(/^[a-z0-9._=/+-]+$/, 'must be a localpart: a-z 0-9 . _ = / + -'),
  namespaces: z.looseObject({ users: z.array(z.looseObject({ regex: z.string(), exclusive: z.boolean() })) }),
  'org.matrix.msc3202': flag('without it no device lists and key counts are pushed'),
  'io.element.msc4190': flag('without it some homeservers refuse to make devices for ghosts'),
});

const wrong = (file: string, detail: string): BridgeError =>
  new BridgeError('matrix.registration', `${file}: ${detail}`, { retry: 'after-action' });

/** Throws BridgeError `matrix.registration` that names the file, the key and what is wrong with it. */
export function parseRegistration(text: string, file: string): Registration {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw wrong(file, `is not valid YAML${error instanceof Error ? `: ${error.message.split('\n')[0]}` : ''}`);
  }
  const result = schema.safeParse(document);
  if (!result.success) {
    const issues = result.error.issues.map((issue) => `${issue.path.join('.') || 'the document'}: ${issue.message}`);
    throw wrong(file, issues.join('; '));
  }
  const data = result.data;
  if (data.receive_ephemeral !== true && data['de.sorunome.msc2409.push_ephemeral'] !== true) {
    throw wrong(file, 'receive_ephemeral: must be true: without it no room keys are pushed');
  }
  if (data.as_token === data.hs_token) throw wrong(file, 'hs_token: must differ from as_token');
  return {
    id: data.id,
    url: data.url,
    asToken: data.as_token,
    hsToken: data.hs_token,
    senderLocalpart: data.sender_localpart,
    claims: (user) => data.namespaces.users.some(({ regex }) => matches(regex, user)),
  };
}

/** As Synapse does it: from the start of the text. What only its regular expressions know is taken to match. */
function matches(regex: string, user: UserId): boolean {
  try {
    return new RegExp(`^(?:${regex})`).test(user);
  } catch {
    return true;
  }
}

/** Why the homeserver would not let these users work; undefined where it does. */
function misfit(registration: Registration, { bot, ghost }: OwnUsers): string | undefined {
  if (localpartOf(bot) === registration.senderLocalpart) {
    return `sender_localpart: found the bot of the configuration (appservice.bot), must be another user: Synapse refuses /sync to this one`;
  }
  if (!registration.claims(bot))
    return `namespaces.users: must claim ${bot}, the bot of the configuration (appservice.bot)`;
  if (!registration.claims(ghost)) {
    return `namespaces.users: must claim users like ${ghost}, the ghosts of the configuration (appservice.ghost_prefix)`;
  }
  return undefined;
}

/** Throws BridgeError `matrix.registration`, also where the file does not fit the users that the configuration names. */
export async function loadRegistration(file: string, users: OwnUsers): Promise<Registration> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    throw wrong(file, code === 'ENOENT' ? 'there is no such file; `init` writes one' : `cannot be read (${code})`);
  }
  const registration = parseRegistration(text, file);
  const problem = misfit(registration, users);
  if (problem !== undefined) throw wrong(file, problem);
  return registration;
}

/** What the admin adds to Synapse's homeserver.yaml (Synapse, `synapse/config/experimental.py`; docs/protocol.md). */
export function homeserverSettings(registrationPath: string): string {
  return `app_service_config_files:
  - ${JSON.stringify(registrationPath)}
experimental_features:
  # To-device messages, so room keys, for the bridge's users.
  msc2409_to_device_messages_enabled: true
  # Device lists and one-time key counts for the bridge's users.
  msc3202_transaction_extensions: true
`;
}
