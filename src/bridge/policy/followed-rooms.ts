// The policy rooms that are followed: one worker for each room, and one that finds those of the administrator.
import type { RoomId } from '../../model/ids.ts';
import type { BridgeContext } from '../context.ts';
import type { MakeWorkers, Workers } from '../workers.ts';
import { endOldRooms, findNewRooms, operatorRoomsAreRead } from './operator-rooms.ts';
import { followPolicyRoom, type PolicyRoomEffects } from './policy-rooms.ts';

/** Of rooms that are read at the same time. */
const atOnce = 2;

export class FollowedRooms {
  readonly #context: BridgeContext;
  readonly #rooms: Workers<RoomId>;
  readonly #finding: Workers<'all'>;

  constructor(context: BridgeContext, workers: MakeWorkers, effects: () => PolicyRoomEffects) {
    this.#context = context;
    this.#rooms = workers('policy-rooms', (room) => followPolicyRoom(context, room, effects()), atOnce);
    this.#finding = workers('operator-rooms', () => findNewRooms(context, (room) => this.wake(room)));
  }

  get workers(): readonly Pick<Workers<unknown>, 'stop' | 'resumeAll'>[] {
    return [this.#rooms, this.#finding];
  }

  wake(room: RoomId): void {
    this.#rooms.wake(room);
  }

  /** To be done before anything is delivered: what the configuration does not name any more holds no longer. */
  endOld(): Promise<void> {
    return endOldRooms(this.#context);
  }

  async wakeAll(): Promise<void> {
    this.#finding.wake('all');
    await this.#rooms.wakeAll(await this.#context.store.policyRooms.rooms());
  }

  /** Rooms to which nobody subscribes any more are left. */
  async leaveAbandoned(): Promise<void> {
    await this.#rooms.wakeAll(await this.#context.store.policyRooms.abandoned());
  }

  /** Whether every room of the administrator can be read. */
  operatorsAreRead(): Promise<boolean> {
    return operatorRoomsAreRead(this.#context);
  }
}
