// The control API's troubles of connections and keys: lines that fall silent, logins refused, certificates changed, keys spoilt.
import express, { type Router as HttpRouter } from 'express';
import { z } from 'zod';
import { recipientOf } from './control-api.ts';
import type { Faults } from './faults.ts';
import { readBody } from './http-error.ts';
import type { Network } from './network.ts';
import type { Router } from './router.ts';
import { certificateKinds, type ServerIdentities } from './server-identity.ts';

const target = { to: z.string() };
const targetSchema = z.object(target);
const endSchema = z.object({ ...target, reason: z.enum(['restart', 'replaced', 'removed', 'shutdown', 'cut']) });
const refusalSchema = z.object({
  ...target,
  reason: z.int().min(400).max(599),
  times: z.int().min(0).max(1_000).default(1),
});
const certificateSchema = z.object({ kind: z.enum(certificateKinds) });
const keysSchema = z.object({ ...target, signedKey: z.enum(['genuine', 'unsigned', 'without']) });

export interface TroubleApi {
  readonly network: Network;
  readonly router: Router;
  readonly faults: Faults;
  readonly identity: ServerIdentities;
}

export function troubleApi({ network, router, faults, identity }: TroubleApi): HttpRouter {
  const api = express.Router();
  const accountOf = (to: string): number => recipientOf(network.directory, to).id;

  api.post('/sandbox/faults/half-open', (request, response) => {
    router.silence(accountOf(readBody(targetSchema, request).to));
    response.status(204).end();
  });

  api.post('/sandbox/faults/end', (request, response) => {
    const { to, reason } = readBody(endSchema, request);
    router.end(accountOf(to), reason);
    response.status(204).end();
  });

  api.post('/sandbox/faults/refused-login', (request, response) => {
    const { to, reason, times } = readBody(refusalSchema, request);
    faults.refuseLogins(accountOf(to), reason, times);
    response.status(204).end();
  });

  api.post('/sandbox/faults/certificate', (request, response) => {
    identity.show(readBody(certificateSchema, request).kind);
    response.status(204).end();
  });

  api.post('/sandbox/faults/keys', (request, response) => {
    const { to, signedKey } = readBody(keysSchema, request);
    faults.spoilKeys({ account: accountOf(to), device: 0 }, signedKey === 'genuine' ? undefined : signedKey);
    response.status(204).end();
  });

  return api;
}
