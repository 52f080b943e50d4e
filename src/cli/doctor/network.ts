// What the doctor tries towards the network: our own public face, and whether its endpoints can be reached from here.
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Config } from '../../config/config.ts';
import { attempt, type Check, ok, problem, unknown } from './check.ts';
import type { Examined } from './database.ts';

const timeoutMs = 10_000;

export function providerCheck({ provider }: Config, examined: Examined | undefined): Promise<Check> {
  const name = 'provider';
  if (!examined?.running) return Promise.resolve(unknown(name, 'seen only while the bridge runs'));
  const todo = `have your reverse proxy pass ${provider.public_url}/.well-known/ to the bridge`;
  return attempt(name, todo, async () => {
    const discovery = await json(`${provider.public_url}/.well-known/openid-configuration`);
    if (discovery.issuer !== provider.public_url) return problem(name, 'somebody else answers there', todo);
    const { keys } = await json(`${provider.public_url}${provider.jwks_path}`);
    const served = new Set(Array.isArray(keys) ? keys.map((key: { kid?: unknown }) => key.kid) : []);
    const missing = examined.report.signingKeys.filter((kid) => !served.has(kid));
    if (missing.length > 0) return problem(name, 'it does not serve the keys of this bridge', todo);
    return ok(name, `serves our ${served.size} keys at ${provider.public_url}, as seen from here`);
  });
}

async function json(url: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return (await response.json()) as Record<string, unknown>;
}

export async function endpointChecks({ networks }: Config): Promise<readonly Check[]> {
  const endpoints = Object.entries(networks).flatMap(([network, at]) =>
    at === undefined
      ? []
      : [endpoint(`${network} chat`, at.chat_url), endpoint(`${network} enlistment`, at.enlistment_url)],
  );
  return Promise.all(endpoints);
}

function endpoint(name: string, address: string): Promise<Check> {
  const url = new URL(address);
  const secure = ['wss:', 'https:'].includes(url.protocol);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (secure ? 443 : 80));
  return attempt(name, `see that this machine may reach ${host}, port ${port}`, async () => {
    const socket = secure ? connectTls({ host, port, servername: host }) : connect({ host, port });
    try {
      await once(socket, secure ? 'secureConnect' : 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    } finally {
      socket.destroy();
    }
    return ok(name, `${host} can be reached${secure ? ' by TLS' : ''}`);
  });
}
