// Prepares what the tests need, then hands over to node's test runner.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { extension, firefoxExtension, programs, ROOT } from '../lab/latchkey.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const SUITES = { chromium: 'suite.test.mjs', firefox: 'firefox.test.mjs' };
let values;
try {
  ({ values } = parseArgs({
    options: { only: { type: 'string' }, out: { type: 'string' }, browser: { type: 'string', default: 'chromium' } },
  }));
  if (!SUITES[values.browser]) throw new Error(`--browser is one of ${Object.keys(SUITES).join(', ')}`);
  values.out ??= join(ROOT, values.browser === 'chromium' ? 'out/e2e' : `out/e2e-${values.browser}`);
  programs();
  if (values.browser === 'firefox') firefoxExtension();
  else extension();
} catch (error) {
  console.error(`e2e: ${error.message}`);
  process.exit(2);
}
rmSync(values.out, { recursive: true, force: true });
mkdirSync(values.out, { recursive: true });

for (const script of ['demo/vendor.mjs', 'demo/make-media.mjs']) {
  const { status } = spawnSync(process.execPath, [join(ROOT, script)], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}
const tests = spawn(process.execPath, ['--test-reporter=spec', join(here, SUITES[values.browser])], {
  stdio: 'inherit',
  env: { ...process.env, E2E_ONLY: values.only ?? '', E2E_OUT: resolve(values.out) },
});
// The tests clear their house away by themselves: wait for that.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => tests.kill(signal));
tests.on('close', (status, signal) => process.exit(signal ? 1 : status));
