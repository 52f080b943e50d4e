// The log: structured lines by pino, stripped of content, keys, tokens and phone numbers before pino sees them.
import { pino } from 'pino';
import { cleanFields, scrub } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * `fields` are ids, codes, counts and errors (as `err`). A text under a name that is not on the list in redact.ts is withheld.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds these fields to each line. */
  child(fields: object): Logger;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Takes whole lines; standard output by default. */
  readonly destination?: { write(line: string): void };
  /** Lines for people instead of JSON. */
  readonly pretty?: boolean;
}

const levelNames: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' };

function prettyLine(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line);
  const clock = new Date(time).toISOString().slice(11, 23);
  const details = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const failure = err ? `\n  ${err.code}: ${err.message}${err.stack ? `\n${err.stack}` : ''}` : '';
  return `${clock} ${(levelNames[level] ?? '').padEnd(5)} ${msg}${details.join('')}${failure}\n`;
}

function wrap(target: pino.Logger): Logger {
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void => {
      if (target.isLevelEnabled(level)) target[level](cleanFields(fields), scrub(message));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(target.child(cleanFields(fields))),
  };
}

export function createLogger(options: LoggerOptions): Logger {
  const output = options.destination ?? pino.destination({ dest: 1, sync: true });
  const destination = options.pretty ? { write: (line: string) => output.write(prettyLine(line)) } : output;
  return wrap(pino({ level: options.level, base: null, serializers: { err: (value) => value } }, destination));
}
