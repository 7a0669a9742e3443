#!/usr/bin/env node
// Copies the player library from node_modules to where the page loads it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, 'site/public/vendor');
for (const [from, to] of [['dist/hls.mjs', 'hls.mjs'], ['LICENSE', 'hls.LICENSE.txt']]) {
  const source = readFileSync(join(here, 'node_modules/hls.js', from));
  const file = join(target, to);
  if (existsSync(file) && readFileSync(file).equals(source)) continue;
  mkdirSync(target, { recursive: true });
  writeFileSync(file, source);
}
