// The control API for a phone's messages: sending, reading, waiting for what becomes of them, and the files in them.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import express, { type Router as HttpRouter, type Request } from 'express';
import { z } from 'zod';
import type { LidJid } from '../model/jid.ts';
import { MessageSchema } from '../proto/message_pb.ts';
import {
  afterSchema,
  closing,
  labelOf,
  messageIdSchema,
  numberSchema,
  phoneOf,
  recipientOf,
  waitSchema,
} from './control-api.ts';
import type { Account } from './directory.ts';
import { HttpError, readBody, readingFailure, readQuery } from './http-error.ts';
import { type MediaFault, mediaFaultSchema } from './media-faults.ts';
import { fileOf, readMessage, unwrapped } from './message-content.ts';
import { type FileRequest, type MessageRequest, messageRequestSchema, type PlainRequest } from './message-requests.ts';
import { describeMessage } from './message-views.ts';
import type { Network } from './network.ts';
import type { Phone } from './phone.ts';
import { fileMessage, kindOf } from './phone-file-messages.ts';
import type { FileSource } from './phone-files.ts';
import { type Entry, type PhoneJournal, statuses } from './phone-journal.ts';
import { disappearingText, otherMessage, pinMessage, voteMessage } from './phone-kinds.ts';
import { quotation } from './phone-references.ts';
import type { Phones } from './phones.ts';
import { openVote } from './poll-votes.ts';

const PAGE = 1_000;

const historySchema = z.object({ after: afterSchema, waitMs: waitSchema });
const progressSchema = z.object({
  status: z.enum(statuses).optional(),
  media: z.literal('verified').optional(),
  waitMs: waitSchema,
});
const receiptSchema = z.object({ id: messageIdSchema, type: z.enum(['delivered', 'read', 'played']) });
const faultSchema = z.intersection(
  z.object({ phone: numberSchema, messageId: messageIdSchema }),
  z.union([mediaFaultSchema, z.object({ fault: z.literal('none') })]),
);

export function messageApi(network: Network, phones: Phones): HttpRouter {
  const api = express.Router();
  const { directory } = network;

  const describe = ({ account, files, journal }: Phone, entry: Entry): object => {
    const state = files.stateOf(entry.seq);
    const path = state && fileOf(entry.payload)?.path;
    const downloads = path === undefined ? 0 : network.blobs.downloads(path);
    const file = state && { ...state, downloads };
    return {
      ...describeMessage(account.number, entry, file, (jid) => directory.labelOfText(jid)),
      vote: voteOf(journal, account.lid, entry),
    };
  };

  api.post('/sandbox/phones/:number/messages', async (request, response) => {
    const phone = phoneOf(phones, request);
    const body = readBody(messageRequestSchema(request.body), request);
    const peer = recipientOf(directory, body.to);
    if (peer.id === phone.account.id) throw new HttpError(400, 'own_number', 'a phone does not write to itself');
    const { payload, source } = await contentOf(phone, peer, body, network.clock.now());
    if ('fault' in body && body.fault) setFault(network, payload, body.fault);
    response.status(201).json({ id: phone.send(peer.lid, labelOf(peer), payload, source) });
  });

  api.get('/sandbox/phones/:number/messages', async (request, response) => {
    const phone = phoneOf(phones, request);
    const { after, waitMs } = readQuery(historySchema, request);
    const look = (): Entry[] | undefined => {
      const entries = phone.journal.after(after, PAGE);
      return entries.length > 0 ? entries : undefined;
    };
    const entries = (await phone.journal.changes.wait(look, waitMs, closing(response))) ?? [];
    response.json({ messages: entries.map((entry) => describe(phone, entry)) });
  });

  api.get('/sandbox/phones/:number/messages/:id', async (request, response) => {
    const phone = phoneOf(phones, request);
    const { status, media, waitMs } = readQuery(progressSchema, request);
    const reached = (): Entry | undefined => {
      const entry = phone.journal.byId(String(request.params.id));
      if (!entry) return undefined;
      const enough = status === undefined || entry.status === 'failed' || rank(entry.status) >= rank(status);
      const settled = media === undefined || phone.files.stateOf(entry.seq)?.state !== 'fetching';
      return enough && settled ? entry : undefined;
    };
    const entry = await phone.journal.changes.wait(reached, waitMs, closing(response));
    response.json(describe(phone, entry ?? entryOf(phone, request)));
  });

  api.get('/sandbox/phones/:number/messages/:id/media', async (request, response) => {
    const phone = phoneOf(phones, request);
    const entry = entryOf(phone, request);
    const bytes = phone.files.open(entry);
    if (!bytes) throw new HttpError(404, 'no_media', 'this phone has no file of this message');
    const size = fileOf(entry.payload)?.size;
    response.type('application/octet-stream');
    if (size !== undefined) response.set('content-length', String(size));
    await pipeline(Readable.from(bytes, { objectMode: false }), response).catch(() => response.destroy());
  });

  api.post('/sandbox/phones/:number/messages/:id/media', (request, response) => {
    const phone = phoneOf(phones, request);
    if (!phone.files.fetchAgain(entryOf(phone, request).seq)) {
      throw new HttpError(409, 'not_failed', 'this message has no file that could not be fetched');
    }
    response.status(204).end();
  });

  api.post('/sandbox/phones/:number/receipts', (request, response) => {
    const phone = phoneOf(phones, request);
    const { id, type } = readBody(receiptSchema, request);
    if (phone.offline) throw new HttpError(409, 'offline', 'the phone is offline');
    if (!phone.sendReceipt(id, type)) {
      throw new HttpError(404, 'unknown_message', 'this phone has received no message with this id');
    }
    response.status(204).end();
  });

  api.post('/sandbox/faults/media', (request, response) => {
    const { phone: number, messageId, ...fault } = readBody(faultSchema, request);
    const entry = phones.get(number)?.journal.byId(messageId);
    if (!entry)
      throw new HttpError(404, 'unknown_message', 'there is no such phone, or it has no message with this id');
    setFault(network, entry.payload, fault.fault === 'none' ? undefined : fault);
    response.status(204).end();
  });

  return api;
}

