// One message for many devices: who has which, a session with each, and one ciphertext per device.
import { isUserJid, type LidJid, sameUser, type UserJid, withDevice } from '../model/jid.ts';
import { child, children, requireChild, requireInteger, requireJid } from '../whatsapp/binary/index.ts';
import { readBundle } from './key-stanzas.ts';
import type { PhoneLine } from './phone-line.ts';
import { deviceSent } from './phone-payloads.ts';
import type { PhoneSessions } from './phone-sessions.ts';
import * as stanzas from './phone-stanzas.ts';

export class PhoneFanout {
  readonly #line: PhoneLine;
  readonly #own: LidJid;

  constructor(line: PhoneLine, own: LidJid) {
    this.#line = line;
    this.#own = own;
  }

  /** For every device of the peer and every other device of one's own; empty if the peer has none. Rejects with OfflineError. */
  async encrypt(sessions: PhoneSessions, peer: LidJid, payload: Uint8Array): Promise<stanzas.Copy[]> {
    const devices = await this.#devices([peer, this.#own]);
    await this.#ensureSessions(sessions, devices);
    const copies: stanzas.Copy[] = [];
    for (const to of devices) {
      if (await sessions.has(to)) copies.push(await this.encryptFor(sessions, to, peer, payload));
    }
    return copies.some(({ to }) => sameUser(to, peer)) ? copies : [];
  }

  /** One's own devices get the message with the name of its recipient around it. */
  async encryptFor(sessions: PhoneSessions, to: UserJid, peer: LidJid, payload: Uint8Array): Promise<stanzas.Copy> {
    const isOwn = sameUser(to, this.#own);
    return { to, ciphertext: await sessions.encrypt(to, isOwn ? deviceSent(peer, payload) : payload) };
  }

  /** Starts new sessions, in place of earlier ones. Devices without a bundle stay without. */
  async startSessions(sessions: PhoneSessions, devices: readonly UserJid[]): Promise<void> {
    if (devices.length === 0) return;
    const answer = await this.#line.ask(stanzas.askKeys(devices));
    const list = child(answer, 'list');
    for (const user of list ? children(list, 'user') : []) {
      const jid = user.attrs.get('jid');
      const registration = child(user, 'registration');
      if (jid === undefined || typeof jid === 'string' || !isUserJid(jid) || !registration) continue;
      await sessions.start(jid, readBundle(user, registration));
    }
  }

  async #ensureSessions(sessions: PhoneSessions, devices: readonly UserJid[]): Promise<void> {
    const without: UserJid[] = [];
    for (const device of devices) if (!(await sessions.has(device))) without.push(device);
    await this.startSessions(sessions, without);
  }

  async #devices(people: readonly LidJid[]): Promise<UserJid[]> {
    const answer = await this.#line.ask(stanzas.askDevices(people));
    const users = children(requireChild(requireChild(answer, 'usync'), 'list'), 'user');
    return users.flatMap((user) => {
      const jid = requireJid(user, 'jid');
      const list = children(requireChild(requireChild(user, 'devices'), 'device-list'), 'device');
      const devices = isUserJid(jid) ? list.map((device) => withDevice(jid, requireInteger(device, 'id'))) : [];
      return devices.filter((device) => device.device !== 0 || !sameUser(device, this.#own));
    });
  }
}
