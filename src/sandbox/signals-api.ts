// The control API for what is no message: typing, calls, profile pictures, reports, and what third-party accounts have sent.
import { createReadStream } from 'node:fs';
import { isAbsolute } from 'node:path';
import express, { type Router as HttpRouter, type Request } from 'express';
import { z } from 'zod';
import { afterSchema, closing, labelOf, phoneOf, recipientOf, waitSchema } from './control-api.ts';
import { HttpError, readBody, readingFailure, readQuery } from './http-error.ts';
import type { Network } from './network.ts';
import type { Phone } from './phone.ts';
import { callStates, type PhoneCall } from './phone-calls.ts';
import { typingStates } from './phone-typing.ts';
import type { Phones } from './phones.ts';
import { setPicture } from './pictures.ts';
import type { Router } from './router.ts';

const typingSchema = z.object({ to: z.string(), state: z.enum(typingStates) });
const typingQuerySchema = z.object({ from: z.string().optional(), after: afterSchema, waitMs: waitSchema });
const callSchema = z.object({ to: z.string(), video: z.boolean().default(false) });
const callsQuerySchema = z.object({ after: afterSchema, waitMs: waitSchema });
const callQuerySchema = z.object({ state: z.enum(callStates).optional(), waitMs: waitSchema });
const pictureSchema = z.union([
  z.strictObject({ path: z.string().refine(isAbsolute, 'must be absolute') }),
  z.strictObject({ base64: z.base64() }),
]);

export function signalsApi(network: Network, router: Router, phones: Phones): HttpRouter {
  const api = express.Router();
  const { directory } = network;

  api.post('/sandbox/phones/:number/typing', (request, response) => {
    const phone = online(phones, request);
    const { to, state } = readBody(typingSchema, request);
    phone.showTyping(recipientOf(directory, to).lid, state);
    response.status(204).end();
  });

  api.get('/sandbox/phones/:number/typing', async (request, response) => {
    const { typing } = phoneOf(phones, request);
    const { from, after, waitMs } = readQuery(typingQuerySchema, request);
    const name = from?.replace(/^\+/, '');
    const seen = await typing.changes.wait(() => some(typing.after(after, name)), waitMs, closing(response));
    response.json({ typing: seen ?? [] });
  });

  api.post('/sandbox/phones/:number/calls', (request, response) => {
    const phone = online(phones, request);
    const { to, video } = readBody(callSchema, request);
    const peer = recipientOf(directory, to);
    if (peer.id === phone.account.id) throw new HttpError(400, 'own_number', 'a phone does not call itself');
    response.status(201).json({ id: phone.call(peer.lid, labelOf(peer), video).id });
  });

  api.get('/sandbox/phones/:number/calls', async (request, response) => {
    const { calls, account } = phoneOf(phones, request);
    const { after, waitMs } = readQuery(callsQuerySchema, request);
    const seen = await calls.changes.wait(() => some(calls.after(after)), waitMs, closing(response));
    response.json({ calls: (seen ?? []).map((call) => describeCall(account.number, call)) });
  });

  api.get('/sandbox/phones/:number/calls/:id', async (request, response) => {
    const phone = phoneOf(phones, request);
    const { state, waitMs } = readQuery(callQuerySchema, request);
    const call = callOf(phone, request);
    const reached = (): true | undefined => (state === undefined || call.state === state ? true : undefined);
    await phone.calls.changes.wait(reached, waitMs, closing(response));
    response.json(describeCall(phone.account.number, call));
  });

  api.delete('/sandbox/phones/:number/calls/:id', (request, response) => {
    const phone = online(phones, request);
    phone.endCall(callOf(phone, request));
    response.status(204).end();
  });

  api.post('/sandbox/phones/:number/picture', async (request, response) => {
    const { account } = phoneOf(phones, request);
    const body = readBody(pictureSchema, request);
    const bytes = 'path' in body ? createReadStream(body.path) : [Buffer.from(body.base64, 'base64')];
    const { directPath } = await network.blobs.put(bytes).catch((error: unknown) => {
      throw readingFailure(error);
    });
    router.flush(setPicture(network, account, directPath));
    response.status(204).end();
  });

  api.delete('/sandbox/phones/:number/picture', (request, response) => {
    router.flush(setPicture(network, phoneOf(phones, request).account, undefined));
    response.status(204).end();
  });

  api.get('/sandbox/phones/:number/reports', (request, response) => {
    const reports = network.reports.of(phoneOf(phones, request).account);
    response.json({ reports: reports.map(({ by, flow, messages }) => ({ by: labelOf(by), flow, messages })) });
  });

  api.get('/sandbox/accounts/:identifier/traffic', (request, response) => {
    const { identifier } = request.params;
    const traffic = router.traffic.of(identifier);
    if (!traffic && !directory.byIdentifier(identifier))
      throw new HttpError(404, 'not_reachable', 'this Matrix user has never opted in');
    response.json({ traffic: traffic ?? {} });
  });

  return api;
}

/** Throws HttpError 404, or 409 while it is off. */
function online(phones: Phones, request: Request): Phone {
  const phone = phoneOf(phones, request);
  if (phone.offline) throw new HttpError(409, 'offline', 'the phone is offline');
  return phone;
}

function callOf({ calls }: Phone, request: Request): PhoneCall {
  const call = calls.get(String(request.params.id));
  if (!call) throw new HttpError(404, 'unknown_call', 'this phone knows no call with this id');
  return call;
}

function describeCall(number: string, { seq, id, peerName, direction, video, state, timestamp }: PhoneCall): object {
  const [from, to] = direction === 'in' ? [peerName, number] : [number, peerName];
  return { seq, id, from, to, direction, video, state, timestamp };
}

const some = <Item>(items: Item[]): Item[] | undefined => (items.length > 0 ? items : undefined);
