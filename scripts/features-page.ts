// The text of docs/features.md, from the capability table.
import type { Network } from '../src/model/account.ts';
import {
  type Capability,
  capabilities,
  type Direction,
  type Feature,
  refusedText,
  unsupportedText,
} from '../src/translate/capabilities.ts';

const names: Readonly<Record<Network, string>> = { whatsapp: 'WhatsApp', messenger: 'Messenger' };

export function featuresPage(): string {
  const networks = (Object.keys(capabilities) as Network[]).map((network) => {
    const same = (Object.keys(capabilities) as Network[]).find(
      (other) => capabilities[other] === capabilities[network],
    );
    const body =
      same === undefined || same === network
        ? tables(network)
        : `The same as ${names[same]}, over the same interface; not met by any test yet.`;
    return `## ${names[network]}\n\n${body}`;
  });
  return `${[introduction, ...networks, formatting].join('\n\n')}\n`;
}

const introduction = `# What is carried

Written by \`npm run docs:features\` from the capability table (\`src/translate/capabilities.ts\`), not by hand.

- **full**: carried as what it is.
- **partial**: carried, with the losses named.
- **fallback**: something readable stands for it, with the sentence in quotes under it.
- **refused**: not carried; the user is told so, in the words in quotes.
- —: there is no such thing to be sent.`;

function tables(network: Network): string {
  const features = Object.keys(capabilities[network]) as Feature[];
  const of = (kind: string): Feature[] => features.filter((feature) => capabilities[network][feature].kind === kind);
  return [
    `### Messages\n\n${table(network, of('message'))}`,
    `### What comes with messages\n\n${table(network, of('property'))}`,
    `### Everything else\n\nNobody is told in the chat when one of these is not carried.\n\n${table(network, of('signal'))}`,
  ].join('\n\n');
}

function table(network: Network, features: readonly Feature[]): string {
  const rows = features.map((feature) => {
    const row = capabilities[network][feature];
    const cells = (['to-matrix', 'to-whatsapp'] as const).map((direction) => cell(network, feature, direction));
    return `| ${[row.noun, ...cells].join(' | ')} |`;
  });
  return ['| | from contacts to Matrix | from Matrix to contacts |', '| --- | --- | --- |', ...rows].join('\n');
}

function cell(network: Network, feature: Feature, direction: Direction): string {
  const row = capabilities[network][feature];
  const capability: Capability | undefined = row[direction];
  if (capability === undefined) return '—';
  const { support, limit, told } = capability;
  const sentence =
    support === 'refused' && row.kind === 'message'
      ? direction === 'to-matrix'
        ? unsupportedText('Anna', feature, capabilities[network])
        : refusedText(feature, capabilities[network])
      : told;
  const quoted = sentence !== undefined && row.kind === 'message' && (support === 'refused' || support === 'fallback');
  return [`**${support}**`, limit && `(${limit})`, quoted ? `“${sentence}”` : sentence]
    .filter((part) => part !== undefined)
    .join(' ')
    .replaceAll('|', '\\|');
}

const formatting = `## Formatting

How WhatsApp reads its markup is assumed: the signs are those of its help pages; the word boundaries are what independent clients agree on.

| WhatsApp | Matrix | Rule |
| --- | --- | --- |
| \`*bold*\`, \`_italic_\`, \`~strike~\` | \`strong\`, \`em\`, \`del\` | On one line. Not next to a letter or digit outside, nor to a space inside, nor doubled: then the sign is text. |
| \`\` \`code\` \`\` | \`code\` | On one line; nothing else is formatted inside. |
| \`\` \`\`\`block\`\`\` \`\` | \`pre\`, or \`code\` on one line | May have several lines. |
| \`- item\`, \`* item\`, \`1. item\` | \`ul\`, \`ol\` | At the start of a line. One level; deeper levels are indented lines. |
| \`> quote\` | \`blockquote\` | At the start of a line. One level. |
| link | link | A link is text as a whole; markers inside it are part of it. |

From contacts to Matrix, the message's \`body\` is what the contact wrote, sign for sign; \`formatted_body\` is added only where there is formatting. It
consists of the tags above and of escaped text, whatever the contact wrote.

From Matrix to contacts, only text and the tags that the Matrix specification allows are read. WhatsApp has no escape character. Plain text
therefore goes over unchanged, so \`*this*\` in it is shown in bold: invisible characters that would prevent it would also break passwords,
links and commands when they are copied. For formatted text, text comes before formatting: where a marker would not be read as one (inside a word),
or could pair with the same sign in the text of its line, the text goes without it. A link with other words is written behind them, in brackets; a mention
is the name.

Text is not split on the way to WhatsApp: no Matrix event is longer than one WhatsApp message.`;
