// The plan of a run: who writes what to whom, and when the process is killed. Made from the seed alone, so that a run can be repeated.
import { type DeliveryStep, deliverySteps } from '../../src/model/delivery-steps.ts';
import { Random } from './random.ts';
import { type Stimulus, stimuli } from './stimuli.ts';

export type Side = 'matrix' | 'whatsapp';
export type Kind = 'text' | 'reply' | 'reaction' | 'edit' | 'deletion' | 'file' | 'dropped-file' | 'unsupported';

/** Something that one side of a chat does. Its number is what it is known by on the other side. */
export interface Action {
  readonly number: number;
  readonly chat: number;
  readonly from: Side;
  readonly kind: Kind;
  /** The number of the earlier action that this one is about. */
  readonly about?: number;
  /** Of a reaction; different for each reaction of one side to one message. */
  readonly emoji?: string;
}

export type Kill =
  /** When this step has been done for the n-th time; at the latest after a while. `certain`: it must be reached. */
  | { readonly at: 'step'; readonly step: DeliveryStep; readonly passing: number; readonly certain: boolean }
  /** So many milliseconds after the process was started. */
  | { readonly at: 'time'; readonly ms: number };

/** The life of one bridge process: what is begun meanwhile, and how it ends. */
export interface Round {
  readonly actions: readonly Action[];
  readonly kill: Kill;
  /** What else has to happen, that is no message. */
  readonly stimulus?: Stimulus;
}

/** What may be wrong between the bridge and the two others, while it lives on. */
export const troubles = [
  // The homeserver: nobody there, a proxy before it that says so, answers lost, too many requests, restarted.
  'gone',
  'bad-gateway',
  'mute',
  'limited',
  'restarted',
  // The network: the connection cut, cut again and again, messages twice, in another order, damaged.
  'cut',
  'cut-often',
  'duplicate',
  'swap',
  'corrupt',
] as const;
export type Trouble = (typeof troubles)[number];

/** Some time of trouble. */
export interface Spell {
  readonly trouble: Trouble;
  readonly ms: number;
  readonly actions: readonly Action[];
}

export interface Plan {
  readonly seed: number;
  /** Chats that exist before anything is killed. */
  readonly chats: number;
  /** Actions before anything is killed: every chat exists, and there is something to refer to. */
  readonly opening: readonly Action[];
  readonly rounds: readonly Round[];
  /** After them, in the life of one process. */
  readonly spells: readonly Spell[];
}

/** How many earlier actions of its chat one may refer to. */
const memory = 12;
/** How many actions of all chats ago what is edited may have been written: WhatsApp takes edits for 20 minutes, and a busy machine is slow. */
const editable = 60;
/** By weight. */
const kinds: readonly Kind[] = [
  'text',
  'text',
  'text',
  'text',
  'reply',
  'reply',
  'reaction',
  'reaction',
  'edit',
  'deletion',
  'file',
];
/** Those of both sides to one message differ, and the second of one side from its first. */
const emoji: Readonly<Record<Side, readonly [string, string]>> = { whatsapp: ['👍', '🎉'], matrix: ['😂', '🙏'] };

/** Whether it is done to an earlier message. A dropped file is one that the network has lost when it is fetched. */
const isAbout = (kind: Kind): boolean =>
  kind === 'reply' || kind === 'reaction' || kind === 'edit' || kind === 'deletion';

/** Writes actions one after another, each about what earlier ones have left. */
export class Script {
  readonly #random: Random;
  readonly #chats = new Map<number, Action[]>();
  #number = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** An action of this kind, or a text where there is nothing yet that it could be about. */
  next(chat: number, from: Side, kind: Kind): Action {
    if (!isAbout(kind)) return this.#add({ chat, from, kind });
    const about = this.#random.pick(this.#targets(chat, from, kind))?.number;
    if (about === undefined) return this.#add({ chat, from, kind: 'text' });
    if (kind !== 'reaction') return this.#add({ chat, from, kind, about });
    const [first, second] = emoji[from];
    return this.#add({ chat, from, kind, about, emoji: this.#reactions(chat, from, about) === 0 ? first : second });
  }

  /** A reaction of the contact to a message that has none of theirs, and another one in its place. */
  changedReaction({ chat, number: about }: Action): Action[] {
    const [first, second] = emoji.whatsapp;
    const reaction = { chat, from: 'whatsapp', kind: 'reaction', about } as const;
    return [this.#add({ ...reaction, emoji: first }), this.#add({ ...reaction, emoji: second })];
  }

  deletion({ chat, from, number: about }: Action): Action {
    return this.#add({ chat, from, kind: 'deletion', about });
  }

  any(chats: number): Action {
    const from = this.#random.next() < 0.5 ? 'matrix' : 'whatsapp';
    return this.next(this.#random.below(chats), from, this.#random.pick(kinds) ?? 'text');
  }

  #add(action: Omit<Action, 'number'>): Action {
    this.#number += 1;
    const added: Action = { number: this.#number, ...action };
    this.#chats.set(action.chat, [...this.#earlier(action.chat), added].slice(-memory * 4));
    return added;
  }

  #earlier(chat: number): readonly Action[] {
    return this.#chats.get(chat) ?? [];
  }

  #reactions(chat: number, from: Side, about: number): number {
    const ofSide = this.#earlier(chat).filter((one) => one.kind === 'reaction' && one.from === from);
    return ofSide.filter((one) => one.about === about).length;
  }

