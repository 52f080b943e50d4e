// The control API: whoever runs the sandbox moves its phones, its weather and its faults. Documented in docs/sandbox.md.
import { create, toBinary } from '@bufbuild/protobuf';
import express, { type Router as HttpRouter, type Request, type Response } from 'express';
import { z } from 'zod';
import { formatJid } from '../model/jid.ts';
import { MessageSchema } from '../proto/message_pb.ts';
import type { Account, Directory } from './directory.ts';
import { HttpError, readBody, readQuery } from './http-error.ts';
import type { Linking } from './linking.ts';
import type { Phone } from './phone.ts';
import { type Entry, statuses } from './phone-journal.ts';
import { safetyNumber } from './phone-sessions.ts';
import type { Phones } from './phones.ts';

const BODY_LIMIT = '256kb';
const MAX_WAIT_MS = 60_000;
const PAGE = 1_000;

export const numberSchema = z
  .string()
  .transform((text) => text.replace(/^\+/, ''))
  .refine((text) => /^[1-9]\d{4,14}$/.test(text), 'must be a phone number: 5 to 15 digits, country code first');

const phoneSchema = z.object({ number: numberSchema, name: z.string().trim().min(1).max(100) });
const textSchema = z.string().min(1).max(65_536);
const plainSchema = z
  .strictObject({ to: z.string(), text: textSchema.optional(), raw: z.base64().optional() })
  .refine(({ text, raw }) => (text === undefined) !== (raw === undefined), 'either text or raw');
/** `id`: of the message that is meant; `fromMe` only where the phone does not know it. */
const target = { to: z.string(), id: z.string().min(1).max(128), fromMe: z.boolean().optional() };
const referenceSchema = z.discriminatedUnion('type', [
  z.strictObject({ ...target, type: z.literal('reply'), text: textSchema }),
  z.strictObject({ ...target, type: z.literal('reaction'), emoji: z.string().max(64) }),
  z.strictObject({ ...target, type: z.literal('edit'), text: textSchema }),
  z.strictObject({ ...target, type: z.literal('delete') }),
]);
const messageSchema = z.union([referenceSchema, plainSchema]);
const wait = z.coerce.number().int().min(0).max(MAX_WAIT_MS).default(0);
const historySchema = z.object({ after: z.coerce.number().int().min(0).default(0), waitMs: wait });
const statusSchema = z.object({ status: z.enum(statuses).optional(), waitMs: wait });
const receiptSchema = z.object({ id: z.string().min(1), type: z.enum(['read', 'delivered']) });
const offlineSchema = z.object({ offline: z.boolean() });

