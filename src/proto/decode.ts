/** Reading protobuf that somebody else wrote. */

import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { BridgeError } from '../model/errors.ts';

/** Code `proto.malformed`. Names the message type, never its content. */
export class ProtoError extends BridgeError {
  constructor(typeName: string, cause: unknown) {
    super('proto.malformed', `malformed ${typeName}`, { cause });
  }
}

/** Decodes bytes as the given message; nesting is limited to 100. Throws ProtoError. */
export function decodeProto<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new ProtoError(schema.typeName, error);
  }
}
