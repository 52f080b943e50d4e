// The statement of being in the European Economic Area: a sentence of the user's, with an end. Where they are is never looked at or kept.

const sentence = 'I am in the European Economic Area';

const bare = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z]+/g, ' ')
    .trim();

export const isAttestation = (text: string): boolean => bare(text) === bare(sentence);

/** `date`: when the last statement ends, or when nothing works any more without one. */
export function attestationRequest(date: string | undefined): string {
  return [
    'The operator of this server may offer this only to people in the European Economic Area. If you are, send me this sentence:',
    sentence,
    `That you have said so is kept on record, and where you are is not.${date === undefined ? '' : ` Please do so before ${date}: then nothing is sent or received without it.`}`,
  ].join('\n\n');
}
