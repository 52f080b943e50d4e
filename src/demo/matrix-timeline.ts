// A room's timeline as its Matrix user sees it: what can be read, what cannot and why, and waiting for what comes.
import type { MatrixClient, MatrixEvent } from 'matrix-js-sdk';
import type { MatrixSdk } from './matrix-sdk.ts';
import { type Shield, shieldOf } from './matrix-user-crypto.ts';
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

/** What has been accepted by the homeserver (no local echo) and is not being decrypted just now. */
function settledEvents(client: MatrixClient, roomId: string): MatrixEvent[] {
  const events = client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? [];
  const undecided = (event: MatrixEvent) => event.isBeingDecrypted() || event.shouldAttemptDecryption();
  return events.filter((event) => !event.isState() && event.status === null && !undecided(event));
}

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
      client.on(RoomEvent.LocalEchoUpdated, check).on(RoomEvent.Redaction, check);
      return () => {
        client.off(RoomEvent.Timeline, check).off(MatrixEventEvent.Decrypted, check);
        client.off(RoomEvent.LocalEchoUpdated, check).off(RoomEvent.Redaction, check);
      };
    },
    probe: () => settledEvents(client, roomId).find((candidate) => accept(seen(candidate))),
    seen: () => settledEvents(client, roomId).map((candidate) => describe(seen(candidate))),
  });
  return withShield(sdk, client, event);
}

/** The whole room, fetched back to its beginning; state left out, oldest first. */
export async function allMessages(sdk: MatrixSdk, client: MatrixClient, roomId: string): Promise<Message[]> {
  const { EventTimeline } = sdk.sdk;
  const timeline = client.getRoom(roomId)?.getLiveTimeline();
  if (!timeline) throw new Error(`${client.getSafeUserId()} knows no room ${roomId}`);
  while (timeline.getPaginationToken(EventTimeline.BACKWARDS) !== null) {
    if (!(await client.paginateEventTimeline(timeline, { backwards: true, limit: page }))) break;
  }
  await Promise.all(timeline.getEvents().map((event) => event.getDecryptionPromise()));
  return Promise.all(settledEvents(client, roomId).map((event) => withShield(sdk, client, event)));
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
