// Both networks' media servers, in a process of their own: they serve encrypted files from the disk and take uploads without keeping them.
import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NetworkMediaServer } from '../../support/network-media-server.ts';
import { answer } from '../apart.ts';

export interface MediaServers {
  /** `localhost:<port>`, HTTPS. */
  readonly networkHost: string;
  /** PEM. */
  readonly authority: string;
  readonly homeserverUrl: string;
}

function stream(path: string, response: ServerResponse): void {
  response.writeHead(200, { 'content-length': statSync(path).size });
  createReadStream(path, { highWaterMark: 256 * 1024 }).pipe(response);
}

const calls = {
  /** The encrypted files that whoever asks is given. */
  listen: async ({ networkFile, matrixFile }: { networkFile: string; matrixFile: string }): Promise<MediaServers> => {
    const network = await NetworkMediaServer.start();
    network.handler = (_, response) => stream(networkFile, response);
    const homeserver = createServer(async (request, response) => {
      if (request.url?.includes('/config')) return response.end('{}');
      if (request.method === 'GET') return stream(matrixFile, response);
      request.resume();
      await once(request, 'end');
      response.end(JSON.stringify({ content_uri: 'mxc://localhost/uploaded' }));
    });
    homeserver.listen(0, '127.0.0.1');
    await once(homeserver, 'listening');
    const { port } = homeserver.address() as AddressInfo;
    return { networkHost: network.host, authority: network.authority, homeserverUrl: `http://127.0.0.1:${port}` };
  },
};

export type MediaServersCalls = typeof calls;
answer(calls);
