// What may stand in a log line: the fields of the metadata budget, and a last-resort scrubber for every text that passes it.
import { type LogField, type LogFields, logFields } from '../model/budget/log-fields.ts';

const withheld = '[withheld]';

/** Whom a line may name: `nobody`, or at `logging.level: debug` also `people` with their rooms, events and messages. Never secrets or numbers. */
export type Naming = 'nobody' | 'people';

type Patterns = readonly (readonly [RegExp, string])[];

/** A server's name has a letter or a dot; what follows a colon in a stack trace has neither. */
const server = String.raw`(?:[\w-]*[A-Za-z.][\w.-]*|\[[\dA-Fa-f:.]+\])(?:(?::|%3A)\d{1,5})?`;
const withServer = (sigil: string): RegExp => new RegExp(`${sigil}[\\w.=/+-]+(?::|%3A)${server}`, 'gi');

/** Of Matrix, as they are and as they stand in paths. */
const identifiers: Patterns = [
  [withServer('(?:@|%40)'), '[user]'],
  [withServer('(?:!|%21)'), '[room]'],
  [/(?:!|%21)[\w-]{40,}/g, '[room]'],
  [/(?:\$|%24)[\w-]{40,}/g, '[event]'],
];

const secrets: Patterns = [
  [
    /[\w.+-]+(?::\d+)?@(?:s\.whatsapp\.net|c\.us|g\.us|lid|hosted(?:\.lid)?|interop|msgr|broadcast|newsletter|bot)\b/g,
    '[jid]',
  ],
  [/(:\/\/)[^\s/?#]+@/g, '$1[credentials]@'],
  [/\b(bearer|access_token|as_token|hs_token)(["']?\s*[ =:]\s*["']?)[^\s"'&,]+/gi, '$1$2[token]'],
  [/\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g, '[token]'],
  [/\b(?:syt|syr|mat|mct|mcr)_[\w-]{8,}/g, '[token]'],
  // Base64 with its two signs that also stand in paths: by its mixture of cases and digits, where no path goes on.
  [
    /(?<![\w$!+/:.-])(?!\/)(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z+/]*\d)[A-Za-z0-9+/]{40,}={0,2}/g,
    '[secret]',
  ],
  // Keys and secrets in hex or base64; event ids and room ids ($..., !...) are as long, and are judged for themselves.
  [/(?<![$!\w+/-])[A-Za-z0-9_-]{40,}={0,2}/g, '[secret]'],
  [/\+\d[\d ()/.-]{5,}\d/g, '[number]'],
  [/(?<!\w)\d{7,15}(?!\w)/g, '[number]'],
];

/** Characters. Longer texts are cut: nobody needs them, and the patterns take time that grows faster than they do. */
const longestText = 4_000;

/** Replaces JIDs, phone-like digit runs, tokens and long secrets in a text, and whatever else tells who somebody is. */
export function scrub(text: string, naming: Naming): string {
  const bounded = text.length > longestText ? `${text.slice(0, longestText)} [cut]` : text;
  const patterns = naming === 'nobody' ? [...secrets, ...identifiers] : secrets;
  return patterns.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), bounded);
}

/** What is logged of an error: its code, name, message and stack, and the codes of its causes. */
export interface LoggedError {
  readonly code: string;
  readonly message: string;
  readonly stack?: string;
  readonly causes?: readonly string[];
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function causesOf(error: Error): string[] {
  const codes: string[] = [];
  for (let cause = error.cause; cause !== undefined && codes.length < 8; ) {
    codes.push(codeOf(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return codes;
}

export function loggedError(error: Error, naming: Naming): LoggedError {
  // Parsers quote their input in these messages, and the stack repeats the message.
  const quotesInput = error instanceof SyntaxError;
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  const causes = causesOf(error);
  return {
    code: codeOf(error),
    message: quotesInput ? withheld : scrub(error.message, naming),
    ...(frames && frames.length > 0 ? { stack: scrub(frames.join('\n'), naming) } : {}),
    ...(causes.length > 0 ? { causes } : {}),
  };
}

function cleanValue(value: unknown, naming: Naming): unknown {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'string') return scrub(value, naming);
  if (value instanceof Error) return loggedError(value, naming);
  return withheld;
}

/** Returns a copy with only what the metadata budget lets into the log. */
export function cleanFields(fields: LogFields, naming: Naming): Record<string, unknown> {
  const cleaned: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (!isBudgeted(name)) cleaned[scrub(name, 'nobody')] = withheld;
    else if (logFields[name].at === 'info' || naming === 'people') cleaned[name] = cleanValue(value, naming);
  }
  return cleaned;
}

/** The type lets nothing else through; what comes from elsewhere, or was widened on the way, is looked at here. */
function isBudgeted(name: string): name is LogField {
  return Object.hasOwn(logFields, name);
}
