// The text of docs/privacy.md, from the metadata budget.
import { logFields } from '../src/model/budget/log-fields.ts';
import { everyRequest, type MatrixRequestEntry, matrixRequests } from '../src/model/budget/matrix-requests.ts';
import { connectionFields, messageFields, type ProtobufFields } from '../src/model/budget/protobuf-fields.ts';
import { type Disclosure, namesIn, recipients } from '../src/model/budget/recipients.ts';
import { enlistmentFields, stanzaFields } from '../src/model/budget/stanza-fields.ts';
import { retentions, storedTables } from '../src/model/budget/stored-fields.ts';

const code = (names: string): string =>
  namesIn(names)
    .map((name) => `\`${name}\``)
    .join(' ');

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(...head), row(...head.map(() => '---')), ...rows.map((cells) => row(...cells))].join('\n');
}

const disclosures = (all: readonly Disclosure[]): string =>
  table(
    ['fields', 'who sees them', 'what for'],
    all.map(({ fields, to, purpose, content }) => [
      code(fields),
      to.join(', '),
      content ? `${purpose} (content)` : purpose,
    ]),
  );

const protobuf = (all: readonly ProtobufFields[]): string =>
  table(
    ['message', 'fields', 'who sees them', 'what for'],
    all.map(({ in: name, fields, to, purpose, content }) => [
      `\`${name}\``,
      code(fields.join(' ')),
      to.join(', '),
      content ? `${purpose} (content)` : purpose,
    ]),
  );

function requests(): string {
  const rows = Object.entries<MatrixRequestEntry>(matrixRequests).map(
    ([endpoint, { purpose, query = '', body = '', content }]) => [
      `\`${endpoint}\``,
      code(`${query} ${body}`) + (content === undefined ? '' : `; content: ${code(content)}`),
      purpose,
    ],
  );
  return table(['request', 'what it carries', 'what for'], rows);
}

function stored(): string {
  const rows = Object.entries(storedTables).map(([name, { holds, kept, plain, sealed = '', hashed = '' }]) => [
    `\`${name}\``,
    holds,
    code(plain),
    code(sealed) + (hashed === '' ? '' : ` hashed: ${code(hashed)}`),
    kept,
  ]);
  return table(['table', 'what it holds', 'in plain', 'sealed', 'kept'], rows);
}

export function privacyPage(): string {
  const log = Object.entries(logFields).map(([name, { at, purpose }]) => [`\`${name}\``, at, purpose]);
  return `${[
    introduction,
    table(['who', 'is'], Object.entries(recipients)),
    sections.network,
    disclosures(stanzaFields),
    '### Inside the encrypted handshake',
    protobuf(connectionFields),
    '### Inside the end-to-end encryption',
    sections.message,
    protobuf(messageFields),
    '### Opt-in, opt-out and tokens',
    disclosures(enlistmentFields),
    sections.homeserver(code(everyRequest)),
    requests(),
    sections.disk,
    stored(),
    '### Kept',
    table(['word', 'means'], Object.entries(retentions)),
    sections.log,
    table(['field', 'from level', 'what it is'], log),
    sections.rights,
  ].join('\n\n')}\n`;
}

const introduction = `# Privacy

Written by \`npm run docs:privacy\` from the metadata budget (\`src/model/budget/\`), not by hand.

Every field that leaves the bridge or is stored stands here. Encoders keep to it: a stanza, a message or a request with anything else in it is refused (\`privacy.unbudgeted\`), in tests and in production alike. What was to be sent is
then treated like everything that cannot be carried: it stays, and nothing is lost. A log field that is not here does not compile; a column that is not here fails a test.
\`maw_metadata_bytes_total{recipient}\` counts the bytes of metadata that each of these is sent; divided by \`maw_messages_total\` it says what a message costs. What leaves is kept by its recipients for as long as they keep it.`;

const sections = {
  network: `## The network and contacts

Stanzas, as paths of tags; \`@\` is an attribute. The network sees all of them, and where the bridge connects from; contacts see what is passed on to them. What stands inside the encryption of a message is for the contact alone. Files are fetched by the network and by contacts from \`/media/\`, encrypted, under random names.`,
  message: `Protobuf messages, field by field. What Signal adds to encrypt them is made by its library.`,
  homeserver: (query: string) => `## The homeserver

Requests below \`/_matrix/client/v3/\` unless the path is whole; whatever is asked as a ghost or the bot says so in the query: ${query}. Room keys and messages are encrypted for the devices of the user; reactions, deletions, names, pictures and who is in which room are not, as everywhere in Matrix.`,
  disk: `## The disk

Sealed: AES-256-GCM under a key of the account or contact, which the master key wraps. Hashed: keyed hashes. \`media.directory\` holds what \`hosted_file\` names, encrypted under keys that only the messages have.`,
  log: `## The log

Nothing but these. At every level what looks like a phone number, JID, token or key is replaced; below \`debug\` also Matrix IDs, room ids and event ids. Metrics have no label that names anybody.`,
  rights: `## Export and erasure

\`export\` gives a user, and \`matrix-appservice-whatsapp export\` the administrator, everything held about them as JSON. Its format is \`UserExport\` in \`src/model/user-data.ts\`: \`user\`, \`identity\` (whether a cross-signing identity is pinned), \`consent\` (each step with its time), \`accounts\` and
\`departures\`. An account has \`network\`, \`createdAt\`, \`managementRoom\`, \`interopAccountId\` and \`address\` (how the network calls the user), \`preferences\`, \`space\` (the room, where the chats are in a Space), \`blocks\`, \`policyRooms\` (to which the user subscribes), \`reports\` (when the user has reported something), \`chats\` (room, names, addresses and pinned devices of the contact), \`messages\` (what waits or could not be carried: direction, ids, state, since when) and
\`files\` (that wait to be fetched). Times are RFC 3339. Left out: keys, and what anybody wrote. What the user wrote stands in their own rooms, and what waits for them arrives there.

\`erase\` deletes all of it (docs/operations.md says how, and what it cannot reach).`,
};
