// The doctor, asked from the command line.
import { execFile } from 'node:child_process';
import { program } from './program.ts';

export interface DoctorLine {
  readonly name: string;
  readonly outcome: string;
  readonly found: string;
}

export function askDoctor(
  configPath: string,
): Promise<{ readonly status: number; readonly lines: readonly DoctorLine[] }> {
  return new Promise((resolve) => {
    const args = [program, 'doctor', '--json', '--config', configPath];
    execFile(process.execPath, args, (error, stdout) => {
      resolve({ status: error === null ? 0 : Number(error.code), lines: JSON.parse(stdout) });
    });
  });
}

/** What it says of one thing. */
export const found = (lines: readonly DoctorLine[], name: string): DoctorLine | undefined =>
  lines.find((line) => line.name === name);
