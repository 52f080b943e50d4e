// What may stand in a log line: an allow-list of fields, and a last-resort scrubber for every text that passes it.

/** Fields whose texts are ids, codes and addresses of ours. A text under any other name is withheld. */
const allowedFields = new Set(
  `account accountId portal portalId contact contactId actor actorId ghost user userId room roomId event eventId device deviceId
  messageId sendId transaction transactionId txnId id ids seq row inbox outbox kid purpose algorithm
  err error cause code codes reason outcome state status from_state to_state step phase action effect type kind tag retry direction
  network component part job check checks missing command signal level method path file directory key url host server listen
  version node schema migration table change policy trust worker why`
    .split(/\s+/)
    .filter((name) => name !== ''),
);

const withheld = '[withheld]';
/** Larger numbers under unknown names could be a phone number or an account id. */
const largestAnonymousNumber = 1e6;
const deepest = 4;

const patterns: readonly (readonly [RegExp, string])[] = [
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
  // Keys and secrets in hex or base64; event ids and room ids ($..., !...) are as long, and harmless.
  [/(?<![$!\w+/-])[A-Za-z0-9_-]{40,}={0,2}/g, '[secret]'],
  [/\+\d[\d ()/.-]{5,}\d/g, '[number]'],
  [/(?<!\w)\d{7,15}(?!\w)/g, '[number]'],
];

/** Characters. Longer texts are cut: nobody needs them, and the patterns take time that grows faster than they do. */
const longestText = 4_000;

/** Replaces JIDs, phone-like digit runs, tokens and long secrets in a text. */
export function scrub(text: string): string {
  const bounded = text.length > longestText ? `${text.slice(0, longestText)} [cut]` : text;
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

export function loggedError(error: Error): LoggedError {
  // Parsers quote their input in these messages, and the stack repeats the message.
  const quotesInput = error instanceof SyntaxError;
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  const causes = causesOf(error);
  return {
    code: codeOf(error),
    message: quotesInput ? withheld : scrub(error.message),
    ...(frames && frames.length > 0 ? { stack: scrub(frames.join('\n')) } : {}),
    ...(causes.length > 0 ? { causes } : {}),
  };
}

function cleanValue(value: unknown, allowed: boolean, depth: number): unknown {
  if (value === null || value === undefined || typeof value === 'boolean') return value;
  if (typeof value === 'number') return allowed || Math.abs(value) < largestAnonymousNumber ? value : withheld;
  if (typeof value === 'string') return allowed ? scrub(value) : withheld;
  if (typeof value === 'bigint') return withheld;
  if (value instanceof Error) return loggedError(value);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= deepest || typeof value !== 'object') return withheld;
  if (Array.isArray(value)) return value.slice(0, 32).map((item) => cleanValue(item, allowed, depth + 1));
  if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`;
  return cleanFields(value, depth + 1);
}

/** Returns a copy with only what may be logged. */
export function cleanFields(fields: object, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [scrub(name), cleanValue(value, allowedFields.has(name), depth)]),
  );
}
