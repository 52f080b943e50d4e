// Times in what people read.

/** `2026-11-29 15:00 UTC`: the reader's time zone is not known. `time` in milliseconds since the Unix epoch. */
export const utcMinute = (time: number): string => `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