interface Content {
  readonly payload: Uint8Array;
  readonly source?: FileSource;
}

/** `now`: milliseconds since the Unix epoch. */
async function contentOf(phone: Phone, peer: Account, body: MessageRequest, now: number): Promise<Content> {
  switch (body.type) {
    case 'plain':
      return { payload: plainPayload(body) };
    case 'reply':
    case 'reaction':
    case 'edit':
    case 'delete':
      return { payload: phone.referring(body, peer.lid) };
    case 'pin':
      return { payload: pinMessage(phone.target(peer.lid, body.id, body.fromMe), peer.lid, body.unpin, now) };
    case 'poll-vote': {
      const people = { own: phone.account.lid, peer: peer.lid };
      const payload = voteMessage(phone.target(peer.lid, body.id, body.fromMe), body.options, people, now);
      if (!payload) throw new HttpError(409, 'no_poll', 'this phone knows no poll with this id');
      return { payload };
    }
    case 'location':
    case 'live-location':
    case 'contact':
    case 'poll':
    case 'group-invite':
    case 'disappearing-timer':
    case 'unknown':
      return { payload: otherMessage(body, now) };
    default:
      return fileContent(phone, peer, body);
  }
}

function plainPayload({ text = '', raw, disappears }: PlainRequest): Uint8Array {
  if (raw) return raw;
  if (disappears !== undefined) return disappearingText(text, disappears);
  return toBinary(MessageSchema, create(MessageSchema, { conversation: text }));
}

async function fileContent(phone: Phone, peer: Account, body: FileRequest): Promise<Content> {
  const { path, base64, reply, forge } = body;
  const source = path === undefined ? { bytes: base64 ?? new Uint8Array() } : { path };
  const location = await phone.files.upload(kindOf[body.type], source, forge).catch((error: unknown) => {
    throw readingFailure(error);
  });
  const context =
    reply === undefined ? undefined : quotation(phone.target(peer.lid, reply), peer.lid, phone.account.lid);
  return { payload: fileMessage(body, location, context), source };
}

/** What was chosen, where this phone has the poll. */
function voteOf(journal: PhoneJournal, own: LidJid, { payload, peer, direction }: Entry): object | undefined {
  const message = readMessage(payload);
  const { pollCreationMessageKey: key, vote } = (message && unwrapped(message).pollUpdateMessage) ?? {};
  if (!key?.id) return undefined;
  const [voter, other, their] = direction === 'out' ? ([own, peer, 'in'] as const) : ([peer, own, 'out'] as const);
  const poll = journal.find(key.fromMe ? direction : their, peer, key.id);
  const author = key.fromMe ? voter : other;
  const options = poll && vote && openVote(poll.payload, { id: key.id, author, voter }, vote);
  return { id: key.id, fromMe: key.fromMe ?? false, options };
}

function setFault({ blobs }: Network, payload: Uint8Array, fault: MediaFault | undefined): void {
  const path = fileOf(payload)?.path;
  if (path === undefined) throw new HttpError(404, 'no_media', 'this message has no file');
  blobs.setFault(path, fault);
}

function entryOf({ journal }: Phone, request: Request): Entry {
  const entry = journal.byId(String(request.params.id));
  if (!entry) throw new HttpError(404, 'unknown_message', 'this phone has no message with this id');
  return entry;
}

const rank = (status: Entry['status']): number => (status === 'failed' ? -1 : statuses.indexOf(status));
