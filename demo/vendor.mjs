#!/usr/bin/env node
// Copies the player library from node_modules to where the page loads it.
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, 'site/public/vendor');
mkdirSync(target, { recursive: true });
cpSync(join(here, 'node_modules/hls.js/dist/hls.mjs'), join(target, 'hls.mjs'));
cpSync(join(here, 'node_modules/hls.js/LICENSE'), join(target, 'hls.LICENSE.txt'));
