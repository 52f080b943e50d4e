// The account of a run: what was handed over on one side against what the other side has. Pure.

/** One direction of one chat. */
export interface Lane {
  readonly name: string;
  /** Numbers of what was handed over, in that order. */
  readonly sent: readonly number[];
  /** What the other side has, in its order. */
  readonly received: readonly Received[];
  /** Of these the network has changed the order itself. */
  readonly unordered?: ReadonlySet<number>;
  /** Of what a contact sent: what they do not see as delivered. */
  readonly unconfirmed: readonly number[];
}

export type Received =
  | { readonly kind: 'message'; readonly number: number; readonly late: boolean }
  /** There, but its receiver cannot read it. */
  | { readonly kind: 'undecryptable' }
  /** Readable, and nothing that anybody sent. */
  | { readonly kind: 'stray'; readonly text: string };

export interface Account {
  readonly sent: number;
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  readonly undecryptable: number;
  readonly stray: number;
  readonly unconfirmed: number;
  /** Delivered late and marked as late. */
  readonly late: number;
  /** One line for each thing that is wrong. */
  readonly complaints: readonly string[];
}

export function accountOf(lanes: readonly Lane[]): Account {
  return lanes.map(laneAccount).reduce(added, nothing);
}

/** Whether nothing is lost, doubled, out of order, unreadable or unheard of. */
export function isSound({ complaints }: Account): boolean {
  return complaints.length === 0;
}

const nothing: Account = {
  sent: 0,
  lost: 0,
  doubled: 0,
  outOfOrder: 0,
  undecryptable: 0,
  stray: 0,
  unconfirmed: 0,
  late: 0,
  complaints: [],
};

export function added(a: Account, b: Account): Account {
  return {
    sent: a.sent + b.sent,
    lost: a.lost + b.lost,
    doubled: a.doubled + b.doubled,
    outOfOrder: a.outOfOrder + b.outOfOrder,
    undecryptable: a.undecryptable + b.undecryptable,
    stray: a.stray + b.stray,
    unconfirmed: a.unconfirmed + b.unconfirmed,
    late: a.late + b.late,
    complaints: [...a.complaints, ...b.complaints],
  };
}

function laneAccount({ name, sent, received, unconfirmed, unordered }: Lane): Account {
  const messages = received.filter((one) => one.kind === 'message');
  const first = new Map(messages.toReversed().map((one) => [one.number, one]));
  const lost = sent.filter((number) => !first.has(number));
  const doubled = messages.filter((one) => first.get(one.number) !== one).map(({ number }) => number);
  const strays = received.filter((one) => one.kind === 'stray').map(({ text }) => text);
  const known = new Map(sent.map((number, index) => [number, index]));
  const unheardOf = [...first.keys()].filter((number) => !known.has(number));
  const isFree = ({ number, late }: { number: number; late: boolean }) => late || unordered?.has(number);
  const inTime = messages.filter((one) => first.get(one.number) === one && !isFree(one));
  const positions = inTime.flatMap(({ number }) => known.get(number) ?? []);
  const inOrder = new Set(longestRise(positions));
  const outOfOrder = positions.filter((position) => !inOrder.has(position)).map((position) => sent[position]);
  const undecryptable = received.filter(({ kind }) => kind === 'undecryptable').length;
  const complaint = (what: string, which: readonly (number | string | undefined)[]): string[] =>
    which.length === 0 ? [] : [`${name}: ${what}: ${which.join(', ')}`];
  return {
    sent: sent.length,
    lost: lost.length,
    doubled: doubled.length,
    outOfOrder: outOfOrder.length,
    undecryptable,
    stray: strays.length + unheardOf.length,
    unconfirmed: unconfirmed.length,
    late: [...first.values()].filter(({ late }) => late).length,
    complaints: [
      ...complaint('lost', lost),
      ...complaint('doubled', doubled),
      ...complaint('out of order', outOfOrder),
      ...complaint('undecryptable', undecryptable === 0 ? [] : [undecryptable]),
      ...complaint('never sent', [...strays, ...unheardOf]),
      ...complaint('not confirmed to its sender', unconfirmed),
    ],
  };
}

/** A longest increasing subsequence: as few as possible are called out of order. */
function longestRise(numbers: readonly number[]): number[] {
  const tails: number[] = [];
  const before = new Map<number, number | undefined>();
  for (const number of numbers) {
    const found = tails.findIndex((tail) => tail >= number);
    const at = found === -1 ? tails.length : found;
    before.set(number, tails[at - 1]);
    tails[at] = number;
  }
  const rise: number[] = [];
  for (let number = tails.at(-1); number !== undefined; number = before.get(number)) rise.push(number);
  return rise;
}
