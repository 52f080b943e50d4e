// What in a chat is a command for the bridge, and which messages a report names.
import { expect, test } from 'vitest';
import { readEvent } from '../../src/bridge/bot/report.ts';
import { chatCommandIn } from '../../src/bridge/chat-commands.ts';

const answering = (event: string, more = {}) => ({ 'm.relates_to': { 'm.in_reply_to': { event_id: event }, ...more } });
const edit = { rel_type: 'm.replace', event_id: '$a' };

test.each([
  [{ body: '!wa report spam' }, { words: '!wa report spam', about: undefined, isEdit: false }],
  [
    { body: '  !WA', msgtype: 'm.emote' },
    { words: '!WA', about: undefined, isEdit: false },
  ],
  [
    { body: '> <@a:x> said\n\n!wa report', ...answering('$a') },
    { words: '!wa report', about: '$a', isEdit: false },
  ],
  // What clients put into threads for those who do not know threads answers nothing.
  [
    { body: '!wa report', ...answering('$a', { is_falling_back: true }) },
    { words: '!wa report', about: undefined, isEdit: false },
  ],
  [
    { body: '* !wa x', 'm.new_content': { body: '!wa x' }, 'm.relates_to': edit },
    { words: '!wa x', about: undefined, isEdit: true },
  ],
])('%j is for the bridge', (content, command) => {
  expect(chatCommandIn(content)).toEqual(command);
});

test.each([
  { body: '!waffle' },
  { body: 'send !wa report' },
  { body: '> !wa report\n\nthat is how', ...answering('$a') },
  { body: '!wa x', 'm.new_content': { body: 'x' }, 'm.relates_to': edit },
  { body: 5 },
  {},
])('%j is to be sent', (content) => {
  expect(chatCommandIn(content)).toBeUndefined();
});

test.each([
  ['$event-id', { room: undefined, event: '$event-id' }],
  ['https://matrix.to/#/!r:x.org/$e?via=x.org', { room: '!r:x.org', event: '$e' }],
  ['https://matrix.to/#/%21r%3Ax.org/%24e', { room: '!r:x.org', event: '$e' }],
  ['matrix:roomid/r:x.org/e/e?via=x.org', { room: '!r:x.org', event: '$e' }],
  ['https://matrix.to/#/!r:x.org', undefined],
  ['https://matrix.to/#/%zz/$e', undefined],
  ['https://example.org/#/!r:x.org/$e', undefined],
  ['spam', undefined],
])('%s', (word, event) => {
  expect(readEvent(word)).toEqual(event);
});
