// Builds the extension for each browser, or for one, into dist/<target>, or, with --tests, the unit
// tests into build/test. Usage: node build.mjs [--target chromium|firefox] [--tests]
import { build } from 'esbuild';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack } from './pack.mjs';

const root = dirname(fileURLToPath(import.meta.url));
const targets = ['chromium', 'firefox'];
const readJson = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

const shared = {
  absWorkingDir: root,
  bundle: true,
  charset: 'utf8',
  logLevel: 'warning',
  legalComments: 'none',
  target: ['chrome120', 'firefox128'],
};

async function buildTests() {
  const out = join(root, 'build/test');
  rmSync(out, { recursive: true, force: true });
  const entries = readdirSync(join(root, 'test')).filter((name) => name.endsWith('.test.ts'));
  await build({
    ...shared,
    entryPoints: entries.map((name) => `test/${name}`),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    format: 'esm',
    platform: 'node',
    target: 'node18',
  });
}

async function buildExtension(target) {
  const out = join(root, 'dist', target);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  await build({
    ...shared,
    entryPoints: {
      background: 'src/background/main.ts',
      content: 'src/content/main.ts',
      page: 'src/page/main.ts',
      consent: 'src/consent/main.ts',
      home: 'src/home/main.ts',
      control: 'src/control/main.ts',
    },
    outdir: out,
    format: 'iife',
  });
  await build({
    ...shared,
    entryPoints: { consent: 'src/consent/consent.css', home: 'src/home/home.css', control: 'src/control/control.css' },
    outdir: out,
  });
  cpSync(join(root, 'src/consent/consent.html'), join(out, 'consent.html'));
  cpSync(join(root, 'src/home/home.html'), join(out, 'home.html'));
  cpSync(join(root, 'src/control/control.html'), join(out, 'control.html'));
  cpSync(join(root, '_locales'), join(out, '_locales'), { recursive: true });
  cpSync(join(root, 'icons'), join(out, 'icons'), {
    recursive: true,
    filter: (path) => !path.endsWith('.svg'),
  });
  const manifest = { ...readJson('manifest/base.json'), ...readJson(`manifest/${target}.json`) };
  manifest.version = readJson('package.json').version;
  writeFileSync(join(out, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  if (target === 'firefox') pack(out, join(root, 'dist/latchkey-firefox.xpi'));
}

const args = process.argv.slice(2);
if (args.includes('--tests')) {
  await buildTests();
} else {
  const at = args.indexOf('--target');
  const chosen = at >= 0 ? [args[at + 1]] : targets;
  if (!chosen.every((target) => targets.includes(target))) {
    console.error(`build.mjs: --target is one of ${targets.join(', ')}`);
    process.exit(2);
  }
  for (const target of chosen) await buildExtension(target);
}
