// How encoders keep to the metadata budget: what it does not name is refused, before anything of it leaves.
import { BridgeError } from '../errors.ts';
import { namesIn } from './recipients.ts';

/**
 * Something would have left that the budget does not name: a mistake of ours. What was to be sent is not sent, and not lost: it is treated
 * like everything that cannot be carried. `field`: a name, never a value.
 */
export function unbudgeted(field: string): BridgeError {
  return new BridgeError('privacy.unbudgeted', `the metadata budget has no ${field}`);
}

/** Names as a tree; what ends here may have anything below it. */
export interface Allowed {
  readonly ends: boolean;
  readonly below: ReadonlyMap<string, Allowed>;
}

interface Growing {
  ends: boolean;
  readonly below: Map<string, Growing>;
}

/** Reads names such as `body m.relates_to initial_state/type`. */
export function allowedNames(fields: string): Allowed {
  const root: Growing = { ends: false, below: new Map() };
  for (const field of namesIn(fields)) {
    let node = root;
    for (const part of field.split('/')) {
      const next = node.below.get(part) ?? { ends: false, below: new Map() };
      node.below.set(part, next);
      node = next;
    }
    node.ends = true;
  }
  return root;
}

/** The first name in plain data that is not allowed; undefined where all are. */
export function nameBeyond(value: unknown, allowed: Allowed): string | undefined {
  if (allowed.ends || typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    for (const item of value) {
      const beyond = nameBeyond(item, allowed);
      if (beyond !== undefined) return beyond;
    }
    return undefined;
  }
  for (const [name, member] of Object.entries(value)) {
    const below = allowed.below.get(name) ?? allowed.below.get('*');
    const beyond = below === undefined ? '' : nameBeyond(member, below);
    if (beyond !== undefined) return beyond === '' ? name : `${name}/${beyond}`;
  }
  return undefined;
}
