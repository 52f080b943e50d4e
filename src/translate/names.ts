// Words that strangers chose for themselves, made safe to show on one line, and beside the label that marks them as external.
import { looksOf, plainly, resembles } from './look-alikes.ts';
import { visible } from './visible.ts';

const longestName = 64;

/** Signs by which programs mark what they have checked: ticks, shields, locks. */
const claimingSigns = /[✓✔☑✅🗸🗹⍻√🛡🔒🔓🔏🔐🔰]\ufe0f?|(?<!\p{sc=Tavt})ꪜ(?!\p{sc=Tavt})/gv;

/** Words in brackets that would read like a label. Other words lose only their brackets: those are the label's own. */
const claimingWords = new Set(
  [
    ...['messenger', 'matrix', 'element', 'signal', 'telegram', 'instagram', 'facebook', 'meta', 'sms', 'rcs'],
    ...['bridge', 'bot', 'ghost', 'external', 'internal', 'native', 'admin', 'administrator', 'moderator', 'support'],
    ...['official', 'verified', 'trusted', 'secure', 'encrypted', 'you'],
  ].map(plainly),
);
const bracketed = /\p{Ps}([^\p{Ps}\p{Pe}]*)\p{Pe}?/gu;

/** Never part of a person's name, with or without brackets. */
const networkName = 'whatsapp';

/** At the start and the end of a name: what separates, quotes, or continues the text around it. */
const atStart = /^[[\p{P}\p{Z}\p{Sm}\p{Sk}]--[\p{Emoji_Modifier}'’ʼ‘]]+/v;
const atEnd = /[[\p{P}\p{Z}\p{Sm}\p{Sk}]--[\p{Emoji_Modifier}'’.!?…׳״]]+$/v;

/** What on this server is nobody's name. */
export interface TakenNames {
  /** The bot's display name. */
  readonly bot: string;
  readonly server: string;
}

/** Returns the text on one line, without invisible characters, cut at `longest` characters. */
export function oneLine(text: string, longest: number): string {
  const shown = visible(text.slice(0, longest * 8));
  return visible([...shown].slice(0, longest).join(''));
}

/**
 * Returns the name as it may stand beside the network's label: on one line, at most 64 characters, without anything that reads like a
 * label, a sign of verification, a Matrix ID or a mention of everybody. Undefined where nothing fit to show is left, or where it
 * is taken. A name that looks like a phone number is none: names stand in unencrypted state, and a phone number must not.
 */
export function cleanName(text: string, taken: TakenNames): string | undefined {
  const chosen = oneLine(text, longestName);
  let name = chosen;
  // What is taken out may bring together what was apart.
  for (let before = ''; before !== name; ) {
    before = name;
    name = oneLine(withoutClaims(name), longestName);
  }
  const unfit = name === '' || looksLikePhoneNumber(name) || resembles(name, networkName);
  return unfit || [chosen, name].some((each) => isTaken(each, taken)) ? undefined : name;
}

function withoutClaims(name: string): string {
  return name
    .replace(claimingSigns, '')
    .replace(/[\p{No}\p{So}]/gu, withItsBrackets)
    .replace(bracketed, (_, words: string) => (claims(words) ? ' ' : ` ${words} `))
    .replace(/[\p{Ps}\p{Pe}]/gu, ' ')
    .split(' ')
    .filter((word) => !isAddress(word) && !resembles(word, networkName))
    .map((word) => word.replace(/[@＠﹫]/gu, ' '))
    .join(' ')
    .trim()
    .replace(atStart, '')
    .replace(atEnd, '');
}

/** Spells out ⑴, 🉀 and their like. */
function withItsBrackets(sign: string): string {
  const spelled = sign.normalize('NFKD');
  return /^\p{Ps}/u.test(spelled) ? spelled : sign;
}

function claims(words: string): boolean {
  const plain = plainly(words);
  const single = plain.split(/[^\p{L}\p{M}\p{N}]+/u);
  const claim = [...single, single.join('')].some((word) => claimingWords.has(word));
  return claim || resembles(words, networkName);
}

/** Matrix IDs, addresses of rooms and links, whatever they are written in. */
function isAddress(word: string): boolean {
  return /@.*:|^[#!+$].*:|:.*\.|:\/\//u.test(plainly(word));
}

function isTaken(name: string, { bot, server }: TakenNames): boolean {
  const looks = looksOf(bot);
  return looksOf(name).some((look) => looks.includes(look)) || plainly(name).includes(plainly(server));
}

function looksLikePhoneNumber(name: string): boolean {
  const digits = [...name.normalize('NFKD')].filter((character) => /\p{Nd}/u.test(character)).length;
  return digits >= 6;
}
