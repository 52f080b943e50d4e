// A ghost whose keys on Matrix are damaged gets new ones, and everybody who has a chat with it is told why; other ghosts are left alone.
import { randomBytes } from 'node:crypto';
import type { Change } from '../model/change.ts';
import type { Actor } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { DeviceId } from '../model/ids.ts';
import type { BridgeContext } from './context.ts';
import { contactName } from './labels.ts';
import { noticeOnce } from './notices.ts';

/** So many in the life of a process. More at once are no accident of one ghost but a broken file or program, and new identities no cure. */
const mostRenewals = 3;

export class RenewedGhosts {
  readonly #context: BridgeContext;
  #count = 0;

  constructor(context: BridgeContext) {
    this.#context = context;
  }

  /** Rejects with BridgeError `crypto.not-renewed` where somebody has to look into it. */
  async renew(damaged: Actor): Promise<void> {
    const { store, crypto, clock, logger } = this.#context;
    const ghost = await store.contacts.ghostByUser(damaged.user);
    // Somebody else has met the same damage in between.
    if (ghost !== undefined && ghost.actor.device !== damaged.device) return;
    if (ghost === undefined || this.#count >= mostRenewals) {
      const text = 'several crypto stores are damaged, or that of the bot: nothing is made anew by itself';
      throw new BridgeError('crypto.not-renewed', text, { retry: 'after-action' });
    }
    this.#count += 1;
    logger.error(
      { actor: damaged.id, count: this.#count },
      'a damaged crypto store is given up; its ghost gets new keys',
    );
    const device = randomBytes(6).toString('hex').toUpperCase() as DeviceId;
    const contact = await store.contacts.get(ghost.contact);
    const changes: Change[] = [
      { change: 'ghost.put', ghost: { ...ghost, actor: { ...ghost.actor, device }, ready: false } },
    ];
    for (const portal of await store.portals.ofContact(ghost.contact)) {
      if (contact === undefined) continue;
      const text = `The bridge’s keys for this chat were damaged on the disk of this server and had to be made anew. Your client may say that the identity of ${contactName(contact, portal)} has changed: this is why. Messages that you wrote just before may have to be sent again.`;
      changes.push(noticeOnce(portal, `keys-renewed:${device}`, clock.now(), { code: 'keys-renewed', text }));
    }
    // Whatever happens in between, the store is found damaged once more, and this done again.
    await store.commit(changes);
    await crypto.destroy(damaged);
  }
}
