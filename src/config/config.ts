// Loading the configuration file: paths resolved, every mistake named with file, key, what was found and what is allowed.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { BridgeError } from '../model/errors.ts';
import { type ConfigFile, type NetworkConfig, schema } from './schema.ts';
import { nearest } from './suggestion.ts';

export type { NetworkConfig };

/** The configuration in force. All paths are absolute; `permissions.opt_in` holds at least one entry unless opting in is closed. */
export interface Config extends Omit<ConfigFile, 'permissions'> {
  /** The file it came from, and its directory, which relative paths start from. */
  readonly file: string;
  readonly directory: string;
  readonly permissions: ConfigFile['permissions'] & { readonly opt_in: readonly string[] };
}

export class ConfigError extends BridgeError {}

type Issue = z.core.$ZodIssue;

const keyText = (path: readonly PropertyKey[]): string => path.map(String).join('.');

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    document,
  );
}

/** The keys that the schema knows in the section at `path`. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const properties = valueAt(json, [...path.flatMap((key) => ['properties', key]), 'properties']);
  return Object.keys(properties ?? {});
}

/** A key without a value (`portals:`) is as good as none. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (member === null ? [] : [[key, withoutEmpty(member)]])),
  );
}

/** User and password in an address. */
const credentials = /(:\/*)(?:[^"\\]|\\.)*@/g;

function found(value: unknown): string {
  if (value === undefined) return 'it is missing';
  const shown = JSON.stringify(value).replace(credentials, '$1[withheld]@');
  return `found ${shown.length > 60 ? `${shown.slice(0, 57)}...` : shown}`;
}

function explain(issue: Issue, document: unknown): string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path);
    return issue.keys.map((key) => {
      const suggestion = nearest(key, known);
      const hint = suggestion ? `did you mean ${suggestion}?` : `allowed here: ${known.join(', ')}`;
      return `${keyText([...issue.path, key])}: unknown key; ${hint}`;
    });
  }
  const name = issue.path.length === 0 ? 'the file' : keyText(issue.path);
  return [`${name}: ${found(valueAt(document, issue.path))}, allowed: ${issue.message}`];
}

function readDocument(file: string): unknown {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const reason = missing
      ? 'there is no such file; `init` writes one'
      : `it cannot be read (${String(valueAt(cause, ['code']))})`;
    throw new ConfigError('config.unreadable', `${file}: ${reason}`, { cause });
  }
  try {
    return withoutEmpty(parse(content));
  } catch (cause) {
    if (!(cause instanceof YAMLParseError)) throw cause;
    const line = cause.linePos?.[0].line;
    throw new ConfigError('config.syntax', `${file}: not valid YAML${line ? ` in line ${line}` : ''} (${cause.code})`, {
      cause,
    });
  }
}

/** Entries of `permissions.opt_in` that could never match: tokens are minted for this server's users only. */
function foreignPermissions(entries: readonly string[], server: string): string[] {
  return entries.flatMap((entry, index) => {
    const isOwn = entry.startsWith('@') ? entry.endsWith(`:${server}`) : entry === server;
    return isOwn ? [] : [`permissions.opt_in.${index}: ${found(entry)}, allowed: ${server} or a Matrix ID of it`];
  });
}

/** Checks a parsed document. Throws ConfigError `config.invalid`, one line per mistake. */
export function parseConfig(document: unknown, file: string): Config {
  const result = schema.safeParse(document);
  const refuse = (problems: readonly string[]): never => {
    throw new ConfigError('config.invalid', problems.map((problem) => `${file}: ${problem}`).join('\n'));
  };
  if (!result.success) return refuse(result.error.issues.flatMap((issue) => explain(issue, document)));
  const config = result.data;
  const optIn = config.permissions.opt_in ?? [config.homeserver.server_name];
  const foreign = foreignPermissions(optIn, config.homeserver.server_name);
  if (foreign.length > 0) return refuse(foreign);
  const directory = dirname(resolve(file));
  const { whatsapp, messenger } = config.networks;
  return {
    ...config,
    file: resolve(file),
    directory,
    permissions: { ...config.permissions, opt_in: optIn },
    appservice: { ...config.appservice, registration: resolve(directory, config.appservice.registration) },
    database: {
      ...config.database,
      sqlite: resolve(directory, config.database.sqlite),
      crypto: resolve(directory, config.database.crypto),
    },
    media: { ...config.media, directory: resolve(directory, config.media.directory) },
    master_key_file: resolve(directory, config.master_key_file),
    networks: {
      ...(whatsapp && { whatsapp: withPaths(whatsapp, directory) }),
      ...(messenger && { messenger: withPaths(messenger, directory) }),
    },
  };
}

function withPaths(network: NetworkConfig, directory: string): NetworkConfig {
  const { authority } = network.media;
  return { ...network, media: { ...network.media, authority: authority && resolve(directory, authority) } };
}

/** Reads and checks the file. `MAW_MASTER_KEY_FILE` in `env` stands in for `master_key_file`. Throws ConfigError `config.*`. */
export function loadConfig(path: string, env: Readonly<Record<string, string | undefined>> = process.env): Config {
  const config = parseConfig(readDocument(path), path);
  const keyFile = env.MAW_MASTER_KEY_FILE;
  return keyFile ? { ...config, master_key_file: resolve(keyFile) } : config;
}

/** Whether the operator lets this Matrix user opt in. */
export function mayOptIn(config: Config, user: string): boolean {
  const server = user.slice(user.indexOf(':') + 1);
  return config.permissions.opt_in.some((entry) => entry === user || entry === server);
}
