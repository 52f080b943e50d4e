// Which device the bot has.
import { randomBytes } from 'node:crypto';
import type { CryptoJournal } from '../model/crypto-journal.ts';
import { botActorId, type DeviceId } from '../model/ids.ts';

interface NotedDevice {
  readonly instanceId: string;
  botDevice(): Promise<DeviceId | undefined>;
  noteBotDevice(device: DeviceId): Promise<void>;
}

/** Clients take no other keys for a device that they know: where the bot's are lost, or not made yet, it gets another one. */
export async function botDevice(store: NotedDevice, journal: Pick<CryptoJournal, 'exists'>): Promise<DeviceId> {
  const noted = await store.botDevice();
  // Bridges that are older than the note have named it so.
  if (await journal.exists(botActorId)) return noted ?? nameOf(store.instanceId);
  const device = nameOf(randomBytes(4).toString('hex'));
  await store.noteBotDevice(device);
  return device;
}

const nameOf = (id: string): DeviceId => `BOT${id.slice(0, 8).toUpperCase()}` as DeviceId;
