// The configuration: the committed example loads, and every mistake is explained with file, key, what was found and what is allowed.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, parseDocument, visit } from 'yaml';
import { loadAuthority } from '../../src/config/authority.ts';
import { loadConfig, mayOptIn, parseConfig } from '../../src/config/config.ts';
import { loadMasterKey, newMasterKeyText } from '../../src/config/master-key.ts';

const directory = mkdtempSync(join(tmpdir(), 'config-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

const exampleFile = resolve('config/config.example.yaml');
const exampleText = readFileSync(exampleFile, 'utf8');

/** Loads the example with one value changed (or, with undefined, removed). */
function withValue(path: readonly string[], value: unknown) {
  const document = parseDocument(exampleText);
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, value);
  const file = join(directory, 'config.yaml');
  writeFileSync(file, document.toString());
  return () => loadConfig(file, {});
}

describe('configuration', () => {
  it('loads the example, resolves its paths, and lets the own users opt in', () => {
    const config = loadConfig(exampleFile, {});
    expect(config.database.sqlite).toBe(resolve('config/bridge.db'));
    expect(config.master_key_file).toBe(resolve('config/master.key'));
    const withAuthority = withValue(['networks', 'whatsapp', 'media', 'authority'], 'ca.pem')();
    expect(withAuthority.networks.whatsapp?.media.authority).toBe(join(directory, 'ca.pem'));
    expect(config.networks.whatsapp?.chat_url).toBe('wss://chat.example.com/ws/chat');
    expect(config.networks.messenger).toBeUndefined();
    expect(mayOptIn(config, '@anna:example.org')).toBe(true);
    expect(mayOptIn(config, '@anna:elsewhere.example')).toBe(false);
  });

  it('has defaults that equal the example, so that its comments are true', () => {
    const minimal = parseDocument(exampleText);
    for (const section of [
      'database',
      'master_key_file',
      'permissions',
      'consent',
      'policy',
      'portals',
      'encryption',
      'delivery',
      'media',
      'limits',
      'logging',
      'metrics',
    ])
      minimal.deleteIn([section]);
    for (const key of ['algorithm', 'token_lifetime_s', 'key_rotation_days', 'jwks_path', 'claims'])
      minimal.deleteIn(['provider', key]);
    for (const key of ['registration', 'bot', 'ghost_prefix']) minimal.deleteIn(['appservice', key]);
    for (const key of ['read_receipts', 'reports', 'media']) minimal.deleteIn(['networks', 'whatsapp', key]);
    expect(parseConfig(minimal.toJS(), exampleFile)).toEqual(loadConfig(exampleFile, {}));
  });

  it('shows every key in the example, commented out where it has no default', () => {
    const uncommented = exampleText.replace(
      /^( *)# ((?: *)(?:listen|host|port|privacy_url|authority|permissions|opt_in|attestation|required|valid_days|phone_numbers|default_country|postgres|moderation|room):.*| +- .*)$/gm,
      '$1$2',
    );
    const keys = new Set<string>();
    visit(parseDocument(uncommented), { Pair: (_, pair) => void keys.add(String(pair.key)) });
    const config = parseConfig(parse(uncommented), exampleFile);
    const shown = (value: object): string[] =>
      Object.entries(value).flatMap(([key, member]) =>
        typeof member === 'object' && member !== null && !Array.isArray(member) ? [key, ...shown(member)] : [key],
      );
    expect(config.provider.listen?.port).toBe(9556);
    expect(config.metrics.listen?.port).toBe(9557);
    expect(config.operator.privacy_url).toBe('https://example.org/privacy');
    expect(config.database.postgres).toBe('postgres://bridge:password@127.0.0.1/bridge');
    expect(config.phone_numbers.default_country).toBe('DE');
    expect(config.moderation.room).toBe('!abcdefghijklmnop:example.org');
    expect(config.permissions.opt_in).toEqual(['example.org', '@anna:example.org']);
    expect(shown(config).filter((key) => !keys.has(key) && !['file', 'directory'].includes(key))).toEqual([]);
  });

  const mistakes: [readonly string[], unknown, RegExp][] = [
    [
      ['appservice', 'listen', 'port'],
      'abc',
      /config\.yaml: appservice\.listen\.port: found "abc", allowed: a whole number from 1 to 65535/,
    ],
    [['homeserver', 'server_name'], undefined, /homeserver\.server_name: it is missing, allowed: a Matrix server name/],
    [
      ['homeserver', 'url'],
      'ftp://x',
      /homeserver\.url: found "ftp:\/\/x", allowed: an http:\/\/ or https:\/\/ address/,
    ],
    [['operator'], undefined, /operator: it is missing, allowed: a section with name, contact, privacy_url/],
    [['operator', 'name'], 'a\nb', /operator\.name: found .*allowed: a name of 1 to 200 characters on one line/],
    [['provider', 'public_url'], 'http://example.org', /provider\.public_url: .*allowed: an https:\/\/ address/],
    [['provider', 'algorithm'], 'HS256', /provider\.algorithm: found "HS256", allowed: one of ES256, RS256/],
    [
      ['networks', 'whatsapp', 'root_key'],
      '00ff',
      /networks\.whatsapp\.root_key: found "00ff", allowed: 64 hex digits/,
    ],
    [['networks', 'whatsapp'], undefined, /networks: found \{\}, allowed: .*at least one of whatsapp, messenger/],
    [['media', 'quota_mb'], 100, /media\.quota_mb: found 100, allowed: more than media\.max_size_mb/],
    [
      ['networks', 'whatsapp', 'media', 'host'],
      'https://x.example',
      /media\.host: found "https:\/\/x\.example", allowed: a host name, perhaps with a port/,
    ],
    [
      ['networks', 'whatsapp', 'media', 'hosts'],
      ['*.*.example'],
      /media\.hosts\.0: found "\*\.\*\.example", allowed: a host name, or \*\. and a domain/,
    ],
    [['networks'], undefined, /networks: it is missing, allowed: a section with whatsapp, messenger/],
    [['portals'], 'yes', /portals: found "yes", allowed: a section with federate/],
    [
      ['permissions', 'opt_in'],
      ['@eve:elsewhere.example'],
      /permissions\.opt_in\.0: found "@eve:elsewhere\.example", allowed: example\.org/,
    ],
    [['encryption', 'device'], 'all', /encryption\.device: unknown key; did you mean devices\?/],
    [['networks', 'whatsapp', 'rootkey'], 'ff', /networks\.whatsapp\.rootkey: unknown key; did you mean root_key\?/],
    [
      ['database', 'postgres'],
      'mysql://bridge:secret word@db/bridge',
      /database\.postgres: found "mysql:\/\/\[withheld\]@db\/bridge", allowed: a postgres:\/\/ address with/,
    ],
    [['database'], 'postgres://bridge:secret@db/bridge', /database: found "postgres:\/\/\[withheld\]@db/],
    [['homserver'], {}, /homserver: unknown key; did you mean homeserver\?/],
    [['database', 'zzzzzz'], 1, /database\.zzzzzz: unknown key; allowed here: sqlite, crypto, postgres/],
  ];
  it.each(mistakes)('explains a wrong %j = %j', (path, value, message) => {
    expect(withValue(path, value)).toThrow(message);
  });

  it('names all mistakes at once, one a line', () => {
    const document = parseDocument(exampleText);
    document.setIn(['logging', 'level'], 'loud');
    document.setIn(['portals', 'federate'], 'perhaps');
    expect(() => parseConfig(document.toJS(), 'bridge.yaml')).toThrow(
      /^bridge\.yaml: portals.*\nbridge\.yaml: logging[^\n]*$/,
    );
  });

  it('names a missing file and the line of broken YAML', () => {
    expect(() => loadConfig(join(directory, 'none.yaml'), {})).toThrow(/none\.yaml: there is no such file/);
    const file = join(directory, 'broken.yaml');
    writeFileSync(file, 'homeserver:\n  url: "x\n');
    expect(() => loadConfig(file, {})).toThrow(/broken\.yaml: not valid YAML in line \d/);
  });

  it('takes a section whose keys are all commented out as left out', () => {
    expect(withValue(['portals'], null)().portals.federate).toBe(false);
  });
});

describe('certificate authority', () => {
  it('is refused where it is missing, or something else', () => {
    const file = join(directory, 'authority.pem');
    expect(() => loadAuthority(file)).toThrow(/authority\.pem: the certificate authority cannot be read \(ENOENT\)/);
    writeFileSync(file, 'no certificate');
    expect(() => loadAuthority(file)).toThrow(/authority\.pem: found something else, allowed: a certificate in PEM/);
  });
});

describe('master key', () => {
  const file = join(directory, 'master.key');
  const text = newMasterKeyText();
  const write = (content: string, mode: number) => {
    writeFileSync(file, content);
    chmodSync(file, mode);
  };

  it('comes from the file, and before that from the environment', () => {
    write(`${text}\n`, 0o600);
    const config = { master_key_file: file };
    expect(Buffer.from(loadMasterKey(config, {})).toString('base64')).toBe(text);
    const other = newMasterKeyText();
    expect(Buffer.from(loadMasterKey(config, { MAW_MASTER_KEY: other })).toString('base64')).toBe(other);
    expect(loadConfig(exampleFile, { MAW_MASTER_KEY_FILE: file }).master_key_file).toBe(file);
  });

  it('refuses a file that others may read, a missing one and one of the wrong size, and never repeats it', () => {
    write(text, 0o644);
    expect(() => loadMasterKey({ master_key_file: file }, {})).toThrow(/master\.key: found mode 0644, allowed: 0600/);
    write(text.slice(4), 0o600);
    expect(() => loadMasterKey({ master_key_file: file }, {})).toThrow(
      /found a text of 40 characters, allowed: 32 bytes in base64/,
    );
    expect(() => loadMasterKey({ master_key_file: `${file}.none` }, {})).toThrow(/cannot be read \(ENOENT\)/);
    expect(() => loadMasterKey({ master_key_file: file }, { MAW_MASTER_KEY: 'short-secret' })).toThrow(
      /^environment variable MAW_MASTER_KEY: (?!.*short-secret)/,
    );
  });
});
