import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrived } from '../src/background/arrival';

function makeTabs(url: string | undefined) {
  const listeners = new Set<(tabId: number) => void>();
  const made = {
    url,
    gone: false,
    listeners,
    tell: (tabId: number) => {
      for (const listener of [...listeners]) listener(tabId);
    },
    get: () => (made.gone ? Promise.reject(new Error('no tab')) : Promise.resolve({ url: made.url })),
    onUpdated: {
      addListener: (listener: (tabId: number) => void) => listeners.add(listener),
      removeListener: (listener: (tabId: number) => void) => listeners.delete(listener),
    },
  };
  return made;
}
const settled = () => new Promise((resolve) => setImmediate(resolve));
const kUrl = 'https://attic.local/films?x=1';

test('a tab that still shows the page before is waited for', async () => {
  const tabs = makeTabs('about:blank');
  let there: boolean | null = null;
  void arrived(tabs, 3, kUrl).then((value) => (there = value));
  await settled();
  tabs.url = `${kUrl}#part`;
  tabs.tell(4); // another tab's news
  await settled();
  assert.equal(there, null);
  tabs.tell(3);
  await settled();
  assert.equal(there, true);
  assert.equal(tabs.listeners.size, 0);
});

test('a tab that is there already, one that is gone, one that went elsewhere', async () => {
  assert.equal(await arrived(makeTabs(kUrl), 3, kUrl), true);
  const gone = makeTabs(kUrl);
  gone.gone = true;
  assert.equal(await arrived(gone, 3, kUrl), false);
  const elsewhere = makeTabs('https://attic.local/other');
  assert.equal(await arrived(elsewhere, 3, kUrl, 0), false);
  assert.equal(elsewhere.listeners.size, 0);
});
