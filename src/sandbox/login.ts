// Who is on a new connection: a third-party user by token, a linked client by its Noise key, or a client that wants to be linked.
import { errorCode } from '../model/errors.ts';
import { type LidJid, withDevice } from '../model/jid.ts';
import type { Logger } from '../observability/logger.ts';
import { decodeProto } from '../proto/decode.ts';
import {
  type ClientPayload,
  ClientPayload_Product,
  ClientPayloadSchema,
  type DevicePairingData,
  DevicePropsSchema,
} from '../proto/wire_pb.ts';
import type { Network, Sender } from './network.ts';
import { type DeviceKeys, signatureHolds } from './pre-keys.ts';
import { TokenError, type Tokens } from './tokens.ts';

/** Reasons of `<failure/>` (docs/protocol.md). */
export type FailureReason = number;

/** A client that is not linked yet, as it introduces itself. */
export interface Candidate {
  readonly noiseKey: Uint8Array;
  readonly keys: DeviceKeys;
  readonly platform: string;
}

export type Login =
  | { readonly kind: 'device'; readonly sender: Sender; readonly lid: LidJid; readonly passive: boolean }
  | { readonly kind: 'candidate'; readonly candidate: Candidate }
  | { readonly kind: 'refused'; readonly reason: FailureReason };

interface Gate {
  readonly network: Network;
  readonly tokens: Tokens;
  readonly logger: Logger;
}

/** A sandbox stands for either network. */
const thirdParties = new Set<ClientPayload_Product>([
  ClientPayload_Product.INTEROP,
  ClientPayload_Product.INTEROP_MSGR,
]);

const refused = (reason: FailureReason): Login => ({ kind: 'refused', reason });

export async function logIn(gate: Gate, noiseKey: Uint8Array, bytes: Uint8Array): Promise<Login> {
  try {
    const payload = decodeProto(ClientPayloadSchema, bytes);
    if (payload.product !== undefined && thirdParties.has(payload.product)) return await thirdPartyLogin(gate, payload);
    if ((payload.product ?? ClientPayload_Product.WHATSAPP) !== ClientPayload_Product.WHATSAPP) return refused(401);
    if (payload.devicePairingData) return candidateLogin(noiseKey, payload.devicePairingData);
    return companionLogin(gate.network, noiseKey, payload);
  } catch (error) {
    gate.logger.debug({ err: error }, 'login failed');
    return refused(failureReason(error));
  }
}

async function thirdPartyLogin({ network, tokens }: Gate, { interopData, passive }: ClientPayload): Promise<Login> {
  const accountId = interopData?.accountId?.toString();
  if (accountId === undefined || interopData?.token === undefined) return refused(401);
  const token = Buffer.from(interopData.token).toString('latin1');
  const account = network.directory.byInteropId(accountId);
  const refusal = account && network.interference.refusal(account.id);
  if (refusal !== undefined) return refused(refusal);
  const { subject } = await tokens.verify(token, { purpose: 'connect', accountId });
  if (account?.identifier !== subject) return refused(401);
  network.directory.setReadReceipts(account.id, interopData.enableReadReceipts ?? true);
  const sender = { account, device: { account: account.id, device: 0 } };
  return { kind: 'device', sender, lid: account.lid, passive: passive ?? false };
}

/** The Noise key is a linked client's only credential. */
function companionLogin(network: Network, noiseKey: Uint8Array, { username, device, passive }: ClientPayload): Login {
  const account = username === undefined ? undefined : network.directory.byNumber(username.toString());
  const companion = account && network.companions.get({ account: account.id, device: device ?? 0 });
  if (!account || !companion || !Buffer.from(companion.noiseKey).equals(noiseKey)) return refused(401);
  const sender = { account, device: { account: account.id, device: companion.device } };
  return { kind: 'device', sender, lid: withDevice(account.lid, companion.device), passive: passive ?? false };
}

function candidateLogin(noiseKey: Uint8Array, data: DevicePairingData): Login {
  const { eRegid, eKeytype, eIdent, eSkeyId, eSkeyVal, eSkeySig } = data;
  if (eRegid?.length !== 4 || eKeytype?.[0] !== 5 || eIdent?.length !== 32 || eSkeyId?.length !== 3)
    return refused(400);
  if (eSkeyVal?.length !== 32 || eSkeySig?.length !== 64) return refused(400);
  const keys: DeviceKeys = {
    registrationId: Buffer.from(eRegid).readUInt32BE(),
    identityKey: eIdent,
    signedPreKey: { id: Buffer.from(eSkeyId).readUIntBE(0, 3), publicKey: eSkeyVal, signature: eSkeySig },
  };
  if (!signatureHolds(eIdent, keys.signedPreKey)) return refused(400);
  const platform = decodeProto(DevicePropsSchema, data.deviceProps ?? new Uint8Array()).os ?? 'unknown';
  return { kind: 'candidate', candidate: { noiseKey, keys, platform: platform.slice(0, 100) } };
}

function failureReason(error: unknown): FailureReason {
  if (!(error instanceof TokenError)) return errorCode(error) === 'proto.malformed' ? 400 : 503;
  if (error.code === 'token.expired') return 413;
  return error.code === 'token.invalid' ? 414 : 503;
}
