// The metadata budget of the log: what a line may say. A name that is not here does not compile, and its value is withheld.

export interface LogFieldEntry {
  /** `debug`: it tells who somebody is, so it stands in the log only at `logging.level: debug`. */
  readonly at: 'info' | 'debug';
  readonly purpose: string;
}

const info = (purpose: string): LogFieldEntry => ({ at: 'info', purpose });
const debug = (purpose: string): LogFieldEntry => ({ at: 'debug', purpose });

export const logFields = {
  account: info('which account: a random id of our own'),
  portal: info('which chat: a random id of our own'),
  contact: info('which contact: a random id of our own'),
  record: info('which record of consent: a random id of our own'),
  actor: info('which ghost, by its contact’s id, or the bot'),
  network: info('`whatsapp` or `messenger`'),
  device: info('which device of a contact: a small number'),
  worker: info('which part of the bridge'),
  step: info('what it was doing'),
  kind: info('what kind of stanza'),
  kid: info('which signing key of ours'),
  algorithm: info('of a signing key'),
  transaction: info('a number that the homeserver gives to what it pushes'),
  code: info('a stable error code'),
  err: info('code, message and stack of an error; codes of its causes'),
  reason: info('why, as one of a few words'),
  why: info('why, as one of a few words'),
  retry: info('whether it is tried again'),
  count: info('how many'),
  attempts: info('how many'),
  failures: info('how many'),
  expired: info('how many'),
  leftOver: info('how many'),
  waitMs: info('how long'),
  activeInMs: info('how long'),
  boundMs: info('how long'),
  port: info('where the bridge listens'),
  user: debug('Matrix ID of an account'),
  room: debug('of the homeserver'),
  event: debug('of the homeserver'),
  messageId: debug('of the network'),
  path: debug('of a request that failed; it may name users and rooms'),
} as const satisfies Readonly<Record<string, LogFieldEntry>>;

export type LogField = keyof typeof logFields;

/** What is handed to the log. */
export type LogFields = { readonly [Name in LogField]?: unknown };
