// One client's connection: Noise, login by token, then stanzas until one side ends it.
import type { Logger } from '../observability/logger.ts';
import { decodeStanza, encodeStanza, type Stanza, StanzaError, stanza } from '../whatsapp/binary/index.ts';
import { acceptNoise, type Carrier as ByteCarrier, type NoiseConnection } from '../whatsapp/noise/index.ts';
import type { Linking } from './linking.ts';
import { type FailureReason, type Login, logIn } from './login.ts';
import { type Network, seconds } from './network.ts';
import type { NetworkConditions } from './network-conditions.ts';
import type { Carrier, Ending, Link, Router } from './router.ts';
import type { ServerIdentities } from './server-identity.ts';
import type { Tokens } from './tokens.ts';

export interface Chat {
  readonly network: Network;
  readonly router: Router;
  readonly linking: Linking;
  readonly tokens: Tokens;
  readonly identity: ServerIdentities;
  readonly conditions: NetworkConditions;
  readonly logger: Logger;
  /** A connection on which nothing arrives for this long is closed. */
  readonly keepAliveMs: number;
  readonly handshakeTimeoutMs: number;
}

/** Bytes of one decrypted frame, and of what may wait for a client that does not read. */
export const MAX_FRAME_BYTES = 1 << 20;
const MAX_BACKPRESSURE_BYTES = 16 << 20;
const LIMITS = { maxBytes: MAX_FRAME_BYTES, maxItems: 50_000 };

const endings: Record<Exclude<Ending, 'cut'>, Stanza> = {
  restart: stanza('stream:error', { code: 515 }),
  replaced: stanza('stream:error', {}, [stanza('conflict', { type: 'replaced' })]),
  removed: stanza('stream:error', { code: 401 }, [stanza('conflict', { type: 'device_removed' })]),
  malformed: stanza('stream:error', { code: 400 }),
  shutdown: stanza('stream:error', { code: 503 }),
};

/** Serves a client until the connection is closed. Rejects with NoiseError if there was no handshake. */
export async function serveChat(chat: Chat, bytes: ByteCarrier, signal: AbortSignal): Promise<void> {
  const { identity, handshakeTimeoutMs: timeoutMs } = chat;
  const { connection, clientStatic, payload } = await acceptNoise(bytes, { ...identity.current, signal, timeoutMs });
  const login = await logIn(chat, clientStatic, payload);
  if (signal.aborted) return connection.close();
  if (login.kind !== 'refused') return converse(chat, connection, bytes, login);
  chat.logger.info({ code: login.reason }, 'login refused');
  await refuse(connection, login.reason, seconds(chat.network.clock));
}

function refuse(connection: NoiseConnection, reason: FailureReason, t: number): Promise<void> {
  return new Promise((resolve) => {
    connection.start({ onFrame: () => {}, onClose: () => resolve() });
    if (connection.open) connection.send(encodeStanza(stanza('failure', { reason, t })));
    connection.close();
  });
}

function converse(
  chat: Chat,
  connection: NoiseConnection,
  bytes: ByteCarrier,
  login: Exclude<Login, { readonly kind: 'refused' }>,
): Promise<void> {
  const { logger } = chat;
  const who = login.kind === 'device' ? login.sender.device : { kind: login.candidate.platform };
  return new Promise((resolve) => {
    const carrier = chat.conditions.impose(stanzaCarrier(connection, bytes));
    const idle = setTimeout(() => carrier.end('cut'), chat.keepAliveMs);
    let link: Link | undefined;
    connection.start({
      onFrame: (frame) => {
        idle.refresh();
        const received = readStanza(frame);
        if (received) return link?.receive(received);
        logger.warn(who, 'malformed stanza');
        carrier.end('malformed');
      },
      onClose: ({ by }) => {
        clearTimeout(idle);
        link?.detach();
        logger.info({ ...who, reason: by }, 'client gone');
        resolve();
      },
    });
    link = admit(chat, login, carrier);
    logger.info(who, 'client admitted');
  });
}

function admit(
  { router, linking, network }: Chat,
  login: Exclude<Login, { readonly kind: 'refused' }>,
  carrier: Carrier,
): Link {
  if (login.kind === 'candidate') return linking.admit(login.candidate, carrier);
  const { sender, lid, passive } = login;
  carrier.send(stanza('success', { t: seconds(network.clock), lid }));
  return router.attach(sender, carrier, { passive });
}

function readStanza(frame: Uint8Array): Stanza | undefined {
  if (frame.length > MAX_FRAME_BYTES) return undefined;
  try {
    return decodeStanza(frame, LIMITS);
  } catch (error) {
    if (error instanceof StanzaError) return undefined;
    throw error;
  }
}

function stanzaCarrier(connection: NoiseConnection, bytes: ByteCarrier): Carrier {
  return {
    send: (sent) => {
      if (!connection.open) return;
      if (connection.buffered > MAX_BACKPRESSURE_BYTES) return bytes.destroy();
      connection.send(encodeStanza(sent));
    },
    end: (reason) => {
      if (!connection.open) return;
      if (reason === 'cut') return bytes.destroy();
      connection.send(encodeStanza(endings[reason]));
      connection.close();
    },
  };
}
