// The pages themselves: each has a device, and the list of pages is whole.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../attack/lib/house.mjs';
import { filesOf } from './lib.mjs';

const FOLDER = join(ROOT, 'docs/recipes');
const pages = readdirSync(FOLDER).filter((name) => name.endsWith('.md') && name !== 'README.md').map((name) => name.slice(0, -3));

for (const name of pages) {
  test(`recipe ${name}: it is in the list, has a device with an upstream on this machine, and a test that uses its files`, () => {
    assert.match(readFileSync(join(FOLDER, 'README.md'), 'utf8'), new RegExp(`\\]\\(${name}\\.md\\)`));
    const files = filesOf(name);
    assert.match(files.get('/etc/latchkey/device.conf') ?? '', /^upstream = "(http:\/\/127\.0\.0\.1:\d+|unix:\/\S+)"$/m);
    assert.ok(files.size > 1, 'the software itself is configured by hand?');
    assert.match(readFileSync(new URL(`${name}.test.mjs`, import.meta.url), 'utf8'), new RegExp(`lay\\('${name}'\\)`));
  });
}

test('recipes: there are some', () => assert.ok(pages.length >= 3));
