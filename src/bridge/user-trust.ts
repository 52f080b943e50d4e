// Trust towards Matrix: the user's own identity is pinned, and nothing is sent while no device of theirs may receive it.
import type { Account } from '../model/account.ts';
import type { Change } from '../model/change.ts';
import type { UserId } from '../model/ids.ts';
import type { BridgeContext } from './context.ts';

const noDeviceKey = (user: UserId): string => `no-eligible-device:${user}`;
const identityKey = (user: UserId, seen: string): string => `identity-changed:${user}:${seen}`;

/** Tells the user once that a device has to be verified before anything can be delivered. */
export async function holdForDevice(context: BridgeContext, account: Account): Promise<void> {
  const text = [
    'Messages are waiting for you, but none of your sessions may receive them: only verified sessions do.',
    'In Element: Settings, Encryption: set up recovery or enter your recovery key, or verify this session with another one. What is waiting arrives by itself afterwards.',
  ].join('\n\n');
  await context.store.commit([
    { change: 'bot-message.add', room: account.managementRoom, key: noDeviceKey(account.user), text },
  ]);
}

/** Holds everything of this user until they confirm that the new identity is theirs. */
export async function holdForIdentity(context: BridgeContext, account: Account, seen: string): Promise<void> {
  const trust = await context.store.trust.ofUser(account.user);
  const changes: Change[] = [];
  if (trust !== undefined && (trust.state === 'pinned' || trust.seen !== seen)) {
    changes.push({
      change: 'user.trust',
      trust: { state: 'changed', user: account.user, masterKey: trust.masterKey, seen },
    });
  }
  const text = [
    'Your own encryption identity on this server has changed. If you have reset it yourself, send me "confirm-identity" and everything goes on.',
    'If you have not, somebody else may have taken over your Matrix account: change your password first. Until then nothing is delivered, in either direction.',
  ].join('\n\n');
  changes.push({ change: 'bot-message.add', room: account.managementRoom, key: identityKey(account.user, seen), text });
  await context.store.commit(changes);
}

/** Pins the identity that was seen last. Returns false where nothing waits for it. */
export async function confirmIdentity(context: BridgeContext, user: UserId): Promise<boolean> {
  const trust = await context.store.trust.ofUser(user);
  if (trust?.state !== 'changed') return false;
  await context.store.commit([
    { change: 'user.trust', trust: { state: 'pinned', user, masterKey: trust.seen } },
    { change: 'bot-message.release', key: identityKey(user, trust.seen) },
  ]);
  return true;
}

/** The user's devices have changed: what was said about missing ones may have to be said again. */
export async function releaseDeviceNotice(context: BridgeContext, user: UserId): Promise<void> {
  await context.store.commit([{ change: 'bot-message.release', key: noDeviceKey(user) }]);
}
