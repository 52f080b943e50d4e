// The HTTP listeners: one for all, or several where the configuration separates them.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Router } from 'express';
import type { Config } from '../config/config.ts';
import { BridgeError } from '../model/errors.ts';
import type { Logger } from '../observability/logger.ts';

export interface Routers {
  readonly appservice: readonly RequestHandler[];
  readonly provider: readonly Router[];
  readonly health: Router;
  readonly metrics: Router;
}

const keptMs = 150_000;

/** One listener for all, or several where the configuration separates them. */
export async function listenAll(config: Config, logger: Logger, routers: Routers): Promise<Server[]> {
  const { health, provider, appservice, metrics } = routers;
  const apart = config.provider.listen;
  const metricsApart = config.metrics.enabled ? config.metrics.listen : undefined;
  const servers: Server[] = [];
  try {
    if (apart) servers.push(await listen(application(logger, ...provider), apart));
    if (metricsApart) servers.push(await listen(application(logger, metrics), metricsApart));
    const main = application(logger, health, ...(apart ? [] : provider), ...appservice);
    servers.push(await listen(main, config.appservice.listen));
    return servers;
  } catch (error) {
    await Promise.all(servers.map(closeServer));
    throw error;
  }
}

function application(logger: Logger, ...handlers: readonly RequestHandler[]): Express {
  const app = express().disable('x-powered-by').disable('etag');
  for (const handler of handlers) app.use(handler);
  app.use((_request, response) => void response.status(404).json({ error: 'There is nothing here.' }));
  return app.use(failure(logger));
}

/** Left to itself, express shows the stack to whoever asked, and writes it past our log. */
function failure(logger: Logger): ErrorRequestHandler {
  return (error, request, response, _next) => {
    logger.error({ path: request.path, err: error }, 'a request failed');
    if (response.headersSent) response.destroy();
    else response.status(500).json({ error: 'Internal error.' });
  };
}

async function listen(app: Express, address: { readonly host: string; readonly port: number }): Promise<Server> {
  const server = createServer(app);
  // Synapse keeps a connection for two minutes: a new one is to mean something.
  server.keepAliveTimeout = keptMs;
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new BridgeError('app.listen', `cannot listen on ${address.host}:${address.port} (${code})`, { cause });
  }
  return server;
}

export async function closeServer(server: Server): Promise<void> {
  server.closeIdleConnections();
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
