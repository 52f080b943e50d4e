// The files of a new installation: made in memory, checked, then written all or none.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { parseConfig } from '../config/config.ts';
import { newMasterKeyText } from '../config/master-key.ts';
import { generateRegistration, homeserverSettings } from '../matrix/registration.ts';
import { BridgeError } from '../model/errors.ts';

export const answersSchema = z.object({
  serverName: z.string(),
  homeserverUrl: z.string(),
  publicUrl: z.string(),
  operatorName: z.string(),
  operatorContact: z.string(),
  listenHost: z.string(),
  listenPort: z.string(),
  appserviceUrl: z.string(),
  /** Empty where it is not known yet. */
  chatUrl: z.string(),
  enlistmentUrl: z.string(),
});
export type Answers = z.output<typeof answersSchema>;

interface NewFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** Values for keys of the configuration file, each named as in error messages: `delivery.retries`. */
export type Settings = Readonly<Record<string, unknown>>;

/** The commented example with the answers in it. Throws ConfigError where an answer is not allowed. */
async function configText(answers: Answers, settings: Settings, file: string): Promise<string> {
  const example = await readFile(new URL('../../config/config.example.yaml', import.meta.url), 'utf8');
  const header = '# Relative paths start from the directory of this file.\n';
  const document = parseDocument(example.replace(/^(#.*\n)+/, header));
  document.setIn(['homeserver', 'url'], answers.homeserverUrl);
  document.setIn(['homeserver', 'server_name'], answers.serverName);
  document.setIn(['appservice', 'listen', 'host'], answers.listenHost);
  document.setIn(['appservice', 'listen', 'port'], Number(answers.listenPort));
  document.setIn(['provider', 'public_url'], answers.publicUrl);
  document.setIn(['operator', 'name'], answers.operatorName);
  document.setIn(['operator', 'contact'], answers.operatorContact);
  for (const [key, value] of Object.entries(settings)) document.setIn(key.split('.'), value);
  const endpoints = { chat_url: answers.chatUrl, enlistment_url: answers.enlistmentUrl };
  for (const [key, value] of Object.entries(endpoints))
    if (value !== '') document.setIn(['networks', 'whatsapp', key], value);
  parseConfig(document.toJS(), file);
  // Unknown endpoints stay empty: `run` then names them, instead of connecting to an example.
  for (const [key, value] of Object.entries(endpoints)) document.setIn(['networks', 'whatsapp', key], value);
  return document.toString({ lineWidth: 0 });
}

async function writeAll(files: readonly NewFile[]): Promise<void> {
  const present = files.filter(({ path }) => existsSync(path)).map(({ path }) => path);
  if (present.length > 0)
    throw new BridgeError('cli.exists', `nothing was written, because this exists already: ${present.join(', ')}`);
  const written: string[] = [];
  try {
    for (const { path, content, mode } of files) {
      await writeFile(path, content, { flag: 'wx', mode });
      written.push(path);
    }
  } catch (cause) {
    await Promise.all(written.map((path) => rm(path, { force: true })));
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new BridgeError('cli.write-failed', `the files could not be written (${code}); none was left behind`, {
      cause,
    });
  }
}

/** Writes the files into `directory`, making it if needed. Returns what the admin has to do next. */
export async function createInstallation(
  directory: string,
  answers: Answers,
  settings: Settings = {},
): Promise<string> {
  const config = join(directory, 'config.yaml');
  const registration = join(directory, 'registration.yaml');
  const key = join(directory, 'master.key');
  const files: NewFile[] = [
    { path: config, content: await configText(answers, settings, config), mode: 0o644 },
    {
      path: registration,
      content: await generateRegistration({
        id: 'matrix-appservice-whatsapp',
        url: answers.appserviceUrl.replace(/\/+$/, ''),
        serverName: answers.serverName,
        senderLocalpart: 'whatsapp-appservice',
        botLocalpart: 'whatsappbot',
        ghostPrefix: 'wa_',
      }),
      mode: 0o600,
    },
    { path: key, content: `${newMasterKeyText()}\n`, mode: 0o600 },
  ];
  try {
    await mkdir(directory, { recursive: true });
  } catch (cause) {
    throw new BridgeError('cli.write-failed', `${directory}: this directory cannot be made`, { cause });
  }
  await writeAll(files);
  return nextSteps(answers, { config, registration, key });
}

function nextSteps(answers: Answers, paths: { config: string; registration: string; key: string }): string {
  const unknown = Object.entries({ chat_url: answers.chatUrl, enlistment_url: answers.enlistmentUrl })
    .filter(([, value]) => value === '')
    .map(([key]) => `networks.whatsapp.${key}`);
  const steps = [
    `Keep ${paths.key} safe and back it up apart from the databases: without it they cannot be opened.`,
    ...(unknown.length > 0
      ? [`Fill in ${unknown.join(' and ')} in ${paths.config}, from your agreement with the network.`]
      : []),
    `Let the homeserver's own system user read ${paths.registration}, and add this to homeserver.yaml:\n\n${homeserverSettings(paths.registration).replace(/^(?=.)/gm, '       ')}`,
    'Restart the homeserver.',
    `Have your reverse proxy pass ${answers.publicUrl}/.well-known/openid-configuration and .../jwks.json, and what is below ${answers.publicUrl}/media/, to the bridge on port ${answers.listenPort}.`,
    `Start the bridge, in its checkout:\n\n       npm start -- --config ${paths.config}\n`,
    `In your Matrix client, write "help" to @whatsappbot:${answers.serverName}.`,
  ];
  const written = `Written: ${Object.values(paths).join(', ')}`;
  return [written, '', 'Next:', ...steps.map((step, index) => `  ${index + 1}. ${step}`), ''].join('\n');
}
