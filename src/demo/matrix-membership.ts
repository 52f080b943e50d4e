// Waiting for invitations and for people to come and go.
import type { MatrixClient } from 'matrix-js-sdk';
import type { MatrixSdk } from './matrix-sdk.ts';
import { waitFor } from './matrix-wait.ts';

export type Invite = { roomId: string; inviter: string | undefined; isDirect: boolean };

export function waitForInvite(
  { sdk }: MatrixSdk,
  client: MatrixClient,
  accept: (invite: Invite) => boolean,
  timeoutMs: number,
): Promise<Invite> {
  const self = client.getSafeUserId();
  const invites = (): Invite[] =>
    client
      .getRooms()
      .filter((room) => room.getMyMembership() === 'invite')
      .map(({ roomId, currentState }) => {
        const invitation = currentState.getStateEvents('m.room.member', self);
        return { roomId, inviter: invitation?.getSender(), isDirect: invitation?.getContent().is_direct === true };
      });
  return waitFor({
    what: `an invitation of ${self}`,
    timeoutMs,
    watch: (check) => {
      client.on(sdk.RoomEvent.MyMembership, check).on(sdk.ClientEvent.Room, check);
      return () => client.off(sdk.RoomEvent.MyMembership, check).off(sdk.ClientEvent.Room, check);
    },
    probe: () => invites().find(accept),
    seen: () => invites().map(({ roomId, inviter }) => `invited to ${roomId} by ${inviter ?? 'an unknown user'}`),
  });
}

export async function waitForMembership(
  { sdk }: MatrixSdk,
  client: MatrixClient,
  roomId: string,
  userId: string,
  memberships: readonly string[],
  timeoutMs: number,
): Promise<void> {
  const current = () => client.getRoom(roomId)?.getMember(userId)?.membership ?? 'none';
  await waitFor({
    what: `${userId} to be "${memberships.join('" or "')}" in ${roomId}`,
    timeoutMs,
    watch: (check) => {
      client.on(sdk.RoomStateEvent.Members, check).on(sdk.RoomEvent.MyMembership, check);
      return () => client.off(sdk.RoomStateEvent.Members, check).off(sdk.RoomEvent.MyMembership, check);
    },
    probe: () => (memberships.includes(current()) ? true : undefined),
    seen: () => [`${userId} is "${current()}"`],
  });
}
