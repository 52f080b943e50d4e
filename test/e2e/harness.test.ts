// What the other end-to-end tests and the demo stand on: the private Synapse and the Matrix user, tried on each other.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import { freePort } from '../../src/demo/synapse.ts';
import { Homeserver } from '../support/homeserver.ts';

const noShield = { color: 'none', reason: undefined };
let homeserver: Homeserver;

beforeAll(async () => {
  homeserver = await Homeserver.start();
});
afterAll(() => homeserver?.stop());

async function directRoom(inviter: MatrixUser, invited: MatrixUser): Promise<string> {
  const roomId = await inviter.createDirectRoom(invited.userId);
  await invited.waitForInvite((invite) => invite.roomId === roomId && invite.inviter === inviter.userId);
  await invited.join(roomId);
  await inviter.waitForMembership(roomId, invited.userId, ['join']);
  return roomId;
}

describe('two Matrix users', () => {
  test('that exclude insecure devices read each other without a shield, a fresh login old and new messages', async () => {
    const anna = await homeserver.login('anna', { strict: true });
    const ben = await homeserver.login('ben', { strict: true });
    const roomId = await anna.createDirectRoom(ben.userId);
    await anna.sendText(roomId, 'before you joined');
    await ben.waitForInvite();
    await ben.join(roomId);
    const early = await ben.waitForMessage(roomId, ({ body }) => body === 'before you joined');
    await ben.sendText(roomId, 'hello Anna');
    const answer = await anna.waitForMessage(roomId, ({ body }) => body === 'hello Anna');
    expect(early).toMatchObject({ sender: anna.userId, encrypted: true, shield: noShield });
    expect(answer).toMatchObject({ sender: ben.userId, encrypted: true, shield: noShield });
    expect(await ben.deviceTrust(anna.userId, anna.deviceId)).toMatchObject({ known: true, signedByOwner: true });

    await anna.keysBackedUp();
    const recoveryKey = anna.recoveryKey ?? '';
    const fresh = await homeserver.login('anna', { strict: true, recoveryKey });
    await ben.sendText(roomId, 'and now?');
    const late = await fresh.waitForMessage(roomId, ({ body }) => body === 'and now?');
    expect(late).toMatchObject({ encrypted: true, shield: noShield });
    const bodies = (await fresh.messages(roomId)).map(({ body }) => body);
    expect(bodies).toEqual(['before you joined', 'hello Anna', 'and now?']);
    expect(await ben.deviceTrust(anna.userId, fresh.deviceId)).toMatchObject({ signedByOwner: true });
  });

  test('an insecure device is excluded, a plaintext message is seen as one, a new identity is noticed', async () => {
    const carl = await homeserver.login('carl', { strict: true });
    const dora = await homeserver.login('dora', { withoutCrossSigning: true });
    const roomId = await directRoom(carl, dora);
    const eventId = await dora.sendText(roomId, 'from an unsigned device');
    const refused = await carl.waitForMessage(roomId, (event) => event.eventId === eventId);
    expect(refused).toMatchObject({ body: undefined, decryptionFailure: 'UNSIGNED_SENDER_DEVICE' });

    const plain = await dora.sendUnencrypted(roomId, { msgtype: 'm.text', body: 'in the clear' });
    const seen = await carl.waitForMessage(roomId, (event) => event.eventId === plain);
    expect(seen).toMatchObject({ body: 'in the clear', encrypted: false });

    const emma = await homeserver.login('emma');
    const other = await directRoom(carl, emma);
    await emma.sendText(other, 'first identity');
    await carl.waitForMessage(other, ({ body }) => body === 'first identity');
    const before = await carl.userTrust(emma.userId);
    const recoveryKey = await emma.resetIdentity();
    await emma.sendText(other, 'second identity');
    await carl.waitForMessage(other, ({ body }) => body === 'second identity');
    const after = await carl.userTrust(emma.userId);
    expect(before).toMatchObject({ known: true, needsUserApproval: false });
    expect(after).toMatchObject({ known: true, needsUserApproval: true });
    expect(after.masterKey).not.toBe(before.masterKey);
    await emma.keysBackedUp();
    const fresh = await homeserver.login('emma', { recoveryKey });
    await fresh.waitForMessage(other, ({ body }) => body === 'second identity');
  });
});

