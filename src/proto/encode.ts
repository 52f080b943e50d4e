/** Writing protobuf: what the metadata budget does not name is refused. */

import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { unbudgeted } from '../model/budget/check.ts';
import { connectionFields, messageFields } from '../model/budget/protobuf-fields.ts';

const PACKAGE = 'whatsapp.v1.';

const allowed = new Map<string, Set<string>>();
for (const { in: name, fields } of [...messageFields, ...connectionFields]) {
  const known = allowed.get(PACKAGE + name) ?? new Set();
  for (const field of fields) known.add(field);
  allowed.set(PACKAGE + name, known);
}

/** Encodes what leaves the process. Throws BridgeError `privacy.unbudgeted`, which names the field and nothing of what is in it. */
export function encodeProto<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Uint8Array {
  const message = create(schema, init);
  check(reflect(schema, message, false));
  return toBinary(schema, message);
}

function check(message: ReflectMessage): void {
  const { typeName } = message.desc;
  const known = allowed.get(typeName);
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    if (!known?.has(field.localName)) throw unbudgeted(`${typeName.slice(PACKAGE.length)}.${field.localName}`);
    if (field.fieldKind === 'message') check(message.get(field));
    if (field.fieldKind === 'list') for (const item of message.get(field)) if (isReflectMessage(item)) check(item);
  }
  if (message.getUnknown()?.length) throw unbudgeted(`${typeName.slice(PACKAGE.length)}, unknown fields`);
}
