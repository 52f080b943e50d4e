// Work for several chats, one after another: one that fails keeps none of the others waiting.
import { errorCode } from '../model/errors.ts';
import { saidByItself } from '../observability/logger.ts';

/** Whether there is something left to do at once. */
export type Progress = 'again' | 'idle';

/** What failed first is thrown once each has been tried; what concerns all of them, at once. */
export async function tryEach<Item>(
  items: readonly Item[],
  step: (item: Item) => Promise<Progress>,
): Promise<Progress> {
  const failures: unknown[] = [];
  let progress: Progress = 'idle';
  for (const item of items) {
    try {
      if ((await step(item)) === 'again') progress = 'again';
    } catch (error) {
      if (concernsAll(error)) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return progress;
}

/** There is no connection, or no database. */
export function concernsAll(error: unknown): boolean {
  return errorCode(error) === 'interop.offline' || saidByItself(error);
}
