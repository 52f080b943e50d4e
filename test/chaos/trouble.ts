// Trouble between the bridge and the two others: brought about, and ended.

import { systemClock } from '../../src/model/clock.ts';
import type { MoodyProxy } from '../support/moody-proxy.ts';
import type { World } from '../support/world.ts';
import type { Action, Spell } from './plan.ts';
import type { Traffic } from './traffic.ts';

const cutEvery = 4;

/** Begins the actions of this spell under its trouble; resolves when the trouble is over. */
export async function suffer(world: World, proxy: MoodyProxy, traffic: Traffic, spell: Spell): Promise<void> {
  const { trouble, ms, actions } = spell;
  switch (trouble) {
    case 'gone':
    case 'bad-gateway':
    case 'mute':
    case 'limited':
      proxy.mood = trouble;
      traffic.begin(actions);
      await systemClock.sleep(ms);
      proxy.mood = 'fine';
      return;
    case 'restarted': {
      // The clients of the Matrix users are not what is tried here: they write before and after.
      const isMatrix = ({ from }: Action): boolean => from === 'matrix';
      await traffic.handedOver();
      traffic.begin(actions.filter((action) => !isMatrix(action)));
      await world.homeserver.synapse.stop();
      await systemClock.sleep(ms);
      await world.homeserver.startAgain();
      for (const { user } of traffic.users) user.client.retryImmediately();
      traffic.begin(actions.filter(isMatrix));
      return;
    }
    case 'cut':
      traffic.begin(actions);
      await traffic.control('/network', { disconnect: true });
      await systemClock.sleep(ms);
      return;
    case 'cut-often':
      await traffic.control('/network', { dropEvery: cutEvery });
      traffic.begin(actions);
      await systemClock.sleep(ms);
      await traffic.control('/network', { dropEvery: 0 });
      return;
    case 'duplicate':
    case 'swap':
    case 'corrupt':
      for (const { user } of traffic.users) await traffic.control(`/faults/${trouble}`, { to: user.userId });
      traffic.begin(actions);
      await systemClock.sleep(ms);
      await traffic.handedOver();
      // To whom nothing was written: it would befall the last text, behind which nothing comes.
      for (const { user } of traffic.users) await traffic.control(`/faults/${trouble}`, { to: user.userId, times: 0 });
  }
}
