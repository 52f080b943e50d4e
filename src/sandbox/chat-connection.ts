// One client's connection: Noise, login by token, then stanzas until one side ends it.
import { errorCode } from '../model/errors.ts';
import type { Logger } from '../observability/logger.ts';
import { decodeProto } from '../proto/decode.ts';
import { ClientPayload_Product, ClientPayloadSchema } from '../proto/wire_pb.ts';
import { decodeStanza, encodeStanza, type Stanza, StanzaError, stanza } from '../whatsapp/binary/index.ts';
import { acceptNoise, type Carrier as ByteCarrier, type NoiseConnection } from '../whatsapp/noise/index.ts';
import type { InteropAccount } from './directory.ts';
import { type Network, seconds } from './network.ts';
import type { NetworkConditions } from './network-conditions.ts';
import type { Carrier, Ending, Link, Router } from './router.ts';
import type { ServerIdentity } from './server-identity.ts';
import { TokenError, type Tokens } from './tokens.ts';

export interface Chat {
  readonly network: Network;
  readonly router: Router;
  readonly tokens: Tokens;
  readonly identity: ServerIdentity;
  readonly conditions: NetworkConditions;
  readonly logger: Logger;
  /** A connection on which nothing arrives for this long is closed. */
  readonly keepAliveMs: number;
  readonly handshakeTimeoutMs: number;
}

/** Reasons of `<failure/>` (docs/protocol.md). */
type FailureReason = 400 | 401 | 413 | 414 | 503;

type Login =
  | { readonly accepted: true; readonly account: InteropAccount; readonly passive: boolean }
  | { readonly accepted: false; readonly reason: FailureReason };

/** Bytes of one decrypted frame, and of what may wait for a client that does not read. */
export const MAX_FRAME_BYTES = 1 << 20;
const MAX_BACKPRESSURE_BYTES = 16 << 20;
const LIMITS = { maxBytes: MAX_FRAME_BYTES, maxItems: 50_000 };

const endings: Record<Exclude<Ending, 'cut'>, Stanza> = {
  replaced: stanza('stream:error', {}, [stanza('conflict', { type: 'replaced' })]),
  removed: stanza('stream:error', { code: 401 }, [stanza('conflict', { type: 'device_removed' })]),
  malformed: stanza('stream:error', { code: 400 }),
  shutdown: stanza('stream:error', { code: 503 }),
};

/** Serves a client until the connection is closed. Rejects with NoiseError if there was no handshake. */
export async function serveChat(chat: Chat, bytes: ByteCarrier, signal: AbortSignal): Promise<void> {
  const { identity, handshakeTimeoutMs: timeoutMs } = chat;
  const { connection, payload } = await acceptNoise(bytes, { ...identity, signal, timeoutMs });
  const login = await logIn(chat, payload);
  if (signal.aborted) return connection.close();
  if (login.accepted) return converse(chat, connection, bytes, login);
  chat.logger.info({ code: login.reason }, 'login refused');
  await refuse(connection, login.reason);
}

function refuse(connection: NoiseConnection, reason: FailureReason): Promise<void> {
  return new Promise((resolve) => {
    connection.start({ onFrame: () => {}, onClose: () => resolve() });
    if (connection.open) connection.send(encodeStanza(stanza('failure', { reason })));
    connection.close();
  });
}

async function logIn({ network, tokens, logger }: Chat, payload: Uint8Array): Promise<Login> {
  try {
    const { product, interopData, passive } = decodeProto(ClientPayloadSchema, payload);
    const accountId = interopData?.accountId?.toString();
    if (product !== ClientPayload_Product.INTEROP || accountId === undefined || interopData?.token === undefined) {
      return { accepted: false, reason: 401 };
    }
    const token = Buffer.from(interopData.token).toString('latin1');
    const { subject } = await tokens.verify(token, { purpose: 'connect', accountId });
    const account = network.directory.byInteropId(accountId);
    if (account?.identifier !== subject) return { accepted: false, reason: 401 };
    network.directory.setReadReceipts(account.id, interopData.enableReadReceipts ?? true);
    return { accepted: true, account, passive: passive ?? false };
  } catch (error) {
    logger.debug({ err: error }, 'login failed');
    return { accepted: false, reason: failureReason(error) };
  }
}

function failureReason(error: unknown): FailureReason {
  if (!(error instanceof TokenError)) return errorCode(error) === 'proto.malformed' ? 400 : 503;
  if (error.code === 'token.expired') return 413;
  return error.code === 'token.invalid' ? 414 : 503;
}

function converse(
  chat: Chat,
  connection: NoiseConnection,
  bytes: ByteCarrier,
  { account, passive }: Login & { readonly accepted: true },
): Promise<void> {
  const { router, network, logger } = chat;
  return new Promise((resolve) => {
    const carrier = chat.conditions.impose(stanzaCarrier(connection, bytes));
    const idle = setTimeout(() => carrier.end('cut'), chat.keepAliveMs);
    let link: Link | undefined;
    connection.start({
      onFrame: (frame) => {
        idle.refresh();
        const received = readStanza(frame);
        if (received) return link?.receive(received);
        logger.warn({ account: account.id }, 'malformed stanza');
        carrier.end('malformed');
      },
      onClose: ({ by }) => {
        clearTimeout(idle);
        link?.detach();
        logger.info({ account: account.id, reason: by }, 'client gone');
        resolve();
      },
    });
    const device = { account: account.id, device: 0 };
    carrier.send(stanza('success', { t: seconds(network.clock), lid: account.lid }));
    link = router.attach({ account, device }, carrier, { passive });
    logger.info({ account: account.id }, 'client logged in');
  });
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
