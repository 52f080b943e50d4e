// A room's timeline as its Matrix user sees it: what can be read, what cannot and why, and waiting for what comes.
import type { MatrixClient, MatrixEvent } from 'matrix-js-sdk';
import type { CryptoBackend } from 'matrix-js-sdk/lib/common-crypto/CryptoBackend.js';
import type { CryptoApi } from 'matrix-js-sdk/lib/crypto-api/index.js';
import type { MatrixSdk } from './matrix-sdk.ts';
import { cryptoOf, devicesKnown, type Shield, shieldOf } from './matrix-user-crypto.ts';
import { waitFor } from './matrix-wait.ts';

/** An event as this user sees it: after decryption, or with the reason why that failed. */
export type SeenEvent = {
  eventId: string;
  sender: string;
  type: string;
  msgtype: string | undefined;
  body: string | undefined;
  content: Record<string, unknown>;
  encrypted: boolean;
  /** The library's code, such as MEGOLM_KEY_WITHHELD; undefined when the event can be read. */
  decryptionFailure: string | undefined;
  redacted: boolean;
  /** The homeserver's time of the event, in milliseconds since 1970. */
  timestamp: number;
};
export type Message = SeenEvent & { shield: Shield };

const page = 100;

const isBackend = (crypto: CryptoApi): crypto is CryptoBackend => 'decryptEvent' in crypto;

/**
 * A strict client decides about a message when it sees it, and never again, though it may learn a moment later who the sender is
 * (matrix-js-sdk 43.0.0, on a busy machine; in Element a restart helps). Here it decides once more when the sender's devices are known.
 */
export function decideAgain(sdk: MatrixSdk, client: MatrixClient, timeoutMs: number): void {
  const { MatrixEventEvent } = sdk.sdk;
  const { DecryptionFailureCode } = sdk.crypto;
  const hasty: readonly unknown[] = [
    DecryptionFailureCode.UNKNOWN_SENDER_DEVICE,
    DecryptionFailureCode.UNSIGNED_SENDER_DEVICE,
  ];
  const decided = new WeakSet<MatrixEvent>();
  const decide = async (event: MatrixEvent, sender: string): Promise<void> => {
    await devicesKnown(sdk, client, [sender], timeoutMs);
    const crypto = cryptoOf(client);
    if (isBackend(crypto)) await event.attemptDecryption(crypto, { isRetry: true });
  };
  client.on(MatrixEventEvent.Decrypted, (event) => {
    const sender = event.getSender();
    if (sender === undefined || decided.has(event) || !hasty.includes(event.decryptionFailureReason)) return;
    decided.add(event);
    // Whoever waits for the message says what was wrong with it.
    decide(event, sender).catch(() => undefined);
  });
}

/** What has been accepted by the homeserver (no local echo) and is not being decrypted just now. */
function settled(events: readonly MatrixEvent[]): MatrixEvent[] {
  const undecided = (event: MatrixEvent) => event.isBeingDecrypted() || event.shouldAttemptDecryption();
  return events.filter((event) => !event.isState() && event.status === null && !undecided(event));
}

const liveEvents = (client: MatrixClient, roomId: string): MatrixEvent[] =>
  settled(client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []);

async function withShield(sdk: MatrixSdk, client: MatrixClient, event: MatrixEvent): Promise<Message> {
  return { ...seen(event), shield: await shieldOf(sdk, client, event) };
}

export async function waitForMessage(
  sdk: MatrixSdk,
  client: MatrixClient,
  roomId: string,
  accept: (event: SeenEvent) => boolean,
  timeoutMs: number,
): Promise<Message> {
  const { RoomEvent, MatrixEventEvent } = sdk.sdk;
  const event = await waitFor({
    what: `a message in ${roomId} for ${client.getSafeUserId()}`,
    timeoutMs,
    watch: (check) => {
      client.on(RoomEvent.Timeline, check).on(MatrixEventEvent.Decrypted, check);
      client.on(RoomEvent.LocalEchoUpdated, check).on(RoomEvent.Redaction, check).on(MatrixEventEvent.Replaced, check);
      return () => {
        client.off(RoomEvent.Timeline, check).off(MatrixEventEvent.Decrypted, check);
        client.off(RoomEvent.LocalEchoUpdated, check).off(RoomEvent.Redaction, check);
        client.off(MatrixEventEvent.Replaced, check);
      };
    },
    probe: () => liveEvents(client, roomId).find((candidate) => accept(seen(candidate))),
    seen: () => liveEvents(client, roomId).map((candidate) => describe(seen(candidate))),
  });
  return withShield(sdk, client, event);
}

/** The whole room, fetched back to its beginning; state left out, oldest first. */
export async function allMessages(sdk: MatrixSdk, client: MatrixClient, roomId: string): Promise<Message[]> {
  const events = settled(await allEvents(sdk, client, roomId));
  return Promise.all(events.map((event) => withShield(sdk, client, event)));
}

/** Every event of the room that the library has or can fetch, oldest first, decrypted as far as that is possible. */
export async function allEvents(sdk: MatrixSdk, client: MatrixClient, roomId: string): Promise<MatrixEvent[]> {
  const { EventTimeline } = sdk.sdk;
  const timeline = client.getRoom(roomId)?.getLiveTimeline();
  if (!timeline) throw new Error(`${client.getSafeUserId()} knows no room ${roomId}`);
  // After a gap in what was synchronised the live timeline begins anew; where the gap is closed, the earlier one is its neighbour.
  const parts = [timeline];
  for (let oldest = timeline; ; ) {
    const neighbour = oldest.getNeighbouringTimeline(EventTimeline.BACKWARDS);
    if (neighbour) parts.unshift(neighbour);
    else if (oldest.getPaginationToken(EventTimeline.BACKWARDS) === null) break;
    else if (!(await client.paginateEventTimeline(oldest, { backwards: true, limit: page }))) break;
    oldest = neighbour ?? oldest;
  }
  const events = parts.flatMap((part) => part.getEvents());
  // The library decrypts some of them only when somebody looks.
  await Promise.all(events.map((event) => client.decryptEventIfNeeded(event)));
  return events;
}

function seen(event: MatrixEvent): SeenEvent {
  const content: Record<string, unknown> = event.getContent();
  const failure = event.decryptionFailureReason ?? undefined;
  const text = (value: unknown) => (failure === undefined && typeof value === 'string' ? value : undefined);
  return {
    eventId: event.getId() ?? '',
    sender: event.getSender() ?? '',
    type: event.getType(),
    msgtype: text(content.msgtype),
    body: text(content.body),
    content,
    encrypted: event.isEncrypted(),
    decryptionFailure: failure,
    redacted: event.isRedacted(),
    timestamp: event.getTs(),
  };
}

function describe({ sender, type, body, decryptionFailure }: SeenEvent): string {
  return `${type} from ${sender}: ${decryptionFailure === undefined ? JSON.stringify(body) : `cannot be decrypted (${decryptionFailure})`}`;
}
