// The master key: 32 random bytes that wrap every data key, from a file that only its owner can read or from the environment.
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ConfigError } from './config.ts';

const format = /^[A-Za-z0-9+/]{43}=$/;

/** Returns the text of a new key: 32 random bytes in base64. */
export function newMasterKeyText(): string {
  return randomBytes(32).toString('base64');
}

function decode(text: string, source: string): Uint8Array {
  const trimmed = text.trim();
  if (!format.test(trimmed)) {
    throw new ConfigError(
      'config.master-key',
      `${source}: found a text of ${trimmed.length} characters, allowed: 32 bytes in base64 (44 characters)`,
    );
  }
  return new Uint8Array(Buffer.from(trimmed, 'base64'));
}

/** Reads a key file. Throws ConfigError `config.master-key` where it is missing, malformed or open to others. */
export function readMasterKey(file: string): Uint8Array {
  let text: string;
  let mode: number;
  try {
    mode = statSync(file).mode & 0o777;
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new ConfigError('config.master-key', `${file}: the master key cannot be read (${code})`, { cause });
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new ConfigError(
      'config.master-key',
      `${file}: found mode ${mode.toString(8).padStart(4, '0')}, allowed: 0600 or less, because this key opens everything; run chmod 600 on it`,
    );
  }
  return decode(text, file);
}

/** The key in force: `MAW_MASTER_KEY` in the environment, else the configured file. 32 bytes. */
export function loadMasterKey(
  config: { readonly master_key_file: string },
  env: Readonly<Record<string, string | undefined>> = process.env,
): Uint8Array {
  const inline = env.MAW_MASTER_KEY;
  return inline ? decode(inline, 'environment variable MAW_MASTER_KEY') : readMasterKey(config.master_key_file);
}
