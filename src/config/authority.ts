// An extra certificate authority: a PEM file that the configuration names.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfigError } from './config.ts';

/** Returns the file's content. Throws ConfigError `config.authority` where it cannot be read or its first certificate makes no sense. */
export function loadAuthority(file: string): string {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new ConfigError('config.authority', `${file}: the certificate authority cannot be read (${code})`, { cause });
  }
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw new ConfigError('config.authority', `${file}: found something else, allowed: a certificate in PEM`, {
      cause,
    });
  }
  return pem;
}
