// What a late message says of itself, whatever kind it is.
import { expect, test } from 'vitest';
import { lateLine, markedLate } from '../../src/translate/late.ts';

const time = Date.UTC(2026, 10, 22, 14, 3, 59);
const line = '[Arrives late: written 2026-11-22 14:03 UTC]';

test('a line above the words, in both forms', () => {
  expect(lateLine(time)).toBe(line);
  expect(markedLate({ msgtype: 'm.text', body: 'hello' }, time)).toEqual({ msgtype: 'm.text', body: `${line}\nhello` });
  const formatted = { msgtype: 'm.text', body: '*a*', format: 'org.matrix.custom.html', formatted_body: '<b>a</b>' };
  expect(markedLate(formatted, time)).toMatchObject({ body: `${line}\n*a*`, formatted_body: `${line}<br><b>a</b>` });
});

test('under a file, whether it has words or not; what has none stays as it is', () => {
  const picture = { msgtype: 'm.image', body: 'cat.jpg', url: 'mxc://x/y' };
  expect(markedLate(picture, time)).toEqual({ ...picture, filename: 'cat.jpg', body: line });
  expect(markedLate({ ...picture, filename: 'cat.jpg', body: 'look' }, time)).toMatchObject({ body: `${line}\nlook` });
  for (const msgtype of ['m.audio', 'm.location']) {
    const content = { msgtype, body: 'x' };
    expect(markedLate(content, time)).toBe(content);
  }
  expect(markedLate({ body: 'sticker' }, time)).toEqual({ body: 'sticker' });
});
