// The shape of the configuration file. Each leaf's error text says what is allowed; config.example.yaml says what it means.
import { z } from 'zod';
import { roomIdOrAlias } from '../model/ids.ts';

const text = (allowed: string, pattern: RegExp) => z.string({ error: allowed }).regex(pattern, { error: allowed });
const count = (allowed: string, least: number, most: number) =>
  z.int({ error: allowed }).min(least, { error: allowed }).max(most, { error: allowed });
const flag = z.boolean({ error: 'true or false' });
const choice = <const Values extends readonly [string, ...string[]]>(...values: Values) =>
  z.enum(values, { error: `one of ${values.join(', ')}` });
const section = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? undefined : `a section with ${Object.keys(shape).join(', ')}`,
  });
/** A section that may be left out whole: its defaults then stand for it. */
const optional = <Shape extends z.ZodRawShape>(shape: Shape) =>
  section(shape).prefault({} as z.input<ReturnType<typeof section<Shape>>>);

/** An address with one of these schemes, without a trailing slash, query or fragment. */
function address(allowed: string, accepts: (url: URL) => boolean) {
  return z
    .string({ error: allowed })
    .refine((value) => URL.canParse(value) && accepts(new URL(value)), { error: allowed })
    .transform((value) => value.replace(/\/+$/, ''));
}
const isLoopback = (url: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
const isPlain = (url: URL): boolean => url.search === '' && url.hash === '' && url.username === '';
const httpAddress = address(
  'an http:// or https:// address',
  (url) => ['http:', 'https:'].includes(url.protocol) && isPlain(url),
);
const publicAddress = address(
  'an https:// address without query (http:// only on this machine)',
  (url) => (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) && isPlain(url),
);

const directoryPath = text('the path of a directory', /\S/);
/** Scheme, perhaps user and password, host, database; the rest is for the store to judge. */
const postgresAddress = /^postgres(ql)?:\/\/(?=\S+$)[^/?#]+\/[^/?#]+/;
const filePath = text('the path of a file', /\S/);
const listen = section({
  host: text('an address to listen on, such as 127.0.0.1 or 0.0.0.0', /^\S+$/).default('127.0.0.1'),
  port: count('a whole number from 1 to 65535', 1, 65_535),
});

const hostName = text('a host name, perhaps with a port', /^[a-z\d-]+(\.[a-z\d-]+)*(:\d{1,5})?$/i);
const hostPattern = text('a host name, or *. and a domain', /^(\*\.)?[a-z\d-]+(\.[a-z\d-]+)*$/i);

const network = section({
  chat_url: address(
    'a wss://, ws:// or tcp:// address',
    (url) => ['wss:', 'ws:', 'tcp:'].includes(url.protocol) && url.hostname !== '',
  ),
  root_key: text('64 hex digits (a 32-byte public key)', /^[0-9a-fA-F]{64}$/),
  enlistment_url: publicAddress,
  read_receipts: flag.default(false),
  reports: flag.default(false),
  media: optional({
    host: hostName.default('mmg.whatsapp.net'),
    hosts: z.array(hostPattern, { error: 'a list' }).default(['*.whatsapp.net']),
    private_addresses: flag.default(false),
    authority: filePath.optional(),
  }),
});

const serverName = text(
  'a Matrix server name, such as example.org',
  /^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/,
);
const claimName = text('a claim name: letters, digits, _ . : / -', /^[\w.:/-]{1,128}$/);

/** So many of one account, fewer while it is young, so many of everybody together; in so many seconds. */
function limit(account: number, young: number, everybody: number, perS: number) {
  const most = (preset: number) => count('a whole number from 1 to 1000000000', 1, 1_000_000_000).default(preset);
  return {
    account: most(account),
    young: most(young),
    everybody: most(everybody),
    per_s: count('a whole number of seconds from 1 to 2592000', 1, 2_592_000).default(perS),
  };
}

export const schema = section({
  homeserver: section({ url: httpAddress, server_name: serverName }),
  appservice: section({
    listen,
    registration: filePath.default('registration.yaml'),
    bot: optional({
      localpart: text('lower-case letters, digits and . _ = - / +', /^[a-z0-9._=/+-]{1,64}$/).default('whatsappbot'),
      display_name: text('1 to 100 characters', /^.{1,100}$/).default('WhatsApp bridge'),
    }),
    ghost_prefix: text('lower-case letters, digits and . _ = - / +', /^[a-z0-9._=/+-]{1,32}$/).default('wa_'),
  }),
  operator: section({
    name: text('a name of 1 to 200 characters on one line', /^\S.{0,199}$/),
    contact: text('an address of 1 to 200 characters on one line', /^\S.{0,199}$/),
    privacy_url: publicAddress.optional(),
  }),
  database: optional({
    sqlite: filePath.default('bridge.db'),
    crypto: filePath.default('crypto.db'),
    postgres: text('a postgres:// address with the name of a database', postgresAddress).optional(),
  }),
  master_key_file: filePath.default('master.key'),
  provider: section({
    public_url: publicAddress,
    listen: listen.optional(),
    audience: text('a text without spaces', /^\S+$/),
    algorithm: choice('ES256', 'RS256').default('ES256'),
    token_lifetime_s: count('a whole number of seconds from 30 to 3600', 30, 3600).default(300),
    key_rotation_days: count('a whole number of days from 2 to 3650', 2, 3650).default(90),
    jwks_path: text('a path that starts with /', /^\/[\w./-]+$/).default('/.well-known/jwks.json'),
    claims: optional({ purpose: claimName.default('purpose'), account_id: claimName.default('account_id') }),
  }),
  networks: section({ whatsapp: network.optional(), messenger: network.optional() }).refine(
    (networks) => networks.whatsapp !== undefined || networks.messenger !== undefined,
    { error: 'a section with at least one of whatsapp, messenger' },
  ),
  permissions: optional({
    opt_in: z.array(text('a Matrix ID (@anna:example.org) or a server name', /^\S+$/), { error: 'a list' }).optional(),
    attestation: optional({
      required: flag.default(false),
      valid_days: count('a whole number of days from 31 to 3650', 31, 3650).default(365),
    }),
  }),
  consent: optional({
    grace_days: count('a whole number of days from 0 to 90', 0, 90).default(7),
    end_after_days: count('a whole number of days from 1 to 365', 1, 365).default(30),
  }),
  phone_numbers: optional({
    default_country: text('a country code of two letters, such as DE', /^[A-Z]{2}$/).optional(),
  }),
  contacts: optional({ pictures: flag.default(true) }),
  policy: optional({
    requests: count('a whole number from 1 to 1000', 1, 1000).default(20),
    request_messages: count('a whole number from 1 to 1000', 1, 1000).default(50),
    blocked: z
      .array(text('a phone number (+491701234567), or the start of numbers (+99*)', /^\+\d{1,15}\*?$/), {
        error: 'a list',
      })
      .default([]),
    rooms: z
      .array(text('a room id (!id) or an alias (#policy:example.org)', roomIdOrAlias), { error: 'a list' })
      .default([]),
    rooms_per_user: count('a whole number from 0 to 100', 0, 100).default(5),
    request_days: count('a whole number of days from 1 to 365', 1, 365).default(30),
  }),
  moderation: optional({ room: text('a room id, such as !id:example.org', /^![^\s\0]{1,254}$/).optional() }),
  inbox: optional({ default: choice('combined', 'separate').default('combined') }),
  portals: optional({ federate: flag.default(false) }),
  encryption: optional({ devices: choice('cross-signed', 'all').default('cross-signed') }),
  delivery: optional({
    retention_days: count('a whole number of days from 1 to 365', 1, 365).default(30),
    receipt_wait_days: count('a whole number of days from 1 to 30', 1, 30).default(7),
    missing_key_wait_s: count('a whole number of seconds from 1 to 3600', 1, 3600).default(60),
    late_key_wait_h: count('a whole number of hours from 1 to 720', 1, 720).default(24),
    held_days: count('a whole number of days from 1 to 365', 1, 365).default(14),
    retries: count('a whole number from 0 to 20', 0, 20).default(5),
  }),
  media: optional({
    directory: directoryPath.default('media'),
    quota_mb: count('a whole number of megabytes from 1 to 100000000', 1, 100_000_000).default(10_240),
    keep_days: count('a whole number of days from 1 to 365', 1, 365).default(30),
    max_size_mb: count('a whole number of megabytes from 1 to 4096', 1, 4096).default(100),
    transfers: count('a whole number from 1 to 64', 1, 64).default(4),
  }).refine(({ quota_mb, max_size_mb }) => quota_mb > max_size_mb, {
    path: ['quota_mb'],
    error: 'more than media.max_size_mb',
  }),
  limits: optional({
    open_crypto_stores: count('a whole number from 4 to 10000', 4, 10_000).default(200),
    connecting: count('a whole number from 1 to 10000', 1, 10_000).default(50),
    young_days: count('a whole number of days from 0 to 365', 0, 365).default(7),
    messages: optional(limit(1000, 500, 200_000, 3600)),
    new_chats: optional(limit(100, 30, 5000, 86_400)),
    requests: optional({
      ...limit(100, 50, 10_000, 86_400),
      contact: count('a whole number from 1 to 1000000000', 1, 1_000_000_000).default(5),
    }),
    media_mb: optional(limit(2000, 500, 50_000, 3600)),
  }),
  logging: optional({
    level: choice('debug', 'info', 'warn', 'error').default('info'),
    format: choice('json', 'pretty').default('json'),
  }),
  metrics: optional({ enabled: flag.default(true), listen: listen.optional() }),
});

/** The file's content, checked, with every default in place. Names are those of the file. */
export type ConfigFile = z.output<typeof schema>;
export type NetworkConfig = z.output<typeof network>;
