// What a phone wraps around a Message for its own linked clients. Written field by field, so that any bytes can be inside.
import { deflateSync } from 'node:zlib';
import { toBinary } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { BridgeError } from '../model/errors.ts';
import { formatJid, isUserJid, parseJid, type UserJid } from '../model/jid.ts';
import { decodeProto } from '../proto/decode.ts';
import { MessageSchema } from '../proto/message_pb.ts';

const BYTES = 2;
const DEVICE_SENT_MESSAGE = 31;
const PROTOCOL_MESSAGE = 12;
const HISTORY_SYNC_NOTIFICATION = 5;

const field = (number: number, bytes: Uint8Array): Uint8Array =>
  new BinaryWriter().tag(number, BYTES).bytes(bytes).finish();

/** A copy of one's own message for one's own other devices: Message.deviceSentMessage {destinationJid, message}. */
export function deviceSent(to: UserJid, payload: Uint8Array): Uint8Array {
  const destination = field(1, Buffer.from(formatJid(to)));
  return field(DEVICE_SENT_MESSAGE, Buffer.concat([destination, field(2, payload)]));
}

/** The recipient and the payload of such a copy; undefined for anything else. */
export function readDeviceSent(bytes: Uint8Array): { readonly to: UserJid; readonly payload: Uint8Array } | undefined {
  try {
    const { deviceSentMessage } = decodeProto(MessageSchema, bytes);
    if (!deviceSentMessage?.message || deviceSentMessage.destinationJid === undefined) return undefined;
    const to = parseJid(deviceSentMessage.destinationJid);
    return isUserJid(to) ? { to, payload: toBinary(MessageSchema, deviceSentMessage.message) } : undefined;
  } catch (error) {
    if (error instanceof BridgeError) return undefined;
    throw error;
  }
}

/** A new client waits for the history of its account. Here it begins empty: HistorySync {syncType INITIAL_BOOTSTRAP}, inline. */
export function emptyHistory(): Uint8Array {
  const history = deflateSync(Uint8Array.of(0x08, 0x00));
  const notification = Buffer.concat([
    new BinaryWriter()
      .uint32(6 << 3)
      .int32(0)
      .uint32(7 << 3)
      .uint32(1)
      .uint32(9 << 3)
      .uint32(100)
      .finish(),
    field(11, history),
  ]);
  const type = new BinaryWriter()
    .uint32(2 << 3)
    .int32(HISTORY_SYNC_NOTIFICATION)
    .finish();
  return field(PROTOCOL_MESSAGE, Buffer.concat([type, field(6, notification)]));
}
