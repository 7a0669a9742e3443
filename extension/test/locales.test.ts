import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { kErrorCodes } from '../src/protocol/names';

type Messages = Record<string, { message: string; placeholders?: Record<string, unknown> }>;
const read = (language: string): Messages =>
  JSON.parse(readFileSync(`_locales/${language}/messages.json`, 'utf8')) as Messages;
const english = read('en');

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : /\.(ts|html)$/.test(path) ? [path] : [];
  });
}

test('every language has the same words, with the same gaps', () => {
  for (const language of readdirSync('_locales')) {
    const messages = read(language);
    assert.deepEqual(Object.keys(messages).sort(), Object.keys(english).sort(), language);
    for (const [key, { message, placeholders }] of Object.entries(messages)) {
      const gaps = (message.match(/\$[A-Z]+\$/g) ?? []).map((gap) =>
        gap.slice(1, -1).toLowerCase(),
      );
      for (const gap of gaps) assert.ok(placeholders?.[gap], `${language} ${key} ${gap}`);
    }
  }
});

test('every word that the code asks for is there', () => {
  const used = new Set<string>();
  for (const path of [...sources('src/ui'), ...sources('src/consent'), ...sources('src/home'), ...sources('src/control')]) {
    const source = readFileSync(path, 'utf8');
    for (const match of source.matchAll(/\b(?:text|rich)\(\s*'(\w+)'/g)) used.add(match[1] ?? '');
    for (const match of source.matchAll(/data-(?:text|label)="(\w+)"/g)) used.add(match[1] ?? '');
  }
  for (const code of kErrorCodes) {
    used.add(`problem_${code}`);
    used.add(`help_${code}`);
  }
  for (const key of used) assert.ok(key in english, key);
});

test('the words are plain', () => {
  const forbidden = /certificate|\borigin\b|\bgrants?\b|attestation|\bCA\b|!|invalid/i;
  // Under Details the technical words may stand.
  const plain = (messages: Messages): [string, { message: string }][] =>
    Object.entries(messages).filter(([key]) => !key.startsWith('detail'));
  for (const [key, { message }] of plain(english)) {
    assert.doesNotMatch(message, forbidden, key);
  }
  for (const [key, { message }] of plain(read('ja'))) {
    assert.doesNotMatch(message, /証明書|オリジン|[!！]/, key);
  }
});
