// `init`: writes configuration, registration and master key for a homeserver, never over existing files, and says what to do next.
import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Command, Option } from 'commander';
import { type Answers, answersSchema, createInstallation } from './installation.ts';

type Given = { -readonly [key in keyof Answers]?: string | undefined };

interface Question {
  readonly key: keyof Answers;
  readonly flag: string;
  readonly text: string;
  /** What stands where nothing is answered; undefined where an answer is needed. */
  readonly fallback: ((answers: Given) => string) | undefined;
}

const questions: readonly Question[] = [
  {
    key: 'serverName',
    flag: 'server-name',
    text: "server name, the part behind the colon in its users' Matrix IDs",
    fallback: undefined,
  },
  {
    key: 'homeserverUrl',
    flag: 'homeserver-url',
    text: "address of the homeserver's client API",
    fallback: () => 'http://127.0.0.1:8008',
  },
  {
    key: 'publicUrl',
    flag: 'public-url',
    text: "https address under which the network fetches this bridge's keys",
    fallback: undefined,
  },
  { key: 'operatorName', flag: 'operator-name', text: 'who runs this bridge, as users are told', fallback: undefined },
  {
    key: 'operatorContact',
    flag: 'operator-contact',
    text: 'how users reach them (an e-mail address, a Matrix ID)',
    fallback: undefined,
  },
  { key: 'listenHost', flag: 'listen-host', text: 'address that the bridge listens on', fallback: () => '127.0.0.1' },
  { key: 'listenPort', flag: 'listen-port', text: 'port that the bridge listens on', fallback: () => '9555' },
  {
    key: 'appserviceUrl',
    flag: 'appservice-url',
    text: 'address under which the homeserver reaches the bridge',
    fallback: ({ listenPort }) => `http://127.0.0.1:${listenPort}`,
  },
  {
    key: 'chatUrl',
    flag: 'chat-url',
    text: "chat endpoint, from the network's agreement (empty: fill in later)",
    fallback: () => '',
  },
  {
    key: 'enlistmentUrl',
    flag: 'enlistment-url',
    text: 'enlistment endpoint, likewise (empty: fill in later)',
    fallback: () => '',
  },
];

async function ask(given: Given): Promise<Given> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answers = { ...given };
  try {
    for (const { key, text, fallback } of questions) {
      const preset = fallback?.(answers);
      while (answers[key] === undefined) {
        const answer = (await terminal.question(`${text}${preset ? ` [${preset}]` : ''}: `)).trim() || preset;
        if (answer !== undefined) answers[key] = answer;
      }
    }
  } finally {
    terminal.close();
  }
  return answers;
}

/** Fills in what may be left out; refuses with the names of the flags that may not. */
function complete(given: Given, refuse: (message: string) => never): Answers {
  const filled = { ...given };
  for (const { key, fallback } of questions) filled[key] ??= fallback?.(filled);
  const answers = answersSchema.safeParse(filled);
  if (answers.success) return answers.data;
  const missing = questions.filter(({ key }) => filled[key] === undefined).map(({ flag }) => `--${flag}`);
  return refuse(`error: nobody to ask here, so these are needed: ${missing.join(', ')}`);
}

export const initCommand = new Command('init')
  .description(
    'Writes config.yaml, registration.yaml and master.key with fresh secrets. Asks for what no flag gives; never overwrites.',
  )
  .option('--dir <directory>', 'where to write', '.')
  .option('--yes', 'do not ask: take defaults for what no flag gives')
  .addHelpText(
    'after',
    `
Example:
  $ matrix-appservice-whatsapp init --dir /etc/matrix-whatsapp --yes \\
      --server-name example.org --public-url https://whatsapp.example.org \\
      --operator-name 'Example organisation' --operator-contact privacy@example.org`,
  )
  .action(async (options: Given & { dir: string; yes?: true }, command: Command) => {
    const { dir, yes, ...given } = options;
    const answered = yes || !process.stdin.isTTY ? given : await ask(given);
    const answers = complete(answered, (message) => command.error(message));
    console.log(await createInstallation(resolve(dir), answers));
  });
for (const { flag, text } of questions) initCommand.addOption(new Option(`--${flag} <value>`, text));
