// Runs that have failed are kept, and replayed by `npm test`.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { PlanOptions } from './plan.ts';

const path = fileURLToPath(new URL('./kept-seeds.json', import.meta.url));
const schema = z.array(
  z.object({
    seed: z.number(),
    chats: z.number(),
    everyStep: z.boolean(),
    kills: z.number(),
    spells: z.number(),
  }),
);

export async function keptSeeds(): Promise<readonly PlanOptions[]> {
  return schema.parse(JSON.parse(await readFile(path, 'utf8')));
}

export async function keepSeed({ seed, chats, everyStep, kills, spells = 0 }: PlanOptions): Promise<void> {
  const kept = await keptSeeds();
  const failed = { seed, chats, everyStep, kills, spells };
  if (kept.some((one) => JSON.stringify(one) === JSON.stringify(failed))) return;
  await writeFile(path, `${JSON.stringify([...kept, failed], null, 2)}\n`);
}
