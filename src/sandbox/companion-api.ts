// The control API for linked clients: a phone scans a QR code, lists its devices, and unlinks one.
import express, { type Router as HttpRouter, type Request } from 'express';
import { z } from 'zod';
import { formatJid, withDevice } from '../model/jid.ts';
import type { Companion } from './companions.ts';
import { phoneOf } from './control-api.ts';
import { HttpError, readBody } from './http-error.ts';
import { LinkError, type Linking } from './linking.ts';
import type { Network } from './network.ts';
import type { Phone } from './phone.ts';
import type { Phones } from './phones.ts';
import type { Router } from './router.ts';

const linkSchema = z.object({ qr: z.string().min(1).max(4_096) });
const deviceSchema = z.coerce.number().int().min(1).max(255);

/** The status of each LinkError. */
const statuses = new Map([
  ['link.code_malformed', 400],
  ['link.unknown_ref', 404],
  ['link.mismatch', 409],
  ['link.full', 409],
  ['link.refused', 502],
]);

export interface CompanionApi {
  readonly network: Network;
  readonly router: Router;
  readonly linking: Linking;
  readonly phones: Phones;
}

export function companionApi({ network, router, linking, phones }: CompanionApi): HttpRouter {
  const api = express.Router();

  api.post('/sandbox/phones/:number/link', async (request, response) => {
    const phone = phoneOf(phones, request);
    if (phone.offline) throw new HttpError(409, 'offline', 'the phone is offline');
    const companion = await linking.link(phone, readBody(linkSchema, request).qr).catch((error: unknown) => {
      if (!(error instanceof LinkError)) throw error;
      throw new HttpError(statuses.get(error.code) ?? 500, error.code.replace('.', '_'), error.message);
    });
    response.status(201).json(describeCompanion(network, router, phone, companion));
  });

  api.get('/sandbox/phones/:number/devices', (request, response) => {
    const phone = phoneOf(phones, request);
    const { account, keys } = phone;
    const primary = {
      ...describeDevice(phone, 0),
      identityKey: base64(keys.current().identityKey),
      connected: !phone.offline,
    };
    const companions = network.companions.list(account.id);
    const described = companions.map((companion) => describeCompanion(network, router, phone, companion));
    response.json({ devices: [primary, ...described] });
  });

  api.delete('/sandbox/phones/:number/devices/:device', (request, response) => {
    const phone = phoneOf(phones, request);
    linking.unlink(phone, companionOf(network, phone, request));
    response.status(204).end();
  });

  return api;
}

function companionOf(network: Network, { account }: Phone, request: Request): Companion {
  const device = deviceSchema.safeParse(request.params.device);
  const companion = device.success && network.companions.get({ account: account.id, device: device.data });
  if (!companion) throw new HttpError(404, 'unknown_device', 'this phone has no linked client with this number');
  return companion;
}

function describeDevice({ account }: Phone, device: number): object {
  return { device, jid: formatJid(withDevice(account.pn, device)), lid: formatJid(withDevice(account.lid, device)) };
}

function describeCompanion(network: Network, router: Router, phone: Phone, companion: Companion): object {
  const { device, keyIndex, platform, linkedAt } = companion;
  const identityKey = base64(network.preKeys.keys(companion)?.identityKey ?? new Uint8Array());
  const connected = router.isConnected(companion);
  return { ...describeDevice(phone, device), keyIndex, platform, linkedAt, identityKey, connected };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
