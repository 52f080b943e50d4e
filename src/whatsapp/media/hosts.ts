// Where files may be fetched. What a message says of it comes from its sender, who must not make us call anybody else.
import { isIP } from 'node:net';
import type { NetworkPicture } from '../../model/media.ts';
import { refused } from './errors.ts';
import { isPublic } from './public-address.ts';

export interface MediaHosts {
  /** Where the paths of messages lead: a host name, perhaps with a port. */
  readonly host: string;
  /** Host names, or `*.` and a domain for everything below it. They have the usual port. */
  readonly allowed: readonly string[];
  /** Whether a host may have an address that is not public. */
  readonly privateAddresses: boolean;
  /** A certificate authority that is trusted besides the usual ones, PEM. */
  readonly authority: string | undefined;
}

/** The file's path on the network's host, or else its address if that is allowed. Throws BridgeError `media.refused`. */
export function addressOf({ directPath, url }: NetworkPicture, hosts: MediaHosts): URL {
  if (directPath) {
    // A path that does not start with a slash could lengthen the host's name.
    const address = directPath.startsWith('/') ? URL.parse(`https://${hosts.host}${directPath}`) : null;
    if (address && mayBePublic(address, hosts)) return address;
  } else if (url) {
    const address = URL.parse(url);
    if (address && isAllowed(address, hosts)) return address;
  }
  throw refused('its address is not the network’s');
}

export function isAllowed(address: URL, hosts: MediaHosts): boolean {
  const { host, allowed } = hosts;
  if (address.protocol !== 'https:' || address.username !== '' || address.password !== '') return false;
  if (!mayBePublic(address, hosts)) return false;
  if (address.host === new URL(`https://${host}`).host) return true;
  return address.port === '' && allowed.some((pattern) => covers(pattern.toLowerCase(), address.hostname));
}

/** Names are checked when they are looked up; a host that is an address never is. */
const mayBePublic = ({ hostname }: URL, { privateAddresses }: MediaHosts): boolean =>
  privateAddresses || isIP(hostname) === 0 || isPublic(hostname);

const covers = (pattern: string, hostname: string): boolean =>
  pattern.startsWith('*.') ? hostname.endsWith(pattern.slice(1)) : hostname === pattern;
