// A pip for an interpreter: its own, or where a distribution left it out, that of ensurepip or the pinned wheel from the configured package index.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { output, type Python, SynapseError } from './synapse-runtime.ts';

const wheel = {
  filename: 'pip-26.3-py3-none-any.whl',
  sha256: 'f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13',
};
/** Older ones do not know the wheel tags that Synapse's dependencies use, or install to the user's home regardless. */
const oldestPip = 22;

/** The arguments that make `python` behave as pip. `directory` takes the wheel if one must be fetched. */
export async function findPip(python: Python, directory: string): Promise<string[]> {
  const version = await output(python.executable, ['-m', 'pip', '--version']);
  if (Number(version?.match(/^pip (\d+)/)?.[1] ?? 0) >= oldestPip) return ['-m', 'pip'];
  const bundled = await ensurepipWheel(python);
  if (bundled !== undefined) return [join(bundled, 'pip')];
  const path = join(directory, wheel.filename);
  await writeFile(path, await fetchWheel());
  // A wheel is a zip file, which Python can run from; pip supports being started so.
  return [join(path, 'pip')];
}

/** The wheel that comes with Python's ensurepip module, where a distribution has left that in. */
async function ensurepipWheel(python: Python): Promise<string | undefined> {
  const find =
    'import ensurepip, glob, os; print((glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl")) or [""])[0])';
  const path = (await output(python.executable, ['-c', find]))?.trim();
  return path || undefined;
}

const indexPage = z.object({ files: z.array(z.object({ filename: z.string(), url: z.string() })) });

async function fetchWheel(): Promise<Buffer> {
  const index = await configuredIndex();
  try {
    const page = await get(new URL('pip/', index), { accept: 'application/vnd.pypi.simple.v1+json' });
    const file = indexPage.parse(JSON.parse(page.toString())).files.find(({ filename }) => filename === wheel.filename);
    if (!file) throw new Error(`${wheel.filename} is not listed`);
    const bytes = await get(new URL(file.url, new URL('pip/', index)));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (sha256 !== wheel.sha256) throw new Error(`${wheel.filename} has the checksum ${sha256}, not ${wheel.sha256}`);
    return bytes;
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    const advice = `This Python has no usable pip, and ${wheel.filename} could not be fetched from ${index.host}: ${detail}`;
    throw new SynapseError('synapse-install', advice, { cause });
  }
}

async function get(url: URL, headers: Record<string, string> = {}): Promise<Buffer> {
  const { username, password } = url;
  const target = new URL(url);
  target.username = '';
  target.password = '';
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  const authorization: Record<string, string> = username ? { authorization: `Basic ${credentials}` } : {};
  const response = await fetch(target, {
    headers: { ...headers, ...authorization },
    signal: AbortSignal.timeout(120_000),
  });
  if (!response.ok) throw new Error(`${target.host} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/** Where pip would look (pip, "Configuration": environment, then the user's file, then the machine's), with a closing slash. */
async function configuredIndex(): Promise<URL> {
  const { PIP_CONFIG_FILE, XDG_CONFIG_HOME } = process.env;
  const userConfig = join(XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'pip', 'pip.conf');
  const files = [PIP_CONFIG_FILE, join(homedir(), '.pip', 'pip.conf'), userConfig, '/etc/pip.conf'];
  let found = process.env.PIP_INDEX_URL;
  for (const file of files) {
    if (found) break;
    if (file && existsSync(file)) found = (await readFile(file, 'utf8')).match(/^\s*index-url\s*[=:]\s*(\S+)/m)?.[1];
  }
  if (found === undefined) {
    const advice =
      'This Python has neither pip nor ensurepip. Install pip (Debian and Ubuntu: apt install python3-pip), or name a package index in PIP_INDEX_URL, and start again.';
    throw new SynapseError('synapse-install', advice);
  }
  return new URL(`${found.replace(/\/+$/, '')}/`);
}
