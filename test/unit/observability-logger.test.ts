// The log never shows content, keys, tokens or phone numbers, whatever is handed to it.
import { describe, expect, it } from 'vitest';
import type { LogFields } from '../../src/model/budget/log-fields.ts';
import { createLogger } from '../../src/observability/logger.ts';

function recorder({ level = 'debug' as 'debug' | 'info', pretty = false } = {}) {
  const lines: string[] = [];
  return { lines, logger: createLogger({ level, pretty, destination: { write: (line) => lines.push(line) } }) };
}

/** What no compiler has looked at. */
const widened = (fields: object): LogFields => fields;

const canaries = [
  'canary-content-5d1f',
  '4915112345678',
  '+49 151 1234-5678',
  '4915112345678:3@s.whatsapp.net',
  '91234@lid',
  'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl',
  'syt_Y2FuYXJ5_secretsecret',
  'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=',
  'q83v/jRWeJCrze8S+FZ4kKvN7xI0VniQq83v/jRWeJA=',
];

describe('logger', () => {
  it('withholds every canary under a name that the budget does not have, at any depth, in bindings too', () => {
    const { lines, logger } = recorder();
    for (const canary of canaries) {
      logger.info(widened({ body: canary, content: { text: [canary] }, account: { payload: canary } }), 'line');
      logger.child(widened({ note: canary })).warn({}, 'line');
    }
    expect(lines).toHaveLength(2 * canaries.length);
    for (const canary of canaries) expect(lines.join('')).not.toContain(canary);
  });

  it('scrubs addresses, numbers, tokens and keys out of allowed texts, messages and errors', () => {
    const { lines, logger } = recorder();
    for (const canary of canaries.slice(1)) {
      const err = new Error(`refused ${canary}`, { cause: new Error(canary) });
      logger.error(
        { err, reason: `because of ${canary}`, path: `/path?access_token=${canary}` },
        `failed for ${canary}`,
      );
    }
    const text = lines.join('');
    for (const canary of canaries.slice(1)) expect(text).not.toContain(canary);
    expect(text).not.toContain('12345678');
    expect(text).toContain('refused [jid]');
  });

  it('leaves paths readable, and cuts what is too long to look through', () => {
    const { lines, logger } = recorder();
    const path = '/var/lib/Bridge1/some/long/path/that/goes/on/and/on/config.yaml';
    logger.warn({ path }, 'read');
    logger.warn({ reason: 'a'.repeat(1_000_000) }, 'long');
    expect(lines[0]).toContain(path);
    expect(lines[1]?.length).toBeLessThan(5_000);
  });

  it('withholds the messages of parsers, which quote what they parsed', () => {
    const { lines, logger } = recorder();
    try {
      JSON.parse('canary');
    } catch (err) {
      logger.error({ err }, 'bad body');
    }
    expect(lines.join('')).not.toContain('canary');
    expect(lines.join('')).toContain('SyntaxError');
  });

  it('keeps what an operator needs', () => {
    const { lines, logger } = recorder();
    const event = '$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg';
    const err = Object.assign(new Error('no answer'), {
      code: 'interop.offline',
      cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }),
    });
    logger
      .child({ worker: 'outbox' })
      .info({ event, account: '0123456789abcdef0123456789abcdef', count: 12, waitMs: 1500, err }, 'sent');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 30,
      worker: 'outbox',
      event,
      account: '0123456789abcdef0123456789abcdef',
      count: 12,
      waitMs: 1500,
      msg: 'sent',
      err: { code: 'interop.offline', message: 'no answer', causes: ['ECONNREFUSED'] },
    });
  });

  it('prints one readable line where asked', () => {
    const { lines, logger } = recorder({ pretty: true });
    logger.warn({ portal: 'p1', count: 2 }, 'waiting');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}waiting portal=p1 count=2\n$/);
  });

  it('names nobody at the default level, and people, rooms and events at debug', () => {
    const names = [
      '@anna.k=2f:chat.example.org:8448',
      '%40anna%3Aexample.org',
      '@anna:[2001:db8::1]',
      '!wJpwFbFvPHEMVydnzp:example.org',
      '%21wJpwFbFvPHEMVydnzp%3Aexample.org',
      '!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM',
      '$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg',
      '%24Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg',
    ];
    for (const level of ['info', 'debug'] as const) {
      const { lines, logger } = recorder({ level });
      for (const name of names) {
        const fields = { err: new Error(`refused ${name}`), path: `/rooms/${name}`, reason: `for ${name}, twice` };
        logger.error(
          { ...fields, account: 'a1', user: name, room: name, event: name, messageId: '3EB0' },
          `of ${name}`,
        );
      }
      const text = lines.join('');
      const [shown, hidden] = level === 'debug' ? [names.filter((name) => !name.includes('%')), []] : [[], names];
      for (const name of shown) expect(text).toContain(name);
      for (const name of hidden) expect(text).not.toContain(name);
      expect(text.includes('"messageId":"3EB0"')).toBe(level === 'debug');
      expect(text).toContain('"account":"a1"');
      expect(text).toMatch(/refused .*twice/);
    }
  });

  it('leaves where an error came from readable at the default level', () => {
    const { lines, logger } = recorder({ level: 'info' });
    const err = new Error('broken');
    err.stack =
      'Error: broken\n    at f (file:///srv/node_modules/@matrix-org/matrix-sdk-crypto-wasm/pkg/index.js:12:34)';
    logger.error({ err }, 'failed');
    expect(lines[0]).toContain('@matrix-org/matrix-sdk-crypto-wasm/pkg/index.js:12:34');
  });
});