/** The phones' part of the control API. */
export function phoneApi(phones: Phones, directory: Directory, linking: Linking): HttpRouter {
  const api = express.Router();
  api.use(express.json({ limit: BODY_LIMIT }));

  api.post('/sandbox/phones', async (request, response) => {
    const { number, name } = readBody(phoneSchema, request);
    const { phone, made } = await phones.ensure(number, name);
    response.status(made ? 201 : 200).json(describePhone(directory, phone));
  });

  api.get('/sandbox/phones/:number', (request, response) => {
    response.json(describePhone(directory, phoneOf(phones, request)));
  });

  api.get('/sandbox/phones/:number/safety-number', async (request, response) => {
    const phone = phoneOf(phones, request);
    const peer = recipientOf(directory, readQuery(z.object({ with: z.string() }), request).with);
    const key = await phone.identityOf(peer.lid);
    if (!key) throw new HttpError(404, 'no_session', 'the phone has not seen this contact’s key yet');
    const own = { identifier: phone.account.number, key: phone.keys.current().identityKey };
    response.json({ safetyNumber: safetyNumber(own, { identifier: labelOf(peer), key }) });
  });

  api.post('/sandbox/phones/:number/messages', (request, response) => {
    const phone = phoneOf(phones, request);
    const body = readBody(messageSchema, request);
    const peer = recipientOf(directory, body.to);
    if (peer.id === phone.account.id) throw new HttpError(400, 'own_number', 'a phone does not write to itself');
    const payload = 'type' in body ? phone.referring(body, peer.lid) : plainPayload(body);
    response.status(201).json({ id: phone.send(peer.lid, labelOf(peer), payload) });
  });

  api.get('/sandbox/phones/:number/messages', async (request, response) => {
    const { journal, account } = phoneOf(phones, request);
    const { after, waitMs } = readQuery(historySchema, request);
    const look = (): Entry[] | undefined => {
      const entries = journal.after(after, PAGE);
      return entries.length > 0 ? entries : undefined;
    };
    const entries = (await journal.wait(look, waitMs, closing(response))) ?? [];
    response.json({ messages: entries.map((entry) => describeMessage(account.number, entry)) });
  });

  api.get('/sandbox/phones/:number/messages/:id', async (request, response) => {
    const { journal, account } = phoneOf(phones, request);
    const { id = '' } = request.params;
    const { status, waitMs } = readQuery(statusSchema, request);
    const reached = (): Entry | undefined => {
      const entry = journal.byId(id);
      const enough = status === undefined || entry?.status === 'failed' || rank(entry?.status) >= rank(status);
      return enough ? entry : undefined;
    };
    const entry = (await journal.wait(reached, waitMs, closing(response))) ?? journal.byId(id);
    if (!entry) throw new HttpError(404, 'unknown_message', 'this phone has no message with this id');
    response.json(describeMessage(account.number, entry));
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

  api.post('/sandbox/phones/:number/offline', async (request, response) => {
    await phoneOf(phones, request).setOffline(readBody(offlineSchema, request).offline);
    response.status(204).end();
  });

  api.post('/sandbox/phones/:number/reset', async (request, response) => {
    const phone = phoneOf(phones, request);
    await phone.reset();
    linking.unlinkAll(phone);
    response.json(describePhone(directory, phone));
  });

  return api;
}

function plainPayload({ text, raw }: z.infer<typeof plainSchema>): Uint8Array {
  if (raw !== undefined) return Buffer.from(raw, 'base64');
  return toBinary(MessageSchema, create(MessageSchema, { conversation: text ?? '' }));
}

/** Throws HttpError 404. */
export function phoneOf(phones: Phones, request: Request): Phone {
  const number = numberSchema.safeParse(request.params.number);
  const phone = number.success ? phones.get(number.data) : undefined;
  if (!phone) throw new HttpError(404, 'unknown_phone', 'there is no phone with this number');
  return phone;
}

/** The account behind a Matrix ID or a phone number. Throws HttpError 404. */
export function recipientOf(directory: Directory, to: string): Account {
  if (to.startsWith('@')) {
    const account = directory.byIdentifier(to);
    if (!account) throw new HttpError(404, 'not_reachable', 'this Matrix user has not opted in');
    return account;
  }
  const number = numberSchema.safeParse(to);
  const account = number.success ? directory.byNumber(number.data) : undefined;
  if (!account) throw new HttpError(404, 'unknown_recipient', 'there is no phone with this number');
  return account;
}

const labelOf = (account: Account): string => (account.kind === 'phone' ? account.number : account.identifier);

const rank = (status: Entry['status'] | undefined): number =>
  status === undefined || status === 'failed' ? -1 : statuses.indexOf(status);

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Aborted when the caller hangs up. */
function closing(response: Response): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  return controller.signal;
}

function describePhone(directory: Directory, phone: Phone): object {
  const { id } = phone.account;
  const account = directory.byId(id);
  const { number, pn, lid } = phone.account;
  const identityKey = base64(phone.keys.current().identityKey);
  return {
    number,
    name: account?.name ?? phone.account.name,
    jid: formatJid(pn),
    lid: formatJid(lid),
    offline: phone.offline,
    identityKey,
    safetyNumber: { version: 2, iterations: 5200, identifier: number, identityKey },
  };
}

function describeMessage(number: string, entry: Entry): object {
  const { seq, id, direction, type, text, timestamp, status } = entry;
  const [from, to] = direction === 'in' ? [entry.peerName, number] : [number, entry.peerName];
  return { seq, id, from, to, direction, type, text, timestamp, status, raw: base64(entry.payload) };
}
