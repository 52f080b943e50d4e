// The control API for phones: making them, switching them off, reinstalling them.
import express, { type Router as HttpRouter } from 'express';
import { z } from 'zod';
import { formatJid } from '../model/jid.ts';
import { labelOf, numberSchema, phoneOf, recipientOf } from './control-api.ts';
import { HttpError, readBody, readQuery } from './http-error.ts';
import type { Linking } from './linking.ts';
import type { Network } from './network.ts';
import type { Phone } from './phone.ts';
import { safetyNumber } from './phone-sessions.ts';
import type { Phones } from './phones.ts';
import { pictureOf } from './pictures.ts';

const phoneSchema = z.object({ number: numberSchema, name: z.string().trim().min(1).max(100) });
const offlineSchema = z.object({ offline: z.boolean() });

export function phoneApi(phones: Phones, network: Network, linking: Linking): HttpRouter {
  const api = express.Router();
  const { directory } = network;

  api.post('/sandbox/phones', async (request, response) => {
    const { number, name } = readBody(phoneSchema, request);
    const { phone, made } = await phones.ensure(number, name);
    response.status(made ? 201 : 200).json(describePhone(network, phone));
  });

  api.get('/sandbox/phones/:number', (request, response) => {
    response.json(describePhone(network, phoneOf(phones, request)));
  });

  api.get('/sandbox/phones/:number/safety-number', async (request, response) => {
    const phone = phoneOf(phones, request);
    const peer = recipientOf(directory, readQuery(z.object({ with: z.string() }), request).with);
    const key = await phone.identityOf(peer.lid);
    if (!key) throw new HttpError(404, 'no_session', 'the phone has not seen this contact’s key yet');
    const own = { identifier: phone.account.number, key: phone.keys.current().identityKey };
    const { digits, scannable } = safetyNumber(own, { identifier: labelOf(peer), key });
    response.json({ safetyNumber: digits, scannable: scannable.toBuffer().toString('base64') });
  });

  api.post('/sandbox/phones/:number/offline', async (request, response) => {
    await phoneOf(phones, request).setOffline(readBody(offlineSchema, request).offline);
    response.status(204).end();
  });

  api.post('/sandbox/phones/:number/reset', async (request, response) => {
    const phone = phoneOf(phones, request);
    await phone.reset();
    linking.unlinkAll(phone);
    response.json(describePhone(network, phone));
  });

  api.post('/sandbox/phones/:number/lost-sessions', async (request, response) => {
    const peer = recipientOf(directory, readBody(z.object({ with: z.string() }), request).with);
    await phoneOf(phones, request).loseSessions(peer.lid);
    response.status(204).end();
  });

  return api;
}

function describePhone(network: Network, phone: Phone): object {
  const { id } = phone.account;
  const account = network.directory.byId(id);
  const { number, pn, lid } = phone.account;
  const identityKey = Buffer.from(phone.keys.current().identityKey).toString('base64');
  return {
    number,
    name: account?.name ?? phone.account.name,
    jid: formatJid(pn),
    lid: formatJid(lid),
    offline: phone.offline,
    picture: account && pictureOf(network, account)?.id,
    identityKey,
    safetyNumber: { version: 2, iterations: 5200, identifier: number, identityKey },
  };
}
