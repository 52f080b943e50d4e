import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SandboxPhone as Phone } from '../../src/demo/sandbox-phone.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';

let sandbox: Sandbox;
const clients: WhatsAppClient[] = [];

beforeAll(async () => {
  sandbox = await startSandbox({});
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.dispose()));
  await sandbox.close();
});

const link = async (phone: Phone): Promise<WhatsAppClient> => {
  const client = await WhatsAppClient.link(sandbox, phone);
  clients.push(client);
  return client;
};

describe('a linked Baileys', () => {
  it('links by QR code, chats with a phone, and is seen on its own phone', async () => {
    const anna = await Phone.create(sandbox.url, '31640001001', 'Anna');
    const ben = await Phone.create(sandbox.url, '31640001002', 'Ben');
    const client = await link(anna);
    expect(client.me.device).toBe(1);
    const id = await client.send('31640001002@s.whatsapp.net', 'hello Ben');
    await ben.received('hello Ben');
    await anna.waitForMessage((message) => message.direction === 'out' && message.text === 'hello Ben');
    await client.waitForReceipt(id, 3);
    await ben.send('31640001001', 'hello Anna');
    await client.waitForText('hello Anna');
    await anna.received('hello Anna');
    await anna.send('31640001002', 'from the phone');
    const copy = await client.waitForText('from the phone');
    expect(copy.key.fromMe).toBe(true);
  });
});