describe('the private Synapse', () => {
  test('goes on with the same data after SIGKILL', async () => {
    const fred = await homeserver.login('fred');
    const gina = await homeserver.login('gina');
    const roomId = await directRoom(fred, gina);
    await homeserver.synapse.kill();
    await homeserver.startAgain();
    await fred.sendText(roomId, 'still here');
    await gina.waitForMessage(roomId, ({ body }) => body === 'still here');
  });

  test('does not outlive a parent that was killed', async () => {
    const start = `
      import { startSynapse } from ${JSON.stringify(new URL('../../src/demo/synapse.ts', import.meta.url).href)};
      const { port } = await startSynapse({ dataDir: process.argv[1] });
      process.stdout.write(String(port));
      process.stdout.end();
    `;
    const args = ['--input-type=module', '--eval', start, join(homeserver.directory, 'orphan')];
    const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const socket = connect(Number(await text(parent.stdout)), '127.0.0.1').resume();
    await once(socket, 'connect');
    const closed = new Promise((resolve) => socket.once('close', resolve).once('error', resolve));
    parent.kill('SIGKILL');
    await closed;
  });

  test('pushes to-device messages and key counts to an appservice', async () => {
    type Transaction = Record<string, unknown>;
    const { promise: pushed, resolve } = Promise.withResolvers<Transaction>();
    const server = createServer(async (request, response) => {
      const body: Transaction = JSON.parse((await text(request)) || '{}');
      response.setHeader('content-type', 'application/json').end('{}');
      const toDevice = body['de.sorunome.msc2409.to_device'];
      if (Array.isArray(toDevice) && toDevice.length > 0) resolve(body);
    });
    const port = await freePort();
    server.listen(port, '127.0.0.1');
    const registration = {
      id: 'harness',
      url: `http://127.0.0.1:${port}`,
      as_token: 'as',
      hs_token: 'hs',
      sender_localpart: 'harness',
      namespaces: { users: [{ regex: '@ghost_.*', exclusive: true }], aliases: [], rooms: [] },
      'de.sorunome.msc2409.push_ephemeral': true,
      'org.matrix.msc3202': true,
      'io.element.msc4190': true,
    };
    const registrationPath = join(homeserver.directory, 'registration.yaml');
    await writeFile(registrationPath, JSON.stringify(registration));
    const bridged = await Homeserver.start({ registrationPath });
    try {
      const { url } = bridged.synapse;
      const call = async (method: string, path: string, token: string, body: object) => {
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
        const response = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
        expect(response.ok, `${path}: ${response.status}`).toBe(true);
      };
      const ghost = { type: 'm.login.application_service', username: 'ghost_1', inhibit_login: true };
      await call('POST', '/_matrix/client/v3/register', 'as', ghost);
      await call('PUT', '/_matrix/client/v3/devices/GHOST?user_id=@ghost_1:localhost', 'as', { display_name: 'x' });
      const hanna = await bridged.login('hanna', { withoutCrossSigning: true });
      const token = hanna.client.getAccessToken() ?? '';
      const messages = { messages: { '@ghost_1:localhost': { GHOST: { hello: 'ghost' } } } };
      await call('PUT', '/_matrix/client/v3/sendToDevice/org.example.hello/1', token, messages);
      expect(await pushed).toMatchObject({
        'de.sorunome.msc2409.to_device': [
          { type: 'org.example.hello', to_device_id: 'GHOST', content: { hello: 'ghost' } },
        ],
        'org.matrix.msc3202.device_one_time_key_counts': { '@ghost_1:localhost': { GHOST: {} } },
      });
    } finally {
      await bridged.stop();
      server.close();
    }
  });
});
