/** WhatsApp addresses (JIDs): one type for each kind of address, their text form, and how they compare. */

import { BridgeError } from './errors.ts';

/** Somebody, or one device of somebody. Device 0 is the main device, and what a JID without a device means. */
interface Addressee<K extends string> {
  readonly kind: K;
  readonly user: string;
  readonly device: number;
}

/** A user by phone number, `<digits>[:<device>]@s.whatsapp.net`. */
export type PhoneJid = Addressee<'phone'>;
/** A user by hidden id, `<digits>[:<device>]@lid`. */
export type LidJid = Addressee<'lid'>;
/** A phone-number user whose account is hosted by Meta, `@hosted`. */
export type HostedJid = Addressee<'hosted'>;
/** A hidden-id user whose account is hosted by Meta, `@hosted.lid`. */
export type HostedLidJid = Addressee<'hosted-lid'>;
/** A Messenger user, `<id>:<device>@msgr`. */
export type MessengerJid = Addressee<'messenger'>;
/** A user of a third-party service, `<integrator>-<user>:<device>@interop`; the integrator is the service's number. */
export type InteropJid = Addressee<'interop'> & { readonly integrator: number };

export interface GroupJid {
  readonly kind: 'group';
  readonly user: string;
}
export interface BroadcastJid {
  readonly kind: 'broadcast';
  readonly user: string;
}
export interface NewsletterJid {
  readonly kind: 'newsletter';
  readonly user: string;
}
/** A server itself, e.g. `@s.whatsapp.net`. */
export interface ServerJid {
  readonly kind: 'server';
  readonly server: string;
}
/** An address on a server that means nothing to us (`call`, `bot`, the legacy `c.us`). */
export interface OtherJid {
  readonly kind: 'other';
  readonly user: string;
  readonly server: string;
}

export type UserJid = PhoneJid | LidJid | HostedJid | HostedLidJid | MessengerJid | InteropJid;
export type Jid = UserJid | GroupJid | BroadcastJid | NewsletterJid | ServerJid | OtherJid;

/** Text or parts that are no JID. The message never repeats them: they may hold a phone number. */
export class JidError extends BridgeError {
  constructor(reason: string) {
    super('jid.malformed', `malformed JID: ${reason}`);
  }
}

const SERVERS = {
  phone: 's.whatsapp.net',
  lid: 'lid',
  hosted: 'hosted',
  'hosted-lid': 'hosted.lid',
  messenger: 'msgr',
  interop: 'interop',
  group: 'g.us',
  broadcast: 'broadcast',
  newsletter: 'newsletter',
} as const;

type NamedKind = keyof typeof SERVERS;
const KIND_OF_SERVER = new Map(Object.entries(SERVERS).map(([kind, server]) => [server as string, kind as NamedKind]));

const PART = /^[^\s@:\p{C}]{1,128}$/u;
const DECIMAL = /^(0|[1-9]\d{0,4})$/;
/** Device ids are one byte on the wire for WhatsApp's own users, two for the others (docs/protocol.md). */
const MAX_DEVICE = { byte: 0xff, word: 0xffff };

function part(text: string, name: string): string {
  if (!PART.test(text)) throw new JidError(`invalid ${name}`);
  return text;
}

function integer(value: number, max: number, name: string): number {
  if (!Number.isInteger(value) || value < 0 || value > max) throw new JidError(`invalid ${name}`);
  return value;
}

function decimal(text: string, name: string): number {
  if (!DECIMAL.test(text)) throw new JidError(`invalid ${name}`);
  return Number(text);
}

function addressee<K extends Exclude<UserJid['kind'], 'interop'>>(kind: K, user: string, device: number): Addressee<K> {
  const max = kind === 'messenger' ? MAX_DEVICE.word : MAX_DEVICE.byte;
  return { kind, user: part(user, 'user'), device: integer(device, max, 'device') };
}

