// What all parts of the control API share: numbers, who is meant, waiting. Documented in docs/sandbox.md.
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Account, Directory } from './directory.ts';
import { HttpError } from './http-error.ts';
import type { Phone } from './phone.ts';
import type { Phones } from './phones.ts';

const MAX_WAIT_MS = 60_000;

export const numberSchema = z
  .string()
  .transform((text) => text.replace(/^\+/, ''))
  .refine((text) => /^[1-9]\d{4,14}$/.test(text), 'must be a phone number: 5 to 15 digits, country code first');

export const messageIdSchema = z.string().min(1).max(128);

/** Query parameters of answers that wait for something, and of lists that go on after something. */
export const waitSchema = z.coerce.number().int().min(0).max(MAX_WAIT_MS).default(0);
export const afterSchema = z.coerce.number().int().min(0).default(0);

/** Throws HttpError 404. */
export function phoneOf(phones: Phones, request: Request): Phone {
  const number = numberSchema.safeParse(request.params.number);
  const phone = number.success ? phones.get(number.data) : undefined;
  if (!phone) throw new HttpError(404, 'unknown_phone', 'there is no phone with this number');
  return phone;
}

/** The account behind a Matrix ID or a phone number. Throws HttpError 404. */
export function recipientOf(directory: Directory, to: string): Account {
  if (to.startsWith('@')) {
    const account = directory.byIdentifier(to);
    if (!account) throw new HttpError(404, 'not_reachable', 'this Matrix user has not opted in');
    return account;
  }
  const number = numberSchema.safeParse(to);
  const account = number.success ? directory.byNumber(number.data) : undefined;
  if (!account) throw new HttpError(404, 'unknown_recipient', 'there is no phone with this number');
  return account;
}

export const labelOf = (account: Account): string => (account.kind === 'phone' ? account.number : account.identifier);

/** Aborted when the caller hangs up. */
export function closing(response: Response): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  return controller.signal;
}
