// Errors that carry their consequence: a stable code, whether to try again, and the sentence that a user is told.

/** What the caller may do next: nothing, the same again later, or wait for somebody to act. */
export type Retry = 'never' | 'later' | 'after-action';

export interface ErrorDetails {
  readonly retry?: Retry;
  /** One plain sentence for the person in the room. Absent where no user is concerned. */
  readonly userText?: string;
  /** How long to wait before the next try, in milliseconds, where the other side said so. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/**
 * The base of every error of this program. `code` is stable and safe to log, count and document.
 * Never put message content, keys or phone numbers into any of its texts.
 */
export class BridgeError extends Error {
  readonly code: string;
  readonly retry: Retry;
  readonly userText: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.retry = details.retry ?? 'never';
    this.userText = details.userText;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Returns the code of any thrown value, for logs and metrics. */
export function errorCode(error: unknown): string {
  if (error instanceof BridgeError) return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
