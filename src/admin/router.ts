// The administrator's endpoints, on the listener that the homeserver uses; for the commands of this program.
import { type Request, type RequestHandler, type Response, Router } from 'express';
import { z } from 'zod';
import type { InstallationReport, QueueAdmin, UserDataAdmin } from '../model/admin.ts';
import { BridgeError } from '../model/errors.ts';
import { parseUserId, type UserId } from '../model/ids.ts';
import { parseQueueItemId, type QueueItemId } from '../model/queue.ts';
import { isToken } from './token.ts';

const filter = z.object({
  which: z.enum(['waiting', 'parked', 'all']).default('parked'),
  limit: z.coerce.number().int().min(1).max(10_000).default(100),
});

/**
 * `GET /admin/report`; `GET /admin/queue`, `GET`, `DELETE /admin/queue/:item`, `POST /admin/queue/:item/retry`, and below `/admin/users/:user`: `GET export`,
 * `GET erasure` (what it would concern, and whether it is under way), `POST erasure`; with the token as bearer.
 */
export function adminRouter(
  queue: QueueAdmin,
  userData: UserDataAdmin,
  report: () => Promise<InstallationReport>,
  token: string,
): Router {
  const router = Router();
  router.use('/admin', authenticated(token));
  router.get('/admin/report', async (_request, response) => void response.json(await report()));
  router.get('/admin/queue', async (request, response) => {
    const parsed = filter.safeParse(request.query);
    if (parsed.success) response.json({ items: await queue.list(parsed.data) });
    else response.status(400).json({ error: 'which: waiting, parked or all; limit: 1 to 10000' });
  });
  router.get('/admin/queue/:item', async (request, response) => {
    const item = parseQueueItemId(request.params.item);
    const found = item && (await queue.find(item));
    if (found === undefined) response.status(404).json({ error: 'there is no such message' });
    else response.json(found);
  });
  router.delete('/admin/queue/:item', (request, response) => change(request.params.item, response, queue.drop));
  router.post('/admin/queue/:item/retry', (request, response) => change(request.params.item, response, queue.retry));
  router.get('/admin/users/:user/export', (request, response) => answer(request, response, userData.export));
  router.get('/admin/users/:user/erasure', (request, response) =>
    answer(request, response, async (user) => ({
      plan: await userData.plan(user),
      erasing: await userData.isErasing(user),
    })),
  );
  router.post('/admin/users/:user/erasure', (request, response) =>
    answer(request, response, async (user) => {
      await userData.erase(user);
      return {};
    }),
  );
  router.use('/admin', (_request, response) => void response.status(404).json({ error: 'There is nothing here.' }));
  return router;
}

/** About the user whom the path names. */
async function answer(request: Request, response: Response, about: (user: UserId) => Promise<object>): Promise<void> {
  const { user: text } = request.params;
  const user = typeof text === 'string' ? parseUserId(text) : undefined;
  if (user === undefined) response.status(400).json({ error: 'not a Matrix ID' });
  else response.json(await about(user));
}

async function change(text: string, response: Response, apply: (item: QueueItemId) => Promise<void>): Promise<void> {
  const item = parseQueueItemId(text);
  try {
    if (item === undefined) throw new BridgeError('store.gone', 'no such id');
    await apply(item);
    response.status(204).end();
  } catch (error) {
    if (!(error instanceof BridgeError) || error.code !== 'store.gone') throw error;
    response.status(404).json({ error: 'there is no such parked message' });
  }
}

function authenticated(token: string): RequestHandler {
  return (request, response, next) => {
    const [, given = ''] = /^Bearer (.{1,200})$/.exec(request.headers.authorization ?? '') ?? [];
    if (isToken(given, token)) next();
    else response.status(401).json({ error: 'not the token that follows from the master key' });
  };
}
