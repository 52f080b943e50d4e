// One request to the homeserver as a value. What it is and what it says stands in the metadata budget, or it is not made.
import { type Allowed, allowedNames, nameBeyond, unbudgeted } from '../model/budget/check.ts';
import { type MatrixEndpoint, type MatrixRequestEntry, matrixRequests } from '../model/budget/matrix-requests.ts';
import { namesIn } from '../model/budget/recipients.ts';
import type { JsonObject } from '../model/journal.ts';

export interface ClientRequest {
  /** Method and path with the names of its parameters: fit for an error or a log. */
  readonly endpoint: MatrixEndpoint;
  readonly params: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON, or text that is JSON already. */
  readonly body?: JsonObject | string;
}

type Names<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

/** The parameters of a path go into it encoded. */
export function request<Endpoint extends MatrixEndpoint>(
  endpoint: Endpoint,
  params: Readonly<Record<Names<Endpoint>, string>>,
  rest: Pick<ClientRequest, 'query' | 'body'> = {},
): ClientRequest {
  return { endpoint, params, ...rest };
}

/** The endpoint for events of this type. Throws BridgeError `privacy.unbudgeted`. */
export function sendEndpoint(type: string): MatrixEndpoint & `PUT rooms/{room}/send/${string}` {
  const endpoint = sendEndpoints.get(type);
  if (endpoint === undefined) throw unbudgeted(`event of the type ${type}`);
  return endpoint;
}

const isSending = (endpoint: MatrixEndpoint): endpoint is ReturnType<typeof sendEndpoint> =>
  endpoint.startsWith('PUT rooms/{room}/send/');
const endpoints = Object.keys(matrixRequests) as MatrixEndpoint[];
const sendEndpoints = new Map(endpoints.filter(isSending).map((endpoint) => [endpoint.split('/').at(-2), endpoint]));

interface Prepared {
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
  /** Of the body, without what is content. */
  readonly metadataBytes: number;
}

interface Rules {
  readonly query: Allowed;
  readonly body: Allowed;
  readonly content: readonly string[];
}

const rules = new Map(
  endpoints.map((endpoint): [MatrixEndpoint, Rules] => {
    const { query = '', body = '', content = '' }: MatrixRequestEntry = matrixRequests[endpoint];
    return [endpoint, { query: allowedNames(query), body: allowedNames(body), content: namesIn(content) }];
  }),
);

/** Method, path and body as they are sent. Throws BridgeError `privacy.unbudgeted` where the budget does not name all of it. */
export function prepared({ endpoint, params, query = {}, body }: ClientRequest): Prepared {
  const [method = '', template = ''] = endpoint.split(' ');
  const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const path = template.startsWith('/') ? filled : `/_matrix/client/v3/${filled}`;
  const rule = rules.get(endpoint);
  if (rule === undefined) throw unbudgeted(endpoint);
  const text = typeof body === 'object' ? JSON.stringify(body) : body;
  const value: JsonObject = typeof body === 'string' ? JSON.parse(body) : (body ?? {});
  const beyond = nameBeyond(query, rule.query) ?? nameBeyond(value, rule.body);
  if (beyond !== undefined) throw unbudgeted(`${beyond} in ${endpoint}`);
  if (text === undefined) return { method, path, body: text, metadataBytes: 0 };
  const content = rule.content.map((name) => (name in value ? Buffer.byteLength(JSON.stringify(value[name])) : 0));
  const metadataBytes = content.reduce((rest, bytes) => rest - bytes, Buffer.byteLength(text));
  return { method, path, body: text, metadataBytes };
}
