// Whom an account has blocked.

/** Stands for one address (`phone:491701234567`, `lid:1234`) or for all phone numbers that begin so (`prefix:99`). Kept as a keyed hash. */
export type BlockPattern = `phone:${string}` | `prefix:${string}` | `address:${string}`;

export interface Block {
  readonly id: string;
  /** For the user who has blocked: a name, a number, or the start of numbers. */
  readonly label: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
}
