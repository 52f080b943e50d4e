// Enlistment: after the user's "yes", keys are made and the network is told, as often as it takes. Every step may be repeated.
import { BridgeError } from '../model/errors.ts';
import { type AccountId, localpartOf, type UserId } from '../model/ids.ts';
import type { PublicKeys } from '../model/signal.ts';
import { passed } from '../observability/fail-points.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { networkNames } from './labels.ts';
import type { Step } from './workers.ts';

/** One-time pre-keys handed to the network at first. */
export const initialPreKeys = 100;

export interface Enlisted {
  /** Made for tries that have failed since this process started: a service that is away must not fill our database with keys. */
  readonly keys: Map<AccountId, PublicKeys>;
  readonly connect: (account: ActiveAccount) => void;
  readonly wakeBot: (room: ActiveAccount['managementRoom']) => void;
}

/** `halted` is aborted when the account is not to be enlisted any more. */
export async function enlist(
  context: BridgeContext,
  id: AccountId,
  then: Enlisted,
  halted: AbortSignal,
): Promise<Step> {
  const { store, network, minter } = context;
  const account = await store.accounts.get(id);
  if (account === undefined || account.state.at !== 'enlisting') {
    then.keys.delete(id);
    return 'idle';
  }
  const name = networkNames[account.network];
  try {
    const keys = then.keys.get(id) ?? (await ownKeys(context, id));
    then.keys.set(id, keys);
    const { user } = account;
    const now = network.now(account.network);
    const token = await minter.mint({ user, account: id, interopAccountId: undefined, purpose: 'enlist', now });
    const displayName = await visibleName(context, user);
    const call = { user, displayName, token, keys, signal: halted };
    const enlistment = await network.enlistment(account.network).enlist(call);
    passed('E2-network-enlisted');
    const active: ActiveAccount = { ...account, state: { at: 'active', enlistment } };
    await store.commit([
      { change: 'account.put', account: active },
      {
        change: 'bot-message.add',
        room: account.managementRoom,
        key: `enlisted:${id}`,
        text: `You are connected to ${name}. Send "chat <phone number> [name]" in an encrypted room with me to write to somebody, or wait until somebody writes to you.`,
      },
    ]);
    passed('E3-account-active');
    then.keys.delete(id);
    then.connect(active);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later' || error.code.startsWith('store.')) throw error;
    then.keys.delete(id);
    context.logger.error({ account: id, code: error.code, err: error }, 'the network refused an enlistment');
    const text = `${name} refused to connect you (${error.code}). ${error.userText ?? 'The administrator of this server can see why.'} Nothing of yours is kept; send "opt-in" to try again.`;
    const { network: of, user, managementRoom } = account;
    await store.commit([
      {
        change: 'account.erase',
        departure: {
          account: id,
          network: of,
          user,
          managementRoom,
          interopAccountId: undefined,
          attempts: 0,
          chats: [],
          space: undefined,
        },
      },
      { change: 'departure.done', account: id },
      { change: 'bot-message.add', room: managementRoom, key: `refused:${id}`, text },
    ]);
  }
  then.wakeBot(account.managementRoom);
  return 'idle';
}

/** What people on the network see: the display name, or what stands before the server's name. */
async function visibleName({ homeserver }: BridgeContext, user: UserId): Promise<string> {
  try {
    return (await homeserver.displayName(user)) ?? localpartOf(user);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    return localpartOf(user);
  }
}

/** Returns the account's public keys: a new identity at first, fresh one-time pre-keys of the same identity after a restart. */
async function ownKeys(context: BridgeContext, id: AccountId): Promise<PublicKeys> {
  const known = await context.store.signal.identity(id);
  const made =
    known === undefined
      ? context.signal.createIdentity(id, initialPreKeys)
      : await context.signal.createPreKeys(id, initialPreKeys);
  await context.store.commit(made.changes);
  passed('E1-keys-committed');
  return made.keys;
}
