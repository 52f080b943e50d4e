// One thing that the doctor looks at, and what it says of it.

export type Outcome = 'ok' | 'problem' | 'unknown';

export interface Check {
  readonly name: string;
  readonly outcome: Outcome;
  /** What was found. */
  readonly found: string;
  /** What to do about a problem. */
  readonly todo?: string;
}

export const ok = (name: string, found: string): Check => ({ name, outcome: 'ok', found });
export const problem = (name: string, found: string, todo: string): Check => ({
  name,
  outcome: 'problem',
  found,
  todo,
});
/** It cannot be seen at present. */
export const unknown = (name: string, found: string): Check => ({ name, outcome: 'unknown', found });

/** `check`, or a problem that says how it failed. */
export async function attempt(name: string, todo: string, check: () => Promise<Check>): Promise<Check> {
  try {
    return await check();
  } catch (error) {
    return problem(name, error instanceof Error ? error.message : 'it failed', todo);
  }
}

export function line({ name, outcome, found, todo }: Check): string {
  const start = `${outcome.padEnd(8)} ${name.padEnd(18)} ${found}`;
  return todo === undefined ? start : `${start}; to do: ${todo}`;
}
