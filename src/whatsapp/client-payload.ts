// What we say about ourselves inside the handshake: a third-party account and the token that proves it (docs/protocol.md, assumptions).
import type { Enlistment, Network } from '../model/account.ts';
import { encodeProto } from '../proto/encode.ts';
import {
  ClientPayload_ConnectReason,
  ClientPayload_ConnectType,
  ClientPayload_Product,
  ClientPayloadSchema,
  UserAgent_Platform,
  UserAgent_ReleaseChannel,
} from '../proto/wire_pb.ts';

/** `passive`: the network holds its queue until we say that we are ready. */
export function clientPayload(
  network: Network,
  { interopAccountId }: Enlistment,
  token: string,
  enableReadReceipts: boolean,
): Uint8Array {
  return encodeProto(ClientPayloadSchema, {
    passive: true,
    pull: true,
    product: network === 'messenger' ? ClientPayload_Product.INTEROP_MSGR : ClientPayload_Product.INTEROP,
    connectType: ClientPayload_ConnectType.WIFI_UNKNOWN,
    connectReason: ClientPayload_ConnectReason.USER_ACTIVATED,
    // Which platform a third party names is not public.
    userAgent: {
      platform: UserAgent_Platform.TEST,
      appVersion: { primary: 0, secondary: 1, tertiary: 0 },
      releaseChannel: UserAgent_ReleaseChannel.RELEASE,
    },
    interopData: { accountId: BigInt(interopAccountId), token: Buffer.from(token), enableReadReceipts },
  });
}
