// The appservice registration: made by `init`, read by the homeserver and by us; and the homeserver settings that go with it.
import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { BridgeError } from '../model/errors.ts';

/** What we need of the registration file once it runs. */
export interface Registration {
  readonly id: string;
  /** Where the homeserver reaches us; null where it shall push nothing. */
  readonly url: string | null;
  readonly asToken: string;
  readonly hsToken: string;
  readonly senderLocalpart: string;
}

export interface RegistrationOptions {
  readonly id: string;
  /** Where the homeserver reaches us, without trailing slash. */
  readonly url: string;
  readonly serverName: string;
  /** The service's own user, which speaks to nobody. Synapse answers its /sync with an error, so it cannot be a user with keys. */
  readonly senderLocalpart: string;
  /** The user that people talk to. */
  readonly botLocalpart?: string;
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
  for (const localpart of [options.senderLocalpart, ...(options.botLocalpart ? [options.botLocalpart] : [])])
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

/** Throws BridgeError `matrix.registration` that names the file, the key and what is wrong with it. */
export function parseRegistration(text: string, file: string): Registration {
  const problem = (detail: string, cause?: unknown) =>
    new BridgeError('matrix.registration', `${file}: ${detail}`, { retry: 'after-action', cause });
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw problem(`is not valid YAML${error instanceof Error ? `: ${error.message.split('\n')[0]}` : ''}`);
  }
  const result = schema.safeParse(document);
  if (!result.success) {
    const issues = result.error.issues.map((issue) => `${issue.path.join('.') || 'the document'}: ${issue.message}`);
    throw problem(issues.join('; '));
  }
  const data = result.data;
  if (data.receive_ephemeral !== true && data['de.sorunome.msc2409.push_ephemeral'] !== true) {
    throw problem('receive_ephemeral: must be true: without it no room keys are pushed');
  }
  if (data.as_token === data.hs_token) throw problem('hs_token: must differ from as_token');
  return {
    id: data.id,
    url: data.url,
    asToken: data.as_token,
    hsToken: data.hs_token,
    senderLocalpart: data.sender_localpart,
  };
}

/** Throws BridgeError `matrix.registration`. */
export async function loadRegistration(file: string): Promise<Registration> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new BridgeError('matrix.registration', `${file}: cannot be read; \`init\` makes one`, {
      retry: 'after-action',
      cause,
    });
  }
  return parseRegistration(text, file);
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
