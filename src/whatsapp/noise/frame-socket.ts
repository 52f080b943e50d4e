/** Frames over a carrier: first one at a time for the handshake, then as a flow. */

import { ByteQueue } from './byte-queue.ts';
import type { Carrier } from './carrier.ts';
import { NoiseError } from './error.ts';
import { encodeFrame, FRAME_LIMIT, HANDSHAKE_FRAME_LIMIT, takeFrame } from './frame.ts';

/** Why a connection is over. `error` carries what was wrong, the other side's faults included. */
export type CloseReason =
  | { readonly by: 'us' }
  | { readonly by: 'peer' }
  | { readonly by: 'error'; readonly error: NoiseError };

export interface FrameHandlers {
  /** In order, one call per frame. */
  frame(payload: Uint8Array): void;
  /** Once, after the last frame. */
  closed(reason: CloseReason): void;
}

type State =
  | { readonly at: 'idle' }
  | { readonly at: 'receiving'; attempt(): void; fail(error: NoiseError): void }
  | { readonly at: 'flowing'; readonly handlers: FrameHandlers }
  | { readonly at: 'done' };

export class FrameSocket {
  readonly #carrier: Carrier;
  readonly #queue = new ByteQueue();
  #state: State = { at: 'idle' };
  /** Set as soon as one side has ended the connection; what was received before may still be waiting. */
  #ended: CloseReason | undefined;
  #carrierClosed = false;
  #paused = false;

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
    carrier.attach({
      bytes: (chunk) => {
        if (this.#ended) return;
        this.#queue.push(chunk);
        this.#pump();
      },
      closed: (error) => {
        this.#ended ??= error ? { by: 'error', error } : { by: 'peer' };
        this.#carrierClosed = true;
        this.#pump();
      },
    });
  }

  get open(): boolean {
    return this.#ended === undefined;
  }

  get buffered(): number {
    return this.#carrier.buffered;
  }

  /** Sends one frame, with what has to stand in front of it. Throws NoiseError `closed` or `frame-too-large`. */
  send(payload: Uint8Array, intro?: Uint8Array): void {
    if (this.#ended) throw new NoiseError('closed');
    this.#carrier.send(encodeFrame(payload, intro));
  }

  receiveFrame(): Promise<Uint8Array> {
    return this.receive((queue) => takeFrame(queue, HANDSHAKE_FRAME_LIMIT));
  }

  /** Waits until `take` finds what it wants. One call at a time. Rejects with NoiseError. */
  receive<T>(take: (queue: ByteQueue) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        this.#state = { at: 'idle' };
        finish();
      };
      const attempt = (): void => {
        try {
          const taken = take(this.#queue);
          if (taken !== undefined) settle(() => resolve(taken));
        } catch (error) {
          settle(() => reject(error));
        }
      };
      this.#state = { at: 'receiving', attempt, fail: (error) => settle(() => reject(error)) };
      this.#pump();
    });
  }

  /** From now on frames go to the handlers, beginning with those that are already here. */
  flow(handlers: FrameHandlers): void {
    this.#state = { at: 'flowing', handlers };
    queueMicrotask(() => this.#pump());
  }

  pause(): void {
    this.#paused = true;
    if (!this.#ended) this.#carrier.pause();
  }

  resume(): void {
    this.#paused = false;
    if (!this.#ended) this.#carrier.resume();
    queueMicrotask(() => this.#pump());
  }

  /** Without an error: after everything has been sent. Frames that have not been handed over are dropped. */
  close(error?: NoiseError): void {
    if (this.#ended) return;
    this.#ended = error ? { by: 'error', error } : { by: 'us' };
    this.#queue.skip(this.#queue.length);
    if (error) this.#carrier.destroy();
    else this.#carrier.close();
    queueMicrotask(() => this.#pump());
  }

  #pump(): void {
    if (this.#state.at === 'receiving') this.#state.attempt();
    if (this.#state.at === 'receiving' && this.#ended) this.#state.fail(closingError(this.#ended));
    while (this.#state.at === 'flowing' && !this.#paused && this.#flowOne(this.#state.handlers));
  }

  /** Hands over one frame, or the end. False when there is nothing (more) to do. */
  #flowOne(handlers: FrameHandlers): boolean {
    try {
      const payload = takeFrame(this.#queue, FRAME_LIMIT);
      if (payload !== undefined) {
        handlers.frame(payload);
        return true;
      }
    } catch (error) {
      this.#queue.skip(this.#queue.length);
      this.close(error instanceof NoiseError ? error : new NoiseError('handler-failed', error));
    }
    if (this.#ended && this.#carrierClosed) {
      this.#state = { at: 'done' };
      handlers.closed(this.#ended);
    }
    return false;
  }
}

function closingError(reason: CloseReason): NoiseError {
  return reason.by === 'error' ? reason.error : new NoiseError('closed');
}
