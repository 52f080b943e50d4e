// The control API's other part: what the network is, its provider, its weather and its faults.
import express, { type Router as HttpRouter } from 'express';
import { z } from 'zod';
import { messageIdSchema, numberSchema, recipientOf } from './control-api.ts';
import type { Faults } from './faults.ts';
import { HttpError, readBody } from './http-error.ts';
import type { Network } from './network.ts';
import type { NetworkConditions } from './network-conditions.ts';
import type { Router } from './router.ts';
import type { ProviderSettings } from './tokens.ts';

const providerSchema = z.object({
  discoveryUrl: z.url({ protocol: /^https?$/ }),
  audience: z.string().min(1),
  issuer: z.string().min(1).optional(),
  media: z
    .object({ origin: z.url({ protocol: /^https?$/ }).optional(), prefix: z.string().startsWith('/').optional() })
    .optional(),
});
const conditionsSchema = z.object({
  latencyMs: z.int().min(0).max(60_000).optional(),
  dropEvery: z.int().min(0).optional(),
  disconnect: z.literal(true).optional(),
  addressing: z.enum(['lid', 'pn']).optional(),
});
const targetSchema = z.object({ to: z.string() });
const oneShotSchema = targetSchema.extend({ times: z.int().min(0).max(100).default(1) });
const forgedRetrySchema = z.object({
  phone: numberSchema,
  to: z.string(),
  id: messageIdSchema,
  count: z.int().min(1).max(5).default(1),
});

const injectedDeviceSchema = z.object({ phone: numberSchema, chain: z.enum(['none', 'forged', 'copied']) });

export interface NetworkApi {
  readonly network: Network;
  readonly router: Router;
  readonly configure: (provider: ProviderSettings) => void;
  readonly conditions: NetworkConditions;
  readonly faults: Faults;
  readonly info: () => object;
  /** Breaks every client's connection. */
  readonly disconnect: () => void;
}

export function networkApi({
  network,
  router,
  configure,
  conditions,
  faults,
  info,
  disconnect,
}: NetworkApi): HttpRouter {
  const api = express.Router();

  api.get('/sandbox/info', (_request, response) => {
    response.json(info());
  });

  api.post('/sandbox/provider', (request, response) => {
    configure(readBody(providerSchema, request));
    response.status(204).end();
  });

  api.post('/sandbox/network', (request, response) => {
    const { latencyMs, dropEvery, disconnect: cut, addressing } = readBody(conditionsSchema, request);
    conditions.set({
      ...(latencyMs === undefined ? {} : { latencyMs }),
      ...(dropEvery === undefined ? {} : { dropEvery }),
    });
    if (addressing) network.directory.addressing = addressing;
    if (cut) disconnect();
    response.json({ ...conditions.current, addressing: network.directory.addressing });
  });

  for (const fault of ['duplicate', 'corrupt', 'swap'] as const) {
    api.post(`/sandbox/faults/${fault}`, (request, response) => {
      const { to, times } = readBody(oneShotSchema, request);
      faults.next(recipientOf(network.directory, to).id, fault, times);
      response.status(204).end();
    });
  }

  api.get('/sandbox/faults/swap', (_request, response) => {
    response.json({ swapped: faults.swapped });
  });

  api.get('/sandbox/faults/corrupt', (_request, response) => {
    response.json({ corrupted: faults.corrupted });
  });

  api.post('/sandbox/faults/exhausted-keys', (request, response) => {
    const { id: account } = recipientOf(network.directory, readBody(targetSchema, request).to);
    router.flush(faults.exhaustKeys(network, { account, device: 0 }));
    response.status(204).end();
  });

  api.post('/sandbox/faults/forged-retry', (request, response) => {
    const { phone, to, id, count } = readBody(forgedRetrySchema, request);
    const imitated = network.directory.byNumber(phone);
    if (!imitated) throw new HttpError(404, 'unknown_phone', 'there is no phone with this number');
    const victim = recipientOf(network.directory, to);
    const attack = faults.forgeRetry(network, victim, imitated, id, count);
    router.flush(network.preKeys.devices(victim.id));
    response.status(201).json({ attack, ...describeAttack(faults, attack) });
  });

  api.post('/sandbox/faults/injected-device', (request, response) => {
    const { phone, chain } = readBody(injectedDeviceSchema, request);
    const account = network.directory.byNumber(phone);
    if (!account) throw new HttpError(404, 'unknown_phone', 'there is no phone with this number');
    const injected = faults.injectDevice(network, account, chain);
    if (!injected) throw new HttpError(409, 'impossible', 'the phone has no room, or no linked client to copy from');
    const { attack, device, reached } = injected;
    router.flush(reached);
    response.status(201).json({ attack, device, ...describeAttack(faults, attack) });
  });

  for (const fault of ['forged-retry', 'injected-device']) {
    api.get(`/sandbox/faults/${fault}/:attack`, (request, response) => {
      response.json(describeAttack(faults, Number(request.params.attack)));
    });
  }

  return api;
}

function describeAttack(faults: Faults, number: number): object {
  const attack = faults.attack(number);
  if (!attack) throw new HttpError(404, 'unknown_attack', 'there was no such attack');
  const { identityKey, answers, decrypted } = attack;
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return { identityKey: base64(identityKey), answers, decrypted: decrypted.map(base64) };
}
