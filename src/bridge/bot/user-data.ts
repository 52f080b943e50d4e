// `export` and `erase`: what is held about the user, given out or deleted.
import type { Change } from '../../model/change.ts';
import { writeMatrixFile } from '../../translate/media/matrix-file.ts';
import type { BridgeContext } from '../context.ts';
import { beginErasure } from '../erasures.ts';
import { sendId } from '../send-ids.ts';
import { exportUser } from '../user-export.ts';
import type { Answer, Command, CommandEffects } from './commands.ts';

const uploadTimeoutMs = 60_000;

/** Sends a JSON file, encrypted. Repeated after a crash it is the same event. */
export async function exportCommand(context: BridgeContext, command: Command): Promise<Answer> {
  if (!command.encrypted) {
    return {
      text: 'I send your data only in an encrypted room: it holds phone numbers and names. Start an encrypted chat with me and send the command there.',
    };
  }
  const { store, crypto, homeserver, matrixMedia, bot, clock, settings } = context;
  const data = await exportUser(store, command.user, clock.now());
  const bytes = Buffer.from(`${JSON.stringify(data, undefined, 2)}\n`);
  const signal = AbortSignal.timeout(uploadTimeoutMs);
  const file = await matrixMedia.upload(bot, bytes.length, whole(bytes), signal);
  const content = {
    msgtype: 'm.file',
    body: 'whatsapp-bridge-export.json',
    filename: 'whatsapp-bridge-export.json',
    info: { mimetype: 'application/json', size: bytes.length },
    file: writeMatrixFile(file),
  };
  const result = await crypto.encrypt(
    bot,
    command.room,
    command.user,
    undefined,
    settings.devicePolicy,
    'm.room.message',
    content,
  );
  if (result.outcome !== 'encrypted') {
    return { text: 'I could not encrypt the file for you: you have no verified session.' };
  }
  const id = sendId(settings.instanceId, bot.id, command.room, `export:${command.event}`);
  await homeserver.send(bot, command.room, result.type, id, result.content);
  return {
    text: 'This file is everything that I hold about you, without keys and without what anybody wrote. It stays on your homeserver, encrypted, until you delete the message above.',
  };
}

async function* whole(bytes: Uint8Array) {
  yield bytes;
}

/** What is pending until the user says yes. */
export const erasePending = 'erase';

export async function eraseCommand({ store }: BridgeContext, command: Command): Promise<Answer> {
  if ((await store.accounts.ofUser(command.user)).length > 0) {
    return { text: 'You have opted in. Send "opt-out" first; then "erase" deletes what is left.' };
  }
  return {
    text: [
      'I am about to delete everything that is still held about you here: the record of your consent, of which only a line without your name stays; the pin of your encryption identity; what you and I said; the ids of what happened in your rooms. I leave this room.',
      'Your homeserver keeps what you see in your rooms, encrypted, and the files in them; only its administrator can delete that.',
      'Answer "yes" to go on. It cannot be undone.',
    ].join('\n\n'),
    changes: [{ change: 'pending-command', user: command.user, command: erasePending }],
  };
}

/** After the user's "yes". */
export async function eraseConfirmed(
  { store }: BridgeContext,
  command: Command,
  effects: CommandEffects,
): Promise<Answer> {
  const answered: Change = { change: 'pending-command', user: command.user, command: undefined };
  return {
    text: 'Everything about you is deleted here now, and I leave this room. If a network has not confirmed your opt-out yet, the deletion ends when it has. If you invite me again, we begin anew.',
    changes: [answered],
    before: () => beginErasure(store, command.user, command.room),
    after: () => effects.wakeErasure(command.user),
  };
}
