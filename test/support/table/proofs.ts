// How each row of the capability table is proved end to end: by sending it, by a test elsewhere, or not at all, and why not.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { MessageSchema } from '../../../src/proto/message_pb.ts';

/** A test in another end-to-end file, by its name. */
export interface Elsewhere {
  readonly file: string;
  readonly test: string;
}

/** It cannot be made to be sent so. */
export interface Unproved {
  readonly why: string;
}

/** How one side is made to send a row. */
export type Proof<Sender> = ((sender: Sender) => Promise<unknown>) | Elsewhere | Unproved;

export const isSent = <Sender>(proof: Proof<Sender>): proof is (sender: Sender) => Promise<unknown> =>
  typeof proof === 'function';

/** Marks in a chat where a row begins. */
export const beginning = (row: string): string => `next: ${row}`;

/** Returns what lies between the mark of each row and the next one. */
export function byRow<Item>(
  items: readonly Item[],
  rows: readonly string[],
  textOf: (item: Item) => string | undefined,
) {
  const starts = rows.map((row) => items.findIndex((item) => textOf(item) === beginning(row)));
  const sections = rows.map((row, index) => {
    const start = starts[index] ?? -1;
    const next = starts.slice(index + 1).find((one) => one !== -1);
    return [row, start === -1 ? [] : items.slice(start + 1, next)] as const;
  });
  return new Map<string, readonly Item[]>(sections);
}

export const serialised = (content: MessageInitShape<typeof MessageSchema>): Uint8Array =>
  toBinary(MessageSchema, create(MessageSchema, content));

/** The start of a file of that format; the rest is noise, which nobody decodes. */
const starts = {
  jpeg: 'ffd8ffe000104a464946',
  png: '89504e470d0a1a0a',
  webp: '524946460000000057454250565038204c',
};

export const picture = (format: keyof typeof starts, size: number): Buffer =>
  Buffer.concat([Buffer.from(starts[format], 'hex'), Buffer.alloc(size, format)]);
