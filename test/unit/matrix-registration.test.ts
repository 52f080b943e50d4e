// The registration file: what is generated is what is loaded, and what is wrong is named.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import {
  generateRegistration,
  homeserverSettings,
  loadRegistration,
  parseRegistration,
} from '../../src/matrix/registration.ts';
import type { UserId } from '../../src/model/ids.ts';

const options = {
  id: 'wa',
  url: 'http://127.0.0.1:9000',
  serverName: 'chat.example.org',
  senderLocalpart: 'wa-appservice',
  botLocalpart: 'wabot',
  ghostPrefix: 'wa_',
};

test('a generated registration loads, claims our users alone, and asks for every extension', async () => {
  const yaml = await generateRegistration(options);
  const loaded = parseRegistration(yaml, 'registration.yaml');
  expect(loaded).toMatchObject({ id: 'wa', url: options.url, senderLocalpart: 'wa-appservice' });
  expect(loaded.asToken).not.toBe(loaded.hsToken);
  const document = parse(yaml);
  expect(document).toMatchObject({
    rate_limited: false,
    receive_ephemeral: true,
    'de.sorunome.msc2409.push_ephemeral': true,
    'org.matrix.msc3202': true,
    'io.element.msc4190': true,
  });
  const users: { regex: string; exclusive: boolean }[] = document.namespaces.users;
  const ours = (user: string) => users.some(({ regex }) => new RegExp(regex).test(user));
  expect(users.every(({ exclusive }) => exclusive)).toBe(true);
  expect(['wa_1', 'wabot', 'wa-appservice'].every((name) => ours(`@${name}:chat.example.org`))).toBe(true);
  const foreign = [
    '@wa_1:chatxexample.org',
    '@wa_1:chat.example.org.evil',
    '@wabot2:chat.example.org',
    'x@wa_1:chat.example.org',
  ];
  expect(foreign.filter(ours)).toEqual([]);
});

test('the example is what init writes, but for the tokens', async () => {
  const example = readFileSync(new URL('../../registration.yaml', import.meta.url), 'utf8');
  const generated = await generateRegistration({
    id: 'matrix-appservice-whatsapp',
    url: 'http://127.0.0.1:9555',
    serverName: 'example.org',
    senderLocalpart: 'whatsapp-appservice',
    botLocalpart: 'whatsappbot',
    ghostPrefix: 'wa_',
  });
  const anyToken = expect.any(String);
  expect(parse(example)).toEqual({ ...parse(generated), as_token: anyToken, hs_token: anyToken });
});

test('every installation has tokens of its own', async () => {
  const [one, two] = await Promise.all([generateRegistration(options), generateRegistration(options)]);
  expect(one).not.toBe(two);
});

test.for<[string, object, string]>([
  ['a missing token', { as_token: undefined }, 'as_token'],
  ['a url without scheme', { url: 'localhost' }, 'url'],
  ['equal tokens', { hs_token: 'a'.repeat(64), as_token: 'a'.repeat(64) }, 'hs_token'],
  ['an extension switched off', { 'org.matrix.msc3202': false }, 'org.matrix.msc3202'],
  [
    'no ephemeral events',
    { receive_ephemeral: false, 'de.sorunome.msc2409.push_ephemeral': false },
    'receive_ephemeral',
  ],
  ['an impossible localpart', { sender_localpart: 'WA Bot' }, 'sender_localpart'],
])('%s is an error that names file and key', async ([, change, key]) => {
  const document = { ...parse(await generateRegistration(options)), ...change };
  const load = () => parseRegistration(stringify(document), '/etc/wa.yaml');
  expect(load).toThrow(expect.objectContaining({ code: 'matrix.registration', retry: 'after-action' }));
  expect(load).toThrow(`/etc/wa.yaml: ${key}`);
});

test.for<[string, string, string, RegExp | undefined]>([
  ['fits', 'wabot', 'wa_', undefined],
  ['has the bot as sender', 'wa-appservice', 'wa_', /sender_localpart: .*must be another user/],
  ['does not claim the bot', 'bot', 'wa_', /must claim @bot:chat\.example\.org/],
  ['does not claim the ghosts', 'wabot', 'ghost_', /must claim users like @ghost_1:/],
])('a file that %s for the configured users', async ([, bot, ghosts, problem]) => {
  const file = join(mkdtempSync(join(tmpdir(), 'registration-')), 'wa.yaml');
  writeFileSync(file, await generateRegistration(options));
  const user = (localpart: string) => `@${localpart}:chat.example.org` as UserId;
  const load = loadRegistration(file, { bot: user(bot), ghost: user(`${ghosts}1`) });
  if (problem === undefined) expect((await load).id).toBe('wa');
  else await expect(load).rejects.toThrow(problem);
  rmSync(dirname(file), { recursive: true });
});

test('what is no YAML is said to be none', () => {
  expect(() => parseRegistration('a: [', 'wa.yaml')).toThrow('wa.yaml: is not valid YAML');
});

test('the homeserver settings are YAML that names the file', () => {
  expect(parse(homeserverSettings('/data/a "b".yaml'))).toEqual({
    app_service_config_files: ['/data/a "b".yaml'],
    experimental_features: { msc2409_to_device_messages_enabled: true, msc3202_transaction_extensions: true },
  });
});
