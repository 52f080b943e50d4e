// No name may lead us into a private network. The addresses that are checked are the ones that are then connected to, so that a name whose
// meaning changes in between changes nothing.
import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { refused } from './errors.ts';

export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** All of the public Internet is in this range so far. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

/** Whether this is the address of a single host of the public Internet. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed instanceof ipaddr.IPv4 || parsed.match(globalUnicast);
}

/** For `lookup` of a connection. A name with any address that is not acceptable fails with BridgeError `media.refused`. */
export function checkedLookup(accept: (address: string) => boolean, resolve: Resolve = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) return callback(error ?? new Error('no address'), '');
      if (!addresses.every(({ address }) => accept(address))) {
        return callback(refused('its host has an address that is not public'), '');
      }
      if (options.all === true) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}
