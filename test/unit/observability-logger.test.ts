// The log never shows content, keys, tokens or phone numbers, whatever is handed to it.
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/observability/logger.ts';

function recorder(pretty = false) {
  const lines: string[] = [];
  return {
    lines,
    logger: createLogger({ level: 'debug', pretty, destination: { write: (line) => lines.push(line) } }),
  };
}

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
  it('withholds every canary under an unknown name, at any depth, in bindings too', () => {
    const { lines, logger } = recorder();
    for (const canary of canaries) {
      logger.info({ body: canary, content: { text: [canary] }, row: { payload: canary } }, 'line');
      logger.child({ note: canary }).warn({}, 'line');
    }
    expect(lines).toHaveLength(2 * canaries.length);
    for (const canary of canaries) expect(lines.join('')).not.toContain(canary);
  });

  it('scrubs addresses, numbers, tokens and keys out of allowed texts, messages and errors', () => {
    const { lines, logger } = recorder();
    for (const canary of canaries.slice(1)) {
      const err = new Error(`refused ${canary}`, { cause: new Error(canary) });
      logger.error(
        { err, reason: `because of ${canary}`, url: `http://host/?access_token=${canary}` },
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
      .child({ component: 'outbox' })
      .info({ event, account: '0123456789abcdef0123456789abcdef', count: 12, ms: 1500, err }, 'sent');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 30,
      component: 'outbox',
      event,
      account: '0123456789abcdef0123456789abcdef',
      count: 12,
      ms: 1500,
      msg: 'sent',
      err: { code: 'interop.offline', message: 'no answer', causes: ['ECONNREFUSED'] },
    });
  });

  it('prints one readable line where asked', () => {
    const { lines, logger } = recorder(true);
    logger.warn({ portal: 'p1', count: 2 }, 'waiting');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}waiting portal=p1 count=2\n$/);
  });
});
