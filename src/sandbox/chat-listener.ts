// Takes clients in: WebSocket upgrades on the HTTP server, raw TCP on a port of its own.

import type { Server as HttpServer } from 'node:http';
import { createServer, type Server as TcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { errorCode } from '../model/errors.ts';
import { type Carrier, tcpCarrier, webSocketCarrier } from '../whatsapp/noise/index.ts';
import { type Chat, MAX_FRAME_BYTES, serveChat } from './chat-connection.ts';

export const CHAT_PATH = '/ws/chat';

export class ChatListener {
  readonly #chat: Chat;
  readonly #limit: number;
  readonly #open = new Set<Carrier>();
  readonly #stopping = new AbortController();
  readonly #served = new Set<Promise<void>>();

  /** `limit`: connections at the same time, handshakes included. */
  constructor(chat: Chat, limit: number) {
    this.#chat = chat;
    this.#limit = limit;
  }

  /** Connections that are open now. */
  get size(): number {
    return this.#open.size;
  }

  acceptWebSockets(http: HttpServer): void {
    const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });
    http.on('upgrade', (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      if (request.url?.split('?')[0] !== CHAT_PATH) return refuse(socket, '404 Not Found');
      if (this.#open.size >= this.#limit) return refuse(socket, '503 Service Unavailable');
      sockets.handleUpgrade(request, socket, head, (client) => this.#serve(webSocketCarrier(client)));
    });
  }

  acceptTcp(): TcpServer {
    return createServer((socket) => {
      if (this.#open.size >= this.#limit) return void socket.destroy();
      this.#serve(tcpCarrier(socket));
    });
  }

  /** Breaks every connection without a word, as a bad network does. */
  cutAll(): void {
    for (const carrier of this.#open) carrier.destroy();
  }

  /** Resolves when every connection is closed. */
  async idle(): Promise<void> {
    await Promise.all(this.#served);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.cutAll();
    await this.idle();
  }

  #serve(carrier: Carrier): void {
    this.#open.add(carrier);
    const served = serveChat(this.#chat, carrier, this.#stopping.signal)
      .catch((error: unknown) => this.#chat.logger.info({ code: errorCode(error) }, 'no handshake'))
      .finally(() => {
        this.#open.delete(carrier);
        this.#served.delete(served);
      });
    this.#served.add(served);
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
