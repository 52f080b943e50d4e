// Votes in polls: encrypted once more, with a key from the poll's secret, so that only those who have the poll can read them.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { formatJid, type UserJid, withoutDevice } from '../model/jid.ts';
import {
  type Message,
  type PollCreationMessage,
  type PollEncValue,
  PollVoteMessageSchema,
} from '../proto/message_pb.ts';
import { derived } from './media-cipher.ts';
import { readMessage, unwrapped } from './message-content.ts';

/** Whose poll it is and who votes: both are part of the key. */
export interface Ballot {
  /** Id of the poll's message. */
  readonly id: string;
  readonly author: UserJid;
  readonly voter: UserJid;
}

const IV_BYTES = 12;
const TAG_BYTES = 16;

export function pollOf(message: Message): PollCreationMessage | undefined {
  const inner = unwrapped(message);
  return (
    inner.pollCreationMessage ??
    inner.pollCreationMessageV2 ??
    inner.pollCreationMessageV3 ??
    inner.pollCreationMessageV5
  );
}

/** Undefined if the payload is no poll with a secret. */
export function sealVote(
  poll: Uint8Array,
  ballot: Ballot,
  options: readonly string[],
): { readonly encPayload: Uint8Array; readonly encIv: Uint8Array } | undefined {
  const secret = readMessage(poll)?.messageContextInfo?.messageSecret;
  if (!secret) return undefined;
  const encIv = randomBytes(IV_BYTES);
  const vote = create(PollVoteMessageSchema, { selectedOptions: options.map(hashOf) });
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret, ballot), encIv).setAAD(additional(ballot));
  const sealed = Buffer.concat([cipher.update(toBinary(PollVoteMessageSchema, vote)), cipher.final()]);
  return { encPayload: Buffer.concat([sealed, cipher.getAuthTag()]), encIv };
}

/** The names of the options; undefined if the vote is not for this poll by this voter. */
export function openVote(poll: Uint8Array, ballot: Ballot, vote: PollEncValue): string[] | undefined {
  const message = readMessage(poll);
  const secret = message?.messageContextInfo?.messageSecret;
  const names = (message && pollOf(message)?.options.map(({ optionName }) => optionName ?? '')) ?? [];
  const { encPayload = new Uint8Array(), encIv = new Uint8Array() } = vote;
  if (!secret || encPayload.length < TAG_BYTES || encIv.length !== IV_BYTES) return undefined;
  const end = encPayload.length - TAG_BYTES;
  try {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(secret, ballot), encIv).setAAD(additional(ballot));
    decipher.setAuthTag(encPayload.subarray(end));
    const plaintext = Buffer.concat([decipher.update(encPayload.subarray(0, end)), decipher.final()]);
    const { selectedOptions } = fromBinary(PollVoteMessageSchema, plaintext);
    return names.filter((name) => selectedOptions.some((hash) => hashOf(name).equals(hash)));
  } catch {
    return undefined;
  }
}

const hashOf = (option: string): Buffer => createHash('sha256').update(option).digest();

const person = (jid: UserJid): string => formatJid(withoutDevice(jid));

function keyOf(secret: Uint8Array, { id, author, voter }: Ballot): Buffer {
  return derived(secret, `${id}${person(author)}${person(voter)}Poll Vote`, 32);
}

const additional = ({ id, voter }: Ballot): Buffer => Buffer.from(`${id}\0${person(voter)}`);
