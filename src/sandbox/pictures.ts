// Profile pictures of phones: kept on the media host unencrypted, looked up by iq, and told of to everybody who knows the phone.
import { attribute, jidAttribute, requireChild, type Stanza, stanza } from '../whatsapp/binary/index.ts';
import type { Account, PhoneAccount } from './directory.ts';
import { type Network, type Sender, seconds } from './network.ts';
import { newNotificationId } from './notifications.ts';
import type { Device } from './pre-keys.ts';

interface PictureRow {
  readonly id: string;
  readonly direct_path: string;
}

/** `directPath` undefined takes the picture away. Returns the devices reached. */
export function setPicture(network: Network, account: PhoneAccount, directPath: string | undefined): Device[] {
  const { state, clock } = network;
  return state.transaction(() => {
    const before = pictureOf(network, account);
    if (directPath === undefined && !before) return [];
    const id = String(Math.max(clock.now(), Number(before?.id ?? 0) + 1));
    if (directPath === undefined) state.run('DELETE FROM picture WHERE account = ?', account.id);
    else {
      const sql = 'INSERT OR REPLACE INTO picture (account, id, direct_path) VALUES (?, ?, ?)';
      state.run(sql, account.id, id, directPath);
    }
    return announce(network, account, directPath === undefined ? undefined : id);
  });
}

/** Answers `w:profile:picture`: nothing new, the picture, or that there is none. */
export function answerPicture(network: Network, { account }: Sender, iq: Stanza): readonly Stanza[] | 'not-found' {
  const asked = requireChild(iq, 'picture');
  const target = jidAttribute(iq, 'target');
  const subject = target ? network.directory.byJid(target) : account;
  const picture = subject && network.directory.knows(account, subject) ? pictureOf(network, subject) : undefined;
  if (!picture) return 'not-found';
  if (attribute(asked, 'id') === picture.id) return [];
  const type = attribute(asked, 'type') ?? 'image';
  const url = `https://${network.blobs.host}${picture.direct_path}`;
  return [stanza('picture', { id: picture.id, type, url, direct_path: picture.direct_path })];
}

export function pictureOf({ state }: Network, { id }: Account): PictureRow | undefined {
  return state.row<PictureRow>('SELECT id, direct_path FROM picture WHERE account = ?', id);
}

function announce(network: Network, account: PhoneAccount, id: string | undefined): Device[] {
  const reached: Device[] = [];
  for (const viewer of [account, ...network.directory.peers(account.id).filter((peer) => peer.id !== account.id)]) {
    const { jid } = network.directory.appearance(account, viewer);
    const change = stanza(id === undefined ? 'delete' : 'set', { jid, id, author: jid });
    const attrs = { type: 'picture', from: jid, id: newNotificationId(), t: seconds(network.clock) };
    for (const device of network.preKeys.devices(viewer.id)) {
      network.queue.add(device, 'notification', account.id, stanza('notification', attrs, [change]));
      reached.push(device);
    }
  }
  return reached;
}
