// What a process has used so far, as the kernel counts it (Linux; elsewhere there are no figures).
import { readFile, writeFile } from 'node:fs/promises';

export interface Figures {
  /** Milliseconds of both kinds, to 10 ms. */
  readonly cpuMs: number;
  /** Bytes handed to the disk. */
  readonly writtenBytes: number;
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
}

const tickMs = 10;
const kibibyte = 1024;

export async function figuresOf(pid: number): Promise<Figures> {
  const [stat, io, status] = await Promise.all(
    ['stat', 'io', 'status'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')),
  );
  // The name of the program, in brackets, may hold spaces.
  const fields = (stat ?? '').slice((stat ?? '').lastIndexOf(')') + 2).split(' ');
  const named = (text: string | undefined, name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text ?? '')?.[1] ?? 0);
  return {
    cpuMs: (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * tickMs,
    writtenBytes: named(io, 'write_bytes'),
    residentBytes: named(status, 'VmRSS') * kibibyte,
    peakResidentBytes: named(status, 'VmHWM') * kibibyte,
  };
}

/** From now on the peak of the resident memory is that from now on (proc(5), clear_refs). */
export const forgetPeak = (pid: number): Promise<void> =>
  writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined);
