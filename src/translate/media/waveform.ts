// The shape of a voice note's loudness: WhatsApp's 64 values of 0 to 100 <-> Matrix's list of 0 to 1024 (MSC3246).

const whatsAppPoints = 64;
const whatsAppMost = 100;
const matrixMost = 1024;
/** What Matrix clients can draw. */
const mostMatrixPoints = 120;

/** Undefined where there is none. */
export function waveformToMatrix(values: Uint8Array | undefined): number[] | undefined {
  if (values === undefined || values.length === 0) return undefined;
  const points = values.length > mostMatrixPoints ? resampled([...values], whatsAppPoints) : [...values];
  return points.map((value) => Math.round((Math.min(value, whatsAppMost) / whatsAppMost) * matrixMost));
}

/** Undefined where that is no waveform. */
export function waveformToWhatsApp(values: unknown): Uint8Array | undefined {
  if (!Array.isArray(values) || values.length === 0) return undefined;
  if (!values.every((value): value is number => typeof value === 'number' && value >= 0)) return undefined;
  return Uint8Array.from(resampled(values, whatsAppPoints), (value) =>
    Math.round((Math.min(value, matrixMost) / matrixMost) * whatsAppMost),
  );
}

/** The loudest value of each of `count` stretches of the same length. */
function resampled(values: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, point) => {
    const from = Math.floor((point * values.length) / count);
    const to = Math.max(from + 1, Math.floor(((point + 1) * values.length) / count));
    return values.slice(from, to).reduce((loudest, value) => Math.max(loudest, value), 0);
  });
}
