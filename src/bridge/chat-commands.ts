// Commands that a user writes into a chat, after "!wa": for the bridge alone. Whatever begins so is never sent on.
import type { EventId, RoomId } from '../model/ids.ts';
import type { JsonObject } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { relatedEvent } from '../translate/references.ts';
import { answeredEvent, withoutReplyFallback } from '../translate/to-whatsapp.ts';
import type { CommandEffects } from './bot/commands.ts';
import { howToReport } from './bot/report.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import type { Handled } from './matrix-events.ts';
import { notSent } from './notices.ts';
import { askWhetherToReport } from './reports/question.ts';

export interface ChatCommand {
  /** As it was written, from "!wa" on. */
  readonly words: string;
  /** The event that it answers. */
  readonly about: EventId | undefined;
  /** It was put in the place of an earlier message. */
  readonly isEdit: boolean;
}

/** Undefined where it is something to be sent. */
export function chatCommandIn(content: JsonObject): ChatCommand | undefined {
  const isEdit = relatedEvent(content, 'm.replace') !== undefined;
  const { body } = (isEdit ? (content['m.new_content'] ?? {}) : content) as JsonObject;
  const words = typeof body === 'string' ? withoutReplyFallback(content, body).trim() : '';
  if (!/^!wa(\s|$)/i.test(words)) return undefined;
  return { words, about: answeredEvent(content) as EventId | undefined, isEdit };
}

interface Chat {
  readonly account: ActiveAccount;
  readonly portal: Portal;
}

export async function handleChatCommand(
  context: BridgeContext,
  { account, portal }: Chat,
  { room, event }: { readonly room: RoomId; readonly event: EventId },
  { words, about, isEdit }: ChatCommand,
  effects: CommandEffects,
): Promise<Handled> {
  const [, name = '', ...more] = words.split(/\s+/);
  const { text, changes } =
    isEdit || name.toLowerCase() !== 'report'
      ? { text: unknown, changes: [] }
      : about === undefined
        ? { text: howToReport, changes: [] }
        : await askWhetherToReport(context, account.user, [{ room, event: about }], more.join(' '));
  const asks = changes.length > 0;
  const answer = asks ? `${text}\n\nReply "yes" to this notice to go on.` : text;
  return {
    kind: 'done',
    changes: [
      notSent(portal, event, context.clock.now(), asks ? 'report-question' : 'command-answer', answer),
      ...changes,
    ],
    after: () => effects.wakePortal(portal.id),
  };
}

const unknown =
  'This was not sent to the other person: what begins with "!wa" is for the bridge. It understands "!wa report", in reply to the message that is to be reported.';
