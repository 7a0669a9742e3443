import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrantBook } from '../src/background/grant-book';
import { type Rule, kChromiumTypes } from '../src/background/rules';
import { grantMessage, siteMessage } from './grants-data';

const id = grantMessage()['id'] as string;

function makeBook(listed: { grants: Record<string, unknown>[] }) {
  const heard: string[] = [];
  const answers: unknown[] = []; // before `listed`
  const kept: { grants: unknown } = { grants: null };
  let rules: readonly Rule[] = [];
  const book = new GrantBook({
    call: () => {
      const answer = answers.shift() ?? listed;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    load: () => Promise.resolve(kept.grants),
    save: (grants) => {
      kept.grants = grants;
      return Promise.resolve();
    },
    resourceTypes: kChromiumTypes,
    nearbyAllowed: () => Promise.resolve(new Set<string>()),
    currentRules: () => Promise.resolve(rules),
    replaceRules: (_, add) => {
      rules = add;
      return Promise.resolve();
    },
    onKnown: () => Promise.resolve(),
    onEnded: (ended) => heard.push(...ended.map((one) => `ended ${one.id}`)),
    onRestored: (restored) => heard.push(...restored.map((one) => `restored ${one.id}`)),
    now: () => 1_700_000_100,
  });
  return { book, heard, kept, answers, actions: () => rules.map((rule) => rule.action.type) };
}

test('suspended: the way in is closed at once, the host stays blocked, the page hears', async () => {
  const listed = { grants: [grantMessage()] };
  const { book, heard, actions } = makeBook(listed);
  await book.sync();
  assert.ok(actions().includes('allow'));
  await book.mark(id, 'suspended'); // before the agent is asked for the rest
  assert.deepEqual(actions(), ['block']);
  assert.deepEqual(await book.forOrigin('https://video.example'), []);
  assert.deepEqual(heard, [`ended ${id}`]);
});

test('in use again: the rules come back, and the page hears', async () => {
  const listed = { grants: [grantMessage({ state: 'suspended', hold: 'origin_suspended' })] };
  const { book, heard, actions } = makeBook(listed);
  await book.sync();
  assert.deepEqual(heard, []);
  listed.grants = [grantMessage()];
  await book.sync();
  assert.ok(actions().includes('allow'));
  assert.equal((await book.forOrigin('https://video.example')).length, 1);
  assert.deepEqual(heard, [`restored ${id}`]);
  await book.sync();
  assert.equal(heard.length, 1);
});

test('a long list is read page by page, and anew where it changed meanwhile', async () => {
  const first = grantMessage();
  const second = grantMessage({ id: 'e'.repeat(32), host: 'media-cache-bbbbbbbbbbbb.local', url: 'https://media-cache-bbbbbbbbbbbb.local:8443' });
  const { book, answers } = makeBook({ grants: [] });
  answers.push(
    { grants: [first], more: first['id'] },
    new Error('that grant is gone'),
    { grants: [first], more: first['id'] },
    { grants: [second], more: null },
  );
  await book.sync();
  assert.equal((await book.all()).length, 2);
  assert.equal(answers.length, 0);
  answers.push(new Error('no agent'));
  await assert.rejects(book.sync());
  assert.equal((await book.all()).length, 2, 'what could not be asked changes nothing');
});

test('what is new, or was removed in between, is nothing restored', async () => {
  const listed = { grants: [] as Record<string, unknown>[] };
  const { book, heard } = makeBook(listed);
  await book.sync();
  listed.grants = [grantMessage()];
  await book.sync();
  listed.grants = [grantMessage({ state: 'revoked' })];
  await book.sync();
  listed.grants = [grantMessage()];
  await book.sync();
  assert.deepEqual(heard, [`ended ${id}`]);
});

test('why it is held, and how its site stands, outlive the worker', async () => {
  const site = siteMessage({ state: 'suspended' });
  const held = grantMessage({ state: 'suspended', hold: 'origin_suspended', site });
  const first = makeBook({ grants: [held] });
  await first.book.sync();
  const second = makeBook({ grants: [] });
  second.kept.grants = JSON.parse(JSON.stringify(first.kept.grants));
  const [grant] = await second.book.all();
  assert.equal(grant?.hold, 'origin_suspended');
  assert.deepEqual(grant.site, site);
});
