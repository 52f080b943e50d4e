// A ghost whose keys on Matrix are lost gets new ones, and everybody who has a chat with it is told why; other ghosts are left alone.
import { randomBytes } from 'node:crypto';
import type { Change } from '../model/change.ts';
import type { Actor, Contact, Ghost } from '../model/contact.ts';
import { DamagedCryptoStore, type LostKeys } from '../model/damaged-row.ts';
import { BridgeError } from '../model/errors.ts';
import type { DeviceId, UserId } from '../model/ids.ts';
import { Serial } from '../model/serial.ts';
import type { BridgeContext } from './context.ts';
import { contactName } from './labels.ts';
import { noticeOnce } from './notices.ts';
import { readyGhost } from './portal-rooms.ts';

/**
 * So many stores that are damaged in the life of a process. More at once are no accident of one ghost but a broken file or program, and
 * new identities no cure. Where nothing is kept any more, or the homeserver does not know them, nothing else is one.
 */
const mostDamaged = 3;

export class RenewedGhosts {
  readonly #context: BridgeContext;
  /** Several chats may come upon the same loss at once. */
  readonly #serial = new Serial<UserId>();
  #damaged = 0;

  constructor(context: BridgeContext) {
    this.#context = context;
  }

  /** Rejects with BridgeError `crypto.not-renewed` where somebody has to look into it. */
  renew(lost: LostKeys): Promise<void> {
    return this.#serial.run(lost.actor.user, () => this.#renew(lost));
  }

  async #renew(lost: LostKeys): Promise<void> {
    const { store } = this.#context;
    const ghost = await store.contacts.ghostByUser(lost.actor.user);
    // Somebody else has met the same loss in between.
    if (ghost !== undefined && ghost.actor.device !== lost.actor.device) return;
    const contact = ghost && (await store.contacts.get(ghost.contact));
    // Renewed before, and not made yet.
    if (ghost?.ready === false && contact !== undefined && (await this.#isMade(contact))) return;
    const isDamaged = lost instanceof DamagedCryptoStore;
    if (ghost === undefined || (isDamaged && this.#damaged >= mostDamaged)) {
      const text = 'several crypto stores are damaged, or the keys of the bot are lost: nothing is made anew by itself';
      throw new BridgeError('crypto.not-renewed', text, { retry: 'after-action', cause: lost });
    }
    if (isDamaged) this.#damaged += 1;
    this.#context.logger.error(
      { actor: lost.actor.id, code: lost.code, count: this.#damaged },
      'the keys of a ghost are given up; it gets new ones',
    );
    await this.#giveUp(ghost, contact, lost.actor);
    if (contact !== undefined) await this.#isMade(contact);
  }

  /** Whatever happens in between, the loss is found once more. */
  async #giveUp(ghost: Ghost, contact: Contact | undefined, actor: Actor): Promise<void> {
    const { store, crypto, clock } = this.#context;
    const device = randomBytes(6).toString('hex').toUpperCase() as DeviceId;
    const changes: Change[] = [
      // With the user its name may be gone.
      {
        change: 'ghost.put',
        ghost: { ...ghost, actor: { ...ghost.actor, device }, ready: false, displayName: undefined },
      },
    ];
    for (const portal of await store.portals.ofContact(ghost.contact)) {
      if (contact === undefined) continue;
      const text = `The bridge’s keys for this chat were lost or damaged on a server and had to be made anew. Your client may say that the identity of ${contactName(contact, portal)} has changed: this is why. Messages that you wrote just before may have to be sent again.`;
      changes.push(noticeOnce(portal, `keys-renewed:${device}`, clock.now(), { code: 'keys-renewed', text }));
    }
    // Killed in between, it is found without keys at the next start, and made anew then.
    await crypto.destroy(actor);
    await store.commit(changes);
  }

  /** Makes the ghost ready; false where what it has is damaged. */
  async #isMade(contact: Contact): Promise<boolean> {
    try {
      await readyGhost(this.#context, contact);
      return true;
    } catch (error) {
      if (error instanceof DamagedCryptoStore) return false;
      throw error;
    }
  }
}
