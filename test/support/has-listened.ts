// An account that has had a connection for so long that every answer would have come.
import { answerWaitMs } from '../../src/bridge/inbox-steps.ts';
import { Listening } from '../../src/bridge/listening.ts';
import type { AccountId } from '../../src/model/ids.ts';
import { ManualClock } from './manual-clock.ts';

export function hasListened(account: AccountId, clock = new ManualClock()): Listening {
  const listening = new Listening(clock);
  listening.begins(account);
  clock.advance(answerWaitMs);
  return listening;
}