  /** What is edited or deleted is one's own; what is deleted is left alone afterwards. */
  #targets(chat: number, from: Side, kind: Kind): Action[] {
    const earlier = this.#earlier(chat);
    const gone = new Set(earlier.filter((one) => one.kind === 'deletion').map(({ about }) => about));
    return earlier.slice(-memory).filter((one) => {
      if ((one.kind !== 'text' && one.kind !== 'reply') || gone.has(one.number)) return false;
      if (kind === 'edit' && one.number <= this.#number - editable) return false;
      if (kind === 'edit' || kind === 'deletion') return one.from === from;
      if (kind === 'reaction') return one.from !== from && this.#reactions(chat, from, one.number) < 2;
      return true;
    });
  }
}

/** In each chat the contact writes first, which opens it, and there is something of both sides to refer to. */
function opening(script: Script, chats: number): Action[] {
  const each = Array.from({ length: chats }, (_, chat) => chat);
  const texts = (from: Side): Action[] => each.map((chat) => script.next(chat, from, 'text'));
  return [...texts('whatsapp'), ...texts('matrix'), ...texts('whatsapp'), ...texts('matrix')];
}

export interface PlanOptions {
  readonly seed: number;
  readonly chats: number;
  /** A kill at every step of delivery, in turn. */
  readonly everyStep: boolean;
  /** Kills at random. */
  readonly kills: number;
  /** How often each trouble comes. */
  readonly spells?: number;
}

export function planOf({ seed, chats, everyStep, kills, spells = 0 }: PlanOptions): Plan {
  const random = new Random(seed);
  const script = new Script(random);
  const begin = opening(script, chats);
  const stepwise = everyStep ? killsAtEveryStep(script, chats) : { spare: [], rounds: [], chats };
  const rounds = [...stepwise.rounds, ...randomKills(random, script, kills, stepwise.chats)];
  const trouble = Array.from({ length: spells }, () =>
    troubles.map((each) => spell(random, script, each, chats)),
  ).flat();
  return { seed, chats, opening: [...begin, ...stepwise.spare], rounds, spells: trouble };
}

const longestLifeMs = 2_500;
const mostActions = 6;
/** Every so many rounds somebody new writes. */
const roundsPerStranger = 10;

/** Half of them at a moment, half of them at a step that ordinary traffic passes. */
function randomKills(random: Random, script: Script, kills: number, chats: number): Round[] {
  let known = chats;
  return Array.from({ length: kills }, (_, round): Round => {
    const actions = Array.from({ length: 1 + random.below(mostActions) }, () => script.any(known));
    if (round % roundsPerStranger === roundsPerStranger - 1) {
      actions.push(script.next(known, 'whatsapp', 'text'));
      known += 1;
    }
    return { actions, kill: anyKill(random) };
  });
}

const longestSpellMs = 3_000;

/** Two texts of one contact are among them: of messages that come in another order there have to be two. */
function spell(random: Random, script: Script, trouble: Trouble, chats: number): Spell {
  const any = Array.from({ length: 1 + random.below(mostActions) }, () => script.any(chats));
  const actions = [script.next(0, 'whatsapp', 'text'), script.next(0, 'whatsapp', 'text'), ...any];
  return { trouble, ms: 1_000 + random.below(longestSpellMs), actions };
}

const ordinary: readonly Stimulus[] = ['text-in', 'text-out', 'file-in', 'file-out', 'reactions-in', 'deletion-in'];
const ordinarySteps = deliverySteps.filter((step) => ordinary.includes(stimuli[step]));

function anyKill(random: Random): Kill {
  const step = random.pick(ordinarySteps);
  if (step === undefined || random.next() < 0.5) return { at: 'time', ms: random.below(longestLifeMs) };
  return { at: 'step', step, passing: 1 + random.below(4), certain: false };
}

/** Each brought about by what it takes, with other traffic around it. `spare`: to be written before anything is killed. */
function killsAtEveryStep(
  script: Script,
  chats: number,
): { readonly spare: Action[]; readonly rounds: Round[]; readonly chats: number } {
  const spare: Action[] = [];
  const target = (): Action => {
    const action = script.next(0, 'whatsapp', 'text');
    spare.push(action);
    return action;
  };
  const targets = deliverySteps.map((step) => (/^(reactions|deletion)-in$/.test(stimuli[step]) ? target() : undefined));
  let known = chats;
  let before: Stimulus | undefined;
  const rounds = deliverySteps.map((step, index): Round => {
    const stimulus = stimuli[step];
    // One newcomer's first message leads through all these steps, one life after another.
    if (stimulus === 'new-chat' && before !== stimulus) known += 1;
    before = stimulus;
    const actions = [script.any(chats), script.any(chats), ...provoking(script, stimulus, known - 1, targets[index])];
    return { actions, kill: { at: 'step', step, passing: 1, certain: true }, stimulus };
  });
  return { spare, rounds, chats: known };
}

function provoking(script: Script, stimulus: Stimulus, newest: number, target: Action | undefined): Action[] {
  switch (stimulus) {
    case 'new-chat':
      return [script.next(newest, 'whatsapp', 'text')];
    case 'text-in':
    case 'damaged-in':
    case 'read-out':
      return [script.next(0, 'whatsapp', 'text')];
    case 'text-out':
    case 'damaged-out':
    case 'read-in':
      return [script.next(0, 'matrix', 'text')];
    case 'file-in':
      return [script.next(0, 'whatsapp', 'file')];
    case 'dropped-file-in':
      return [script.next(0, 'whatsapp', 'dropped-file')];
    case 'file-out':
      return [script.next(0, 'matrix', 'file')];
    case 'unsupported-in':
      return [script.next(0, 'whatsapp', 'unsupported')];
    case 'reactions-in':
      return target === undefined ? [] : script.changedReaction(target);
    case 'deletion-in':
      return target === undefined ? [] : [script.deletion(target)];
    default:
      return [];
  }
}