/** Every constructor throws JidError for parts that cannot stand in a JID. */
export const phoneJid = (user: string, device = 0): PhoneJid => addressee('phone', user, device);
export const lidJid = (user: string, device = 0): LidJid => addressee('lid', user, device);
export const hostedJid = (user: string, device = 0): HostedJid => addressee('hosted', user, device);
export const hostedLidJid = (user: string, device = 0): HostedLidJid => addressee('hosted-lid', user, device);
export const messengerJid = (user: string, device = 0): MessengerJid => addressee('messenger', user, device);
export const interopJid = (integrator: number, user: string, device = 0): InteropJid => ({
  kind: 'interop',
  user: part(user, 'user'),
  device: integer(device, MAX_DEVICE.word, 'device'),
  integrator: integer(integrator, 0xffff, 'integrator'),
});
export const groupJid = (user: string): GroupJid => ({ kind: 'group', user: part(user, 'user') });
export const broadcastJid = (user: string): BroadcastJid => ({ kind: 'broadcast', user: part(user, 'user') });
export const newsletterJid = (user: string): NewsletterJid => ({ kind: 'newsletter', user: part(user, 'user') });
export const serverJid = (server: string): ServerJid => ({ kind: 'server', server: part(server, 'server') });

/** The network's own address: a JID with an empty user, which is not the same as the text `s.whatsapp.net`. */
export const SERVER: ServerJid = serverJid(SERVERS.phone);
/** Where status updates ("stories") are posted. */
export const STATUS_BROADCAST: BroadcastJid = broadcastJid('status');

/** The server part of the address, as it stands after the `@`. */
export function serverOf(jid: Jid): string {
  return jid.kind === 'server' || jid.kind === 'other' ? jid.server : SERVERS[jid.kind];
}

/** Reads the text form. Throws JidError. */
export function parseJid(text: string): Jid {
  const at = text.indexOf('@');
  if (at < 0) throw new JidError('no @');
  return jidFromParts(text.slice(0, at), text.slice(at + 1));
}

/** Reads the two halves of the text form: what stands before the `@`, device included, and the server. Throws JidError. */
export function jidFromParts(local: string, server: string): Jid {
  if (local === '') return serverJid(server);
  const kind = KIND_OF_SERVER.get(server);
  switch (kind) {
    case undefined:
      return { kind: 'other', user: part(local, 'user'), server: part(server, 'server') };
    case 'group':
    case 'broadcast':
    case 'newsletter':
      return { kind, user: part(local, 'user') };
  }
  const colon = local.indexOf(':');
  const name = colon < 0 ? local : local.slice(0, colon);
  const device = colon < 0 ? 0 : decimal(local.slice(colon + 1), 'device');
  if (kind !== 'interop') return addressee(kind, name, device);
  const dash = name.indexOf('-');
  if (dash < 0) throw new JidError('no integrator');
  return interopJid(decimal(name.slice(0, dash), 'integrator'), name.slice(dash + 1), device);
}

/** The text form, which is the one that Baileys uses: interop and Messenger always show the device, the others never show 0. */
export function formatJid(jid: Jid): string {
  const server = serverOf(jid);
  switch (jid.kind) {
    case 'server':
      return `@${server}`;
    case 'interop':
      return `${jid.integrator}-${jid.user}:${jid.device}@${server}`;
    case 'messenger':
      return `${jid.user}:${jid.device}@${server}`;
    case 'group':
    case 'broadcast':
    case 'newsletter':
    case 'other':
      return `${jid.user}@${server}`;
    default:
      return jid.device === 0 ? `${jid.user}@${server}` : `${jid.user}:${jid.device}@${server}`;
  }
}

export function isUserJid(jid: Jid): jid is UserJid {
  return 'device' in jid;
}

/** The user behind a device: the same address with device 0. Addresses without devices come back as they are. */
export function withoutDevice<J extends Jid>(jid: J): J {
  return isUserJid(jid) && jid.device !== 0 ? { ...jid, device: 0 } : jid;
}

/** A given device of the same user. Throws JidError when the device cannot be expressed in this kind of address. */
export function withDevice<J extends UserJid>(jid: J, device: number): J {
  const max = jid.kind === 'interop' || jid.kind === 'messenger' ? MAX_DEVICE.word : MAX_DEVICE.byte;
  return { ...jid, device: integer(device, max, 'device') };
}

export function sameJid(a: Jid, b: Jid): boolean {
  return a === b || (a.kind === b.kind && formatJid(a) === formatJid(b));
}

/** Whether both are devices of one user, or the same address. A phone number and a hidden id never compare equal. */
export function sameUser(a: Jid, b: Jid): boolean {
  return sameJid(withoutDevice(a), withoutDevice(b));
}
