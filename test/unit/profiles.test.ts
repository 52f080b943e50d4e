// Pictures follow the network's in the background: each is uploaded once, none is asked for too often, nothing is forgotten.
// The store is real; the network and the homeserver are played here, at their ports.
import { beforeEach, describe, expect, it, test } from 'vitest';
import type { BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { followProfile } from '../../src/bridge/profiles.ts';
import type { Contact } from '../../src/model/contact.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { InteropClient } from '../../src/model/interop.ts';
import type { Homeserver } from '../../src/model/matrix.ts';
import type { MatrixMedia, NetworkMedia } from '../../src/model/media.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { pictureType } from '../../src/translate/picture-type.ts';
import { aChat, aContact, anAccount, openTestStore } from '../support/store.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const jpeg = (name: string) => ({ id: name, bytes: Buffer.concat([Buffer.of(0xff, 0xd8, 0xff), Buffer.from(name)]) });
const away = new BridgeError('media.unavailable', 'not now', { retry: 'later' });

/** The contact's picture as the network has it. */
let picture: { readonly id: string; readonly bytes: Buffer } | undefined;
let connected: boolean;
let now: number;
/** What was asked of the network and of the homeserver. */
let calls: string[];
/** What happens at the next call that starts like this. */
let interruptions: { readonly call: string; readonly act: () => unknown }[];
let store: OpenStore;
let contact: Contact;
let context: BridgeContext;

async function called(call: string): Promise<void> {
  calls.push(call);
  const next = interruptions.findIndex((each) => call.startsWith(each.call));
  if (next !== -1) await interruptions.splice(next, 1)[0]?.act();
}
const at = (call: string, act: () => unknown): void => void interruptions.push({ call, act });
const fails = (error: Error) => () => {
  throw error;
};

const client: Partial<InteropClient> = {
  get connected() {
    return connected;
  },
  picture: async (_, known) => {
    await called(`ask ${known ?? ''}`.trim());
    if (picture === undefined) return { outcome: 'none' };
    if (picture.id === known) return { outcome: 'unchanged' };
    return { outcome: 'found', id: picture.id, url: undefined, directPath: `/${picture.id}` };
  },
};
const homeserver: Partial<Homeserver> = {
  setDisplayName: (_, name) => called(`name ${name}`),
  setAvatar: (_, uri) => called(`show ${uri ?? 'nothing'}`),
};
const networkMedia: Partial<NetworkMedia> = {
  openPicture: async (_, { directPath }) => {
    await called(`fetch ${directPath}`);
    const bytes = picture?.bytes ?? Buffer.alloc(0);
    const pieces = async function* () {
      yield bytes.subarray(0, 4);
      yield bytes.subarray(4);
    };
    return { size: undefined, bytes: pieces() };
  },
};
const matrixMedia: Partial<MatrixMedia> = {
  uploadPublic: async (_, bytes, type) => {
    const name = Buffer.from(bytes).subarray(3).toString();
    await called(`upload ${type} ${name}`);
    return `mxc://x/${name}`;
  },
};

beforeEach(async () => {
  [picture, connected, now, calls, interruptions] = [undefined, true, 1_000 * day, [], []];
  store = await openTestStore();
  const made = aContact({ name: { text: 'Anna', looks: ['anna'] } });
  const { ghost } = await aChat(store, { account: anAccount(), contact: made });
  contact = made.contact;
  await store.commit([
    { change: 'ghost.put', ghost: { ...ghost, ready: true, displayName: 'Anna (WhatsApp)' } },
    { change: 'picture.due', contact: contact.id, at: now },
  ]);
  const settings: Partial<BridgeSettings> = { pictures: true };
  const parts: Partial<BridgeContext> = {
    store,
    clock: { now: () => now, elapsed: () => now, sleep: async () => {} },
    logger: createLogger({ level: 'silent' }),
    settings: settings as BridgeSettings,
    homeserver: homeserver as Homeserver,
    networkMedia: networkMedia as NetworkMedia,
    matrixMedia: matrixMedia as MatrixMedia,
  };
  context = parts as BridgeContext;
});

/** What a worker does: step by step until there is nothing to be done now. Returns what was asked meanwhile. */
async function follow() {
  calls = [];
  const stopping = new AbortController().signal;
  const step = () => followProfile(context, contact.id, { client: () => client as InteropClient, stopping });
  let next = await step();
  while (next === 'again') next = await step();
  return { calls, next };
}
const changed = () => store.commit([{ change: 'picture.due', contact: contact.id, at: now }]);

describe('a picture', () => {
  it('is shown, replaced and taken away as on the network', async () => {
    picture = jpeg('one');
    expect((await follow()).calls).toEqual(['ask', 'fetch /one', 'upload image/jpeg one', 'show mxc://x/one']);
    await changed();
    expect((await follow()).calls).toEqual(['ask one']);
    picture = jpeg('two');
    await changed();
    expect((await follow()).calls).toEqual(['ask one', 'fetch /two', 'upload image/jpeg two', 'show mxc://x/two']);
    picture = undefined;
    await changed();
    expect((await follow()).calls).toEqual(['ask two', 'show nothing']);
    await changed();
    expect((await follow()).calls).toEqual(['ask']);
  });

  it('is not asked for again within a day, unless the network says so', async () => {
    picture = jpeg('one');
    await follow();
    now += day - minute;
    expect(await follow()).toEqual({ calls: [], next: 'idle' });
    now += minute;
    expect((await follow()).calls).toEqual(['ask one']);
    expect(await follow()).toEqual({ calls: [], next: 'idle' });
  });

  it('that failed is tried again later, ever more slowly, and at once when the network says that it has changed', async () => {
    picture = jpeg('one');
    const waits: number[] = [];
    for (let tries = 0; tries < 12; tries += 1) {
      at('fetch', fails(away));
      const { next } = await follow();
      if (typeof next === 'string') throw new Error(`${next}: nothing waits for a next try`);
      waits.push(next.waitMs);
      now += next.waitMs;
    }
    expect(waits.slice(0, 3)).toEqual([15 * minute, 30 * minute, 60 * minute]);
    expect(waits.at(-1)).toBe(day);
    at('fetch', fails(away));
    await follow();
    await changed();
    expect((await follow()).calls).toContain('show mxc://x/one');
  });

  it('is not uploaded a second time where the process ended before it was shown', async () => {
    picture = jpeg('one');
    at('show', fails(new BridgeError('store.unavailable', 'the process ends here')));
    await expect(follow()).rejects.toThrow();
    expect((await follow()).calls).toEqual(['ask one', 'show mxc://x/one']);
  });

  it('that changes while the earlier one is fetched is not missed', async () => {
    picture = jpeg('one');
    at('show', async () => {
      now += 1;
      picture = jpeg('two');
      await changed();
    });
    expect((await follow()).calls).toEqual([
      ...['ask', 'fetch /one', 'upload image/jpeg one', 'show mxc://x/one'],
      ...['ask one', 'fetch /two', 'upload image/jpeg two', 'show mxc://x/two'],
    ]);
  });

  it('waits for a connection, without being counted as a failure', async () => {
    picture = jpeg('one');
    connected = false;
    expect(await follow()).toEqual({ calls: [], next: 'idle' });
    connected = true;
    at('ask', fails(new BridgeError('interop.offline', 'gone again', { retry: 'later' })));
    expect(await follow()).toEqual({ calls: ['ask'], next: 'idle' });
    const { account } = (await store.portals.ofContact(contact.id))[0] ?? {};
    expect(account && (await store.pictures.due(account))).toEqual([contact.id]);
    expect((await follow()).calls).toContain('show mxc://x/one');
  });

  it.each([
    ['what is no picture', { id: 'two', bytes: Buffer.from('<svg onload="alert(1)"/>') }, undefined],
    ['what is too large', jpeg('two'), 'media.too-large'],
    ['what is somewhere else', jpeg('two'), 'media.refused'],
  ])('is none for %s', async (_, next, code) => {
    picture = jpeg('one');
    await follow();
    picture = next;
    await changed();
    if (code) at('fetch', fails(new BridgeError(code, code)));
    expect((await follow()).calls).toEqual(['ask one', 'fetch /two', 'show nothing']);
    expect((await follow()).calls).toEqual([]);
  });

  it('is not asked for where pictures are switched off, nor before the ghost exists; names are followed all the same', async () => {
    await store.commit([{ change: 'contact.name', contact: contact.id, name: { text: 'Anne', looks: ['anne'] } }]);
    const off: Partial<BridgeSettings> = { pictures: false };
    context = { ...context, settings: off as BridgeSettings };
    expect(await follow()).toEqual({ calls: ['name Anne (WhatsApp)'], next: 'idle' });
    const made = aContact();
    await aChat(store, { account: anAccount(), contact: made });
    contact = made.contact;
    expect(await follow()).toEqual({ calls: [], next: 'idle' });
  });
});

test('pictures are known by their first bytes', () => {
  const of = (hex: string) => pictureType(Buffer.from(hex, 'hex'));
  expect(of('ffd8ffe000104a464946')).toBe('image/jpeg');
  expect(of('89504e470d0a1a0a0000')).toBe('image/png');
  expect(pictureType(Buffer.from('RIFF\x10\x00\x00\x00WEBPVP8 ', 'latin1'))).toBe('image/webp');
  for (const other of ['', 'ffd8', '89504e47', '474946383961']) expect(of(other)).toBeUndefined();
  for (const other of ['RIFF\x10\x00\x00\x00WAVE', '<svg/>', 'GIF89a']) {
    expect(pictureType(Buffer.from(other, 'latin1'))).toBeUndefined();
  }
});
