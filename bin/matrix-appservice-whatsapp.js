#!/usr/bin/env node
// Starts the command line. Plain JavaScript with nothing imported, so that a Node that is too old is told so before anything loads.

const needed = [22, 18];
const [major, minor] = process.versions.node.split('.').map(Number);

if (major > needed[0] || (major === needed[0] && minor >= needed[1])) {
  // Nobody who runs this can act on these: Node 22 calls running TypeScript experimental, and a library uses util._extend.
  const { emitWarning } = process;
  process.emitWarning = (warning, type, code, ...rest) => {
    const isNoise = (type === 'ExperimentalWarning' && /type stripping/i.test(warning)) || code === 'DEP0060';
    if (!isNoise) emitWarning.call(process, warning, type, code, ...rest);
  };
  import('../src/cli/compile-cache.ts')
    .then((cache) => cache.keepCompiled())
    .then(() => import('../src/cli/main.ts'))
    .then((cli) => cli.main(process.argv.slice(2)))
    .then((status) => {
      process.exitCode = status;
      // Whatever is still open after the command has ended, such as a start that failed half-way, is not worth waiting for.
      setTimeout(() => process.exit(), 300).unref();
    });
} else {
  console.error(
    `matrix-appservice-whatsapp needs Node ${needed.join('.')} or newer, and this is Node ${process.versions.node}; ` +
      'npm run in its checkout finds a suitable one by itself.',
  );
  process.exitCode = 1;
}
