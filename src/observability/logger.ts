// The log: structured lines by pino, stripped of content, keys, tokens and phone numbers, and below `debug` of every name, before pino sees them.
import { pino } from 'pino';
import { type LogFields, logFields } from '../model/budget/log-fields.ts';
import { errorCode } from '../model/errors.ts';
import { cleanFields, type Naming, scrub } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Failures that are reported once where they come from, and not again by everybody whom they stop: a database that cannot be written, a transaction that is to be pushed again. */
const toldElsewhere: readonly string[] = ['store.unavailable', 'bridge.transaction-missing'];

export function saidByItself(error: unknown): boolean {
  return toldElsewhere.includes(errorCode(error));
}

/**
 * `fields` are those of the metadata budget (`model/budget/log-fields.ts`). Those that tell who somebody is are left out, and replaced in
 * texts, unless the level is `debug`.
 */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger that adds these fields to each line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Takes whole lines; standard output by default. */
  readonly destination?: { write(line: string): void };
  /** Lines for people instead of JSON. */
  readonly pretty?: boolean;
}

/** To be the first line at level `debug`: what this level adds. */
export const namingWarning: string = `at level debug this log tells who somebody is: it adds ${Object.entries(logFields)
  .flatMap(([name, entry]) => (entry.at === 'debug' ? [`${name} (${entry.purpose})`] : []))
  .join(', ')}. Message texts, names, phone numbers and keys stay out at every level`;

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

function wrap(target: pino.Logger, naming: Naming): Logger {
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: LogFields, message: string): void => {
      if (target.isLevelEnabled(level)) target[level](cleanFields(fields, naming), scrub(message, naming));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(target.child(cleanFields(fields, naming)), naming),
  };
}

export function createLogger(options: LoggerOptions): Logger {
  const output = options.destination ?? standardOutput();
  const destination = options.pretty ? { write: (line: string) => output.write(prettyLine(line)) } : output;
  const target = pino({ level: options.level, base: null, serializers: { err: (value) => value } }, destination);
  return wrap(target, options.level === 'debug' ? 'people' : 'nobody');
}

/** Of lines that cannot be written now, in bytes. */
const longestBacklog = 1024 * 1024;
const retryMs = 1_000;

/** What cannot be written, because the disk under the log is full or nobody reads it any more, waits or is lost: it must not end the process. */
function standardOutput(): { write(line: string): void } {
  const output = pino.destination({ dest: 1, sync: true, maxLength: longestBacklog });
  let waits = false;
  // Writing nothing writes what is left; `flushSync` would wait for the disk in a loop.
  const tryLater = (): void => {
    if (waits) return;
    waits = true;
    setTimeout(() => {
      waits = false;
      output.write('');
    }, retryMs).unref();
  };
  output.on('error', tryLater);
  return output;
}
