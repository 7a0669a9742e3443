// Builds dist (ES module and types) or, with --tests, the unit tests into build/test.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const tsc = join(
  dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
  'bin/tsc',
);
const types = (...args) =>
  execFileSync(process.execPath, [tsc, ...args], { cwd: root, stdio: 'inherit' });
const shared = { absWorkingDir: root, bundle: true, format: 'esm', logLevel: 'warning' };

if (process.argv.includes('--tests')) {
  rmSync(join(root, 'build/test'), { recursive: true, force: true });
  const entries = readdirSync(join(root, 'test')).filter((name) => name.endsWith('.test.ts'));
  await build({
    ...shared,
    entryPoints: entries.map((name) => `test/${name}`),
    outdir: 'build/test',
    outExtension: { '.js': '.mjs' },
    platform: 'node',
    target: 'node18',
  });
} else {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  types('--noEmit');
  await build({ ...shared, entryPoints: ['src/index.ts'], outdir: 'dist', target: 'es2022' });
  types(
    '--noEmit',
    'false',
    '--declaration',
    '--emitDeclarationOnly',
    '--outDir',
    'dist',
    '--rootDir',
    'src',
    '-p',
    'tsconfig.dist.json',
  );
}
