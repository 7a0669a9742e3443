#!/usr/bin/env node
// Copies the player libraries from node_modules to where the page loads it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, 'site/public/vendor');
for (const [from, to] of [
  ['hls.js/dist/hls.mjs', 'hls.mjs'], ['hls.js/LICENSE', 'hls.LICENSE.txt'],
  ['dashjs/dist/modern/esm/dash.mediaplayer.min.js', 'dash.mjs'], ['dashjs/LICENSE.md', 'dash.LICENSE.txt'],
]) {
  const place = join(here, 'node_modules', from);
  if (!existsSync(place)) {
    console.error(`${place} is missing: run \`make deps\`, or \`npm ci\` in demo/`);
    process.exit(1);
  }
  const source = readFileSync(place);
  const file = join(target, to);
  if (existsSync(file) && readFileSync(file).equals(source)) continue;
  mkdirSync(target, { recursive: true });
  writeFileSync(file, source);
}
