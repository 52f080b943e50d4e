// What a supervisor and a monitoring system ask: alive, ready (and what is missing), metrics.
import { Router } from 'express';
import type { Metrics } from './metrics.ts';

/** Named conditions for being ready; each answers whether it holds now. A check that throws does not hold. */
export type HealthChecks = Readonly<Record<string, () => boolean | Promise<boolean>>>;

async function missing(checks: HealthChecks): Promise<string[]> {
  const answers = await Promise.all(
    Object.entries(checks).map(async ([name, holds]) => {
      try {
        return (await holds()) ? [] : [name];
      } catch {
        return [name];
      }
    }),
  );
  return answers.flat();
}

/** Serves `/health/live`, `/health/ready` (503 with `{ready: false, missing: [names]}`) and, given metrics, `/metrics`. */
export function healthRouter(options: {
  readonly checks: HealthChecks;
  /** What somebody should look at, though the bridge works. */
  readonly warnings?: HealthChecks;
  readonly metrics?: Metrics | undefined;
}): Router {
  const router = Router();
  router.get('/health/live', (_request, response) => {
    response.json({ live: true });
  });
  router.get('/health/ready', async (_request, response) => {
    const absent = await missing(options.checks);
    const warnings = await missing(options.warnings ?? {});
    if (absent.length === 0) response.json(warnings.length === 0 ? { ready: true } : { ready: true, warnings });
    else response.status(503).json({ ready: false, missing: absent });
  });
  const { metrics } = options;
  if (metrics) {
    router.get('/metrics', async (_request, response) => {
      response.type(metrics.registry.contentType).send(await metrics.registry.metrics());
    });
  }
  return router;
}
