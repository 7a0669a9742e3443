import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type Attempts, SignIn } from '../src/background/sign-in';
import { type Grant, readGrant } from '../src/protocol/agent';
import { grantMessage } from './grants-data';

const address = { host: 'attic.local', port: 443, url: 'https://attic.local' };
const direct = (change: Record<string, unknown> = {}): Grant =>
  readGrant(grantMessage({ origin: null, ...address, ...change }));
const answer = (change: Partial<Answer> = {}): Answer => ({
  url: 'https://attic.local/films?x=1',
  tabId: 3,
  status: 401,
  headers: [{ name: 'Latchkey-Sign-In', value: '1' }],
  ...change,
});

interface Said {
  readonly status: number;
  readonly body?: string;
}

function makeSignIn(grants: Grant[] = [direct()], says: Said[] = []) {
  const made = {
    posts: [] as string[],
    inits: [] as RequestInit[],
    minted: [] as (string | null)[],
    reloaded: [] as number[],
    clock: 1_000_000,
    kept: {} as Attempts,
    url: 'https://attic.local',
    stays: true,
    refreshed: 0,
    refreshing: (): void => undefined,
  };
  const signIn = new SignIn({
    grants: () => Promise.resolve(grants),
    refresh: () => {
      made.refreshed += 1;
      made.refreshing();
      return Promise.resolve();
    },
    mint: (_, nonce) => {
      made.minted.push(nonce);
      return Promise.resolve({ ticket: `ticket${String(made.minted.length)}`, url: made.url });
    },
    post: (url, init) => {
      made.posts.push(`${url} ${JSON.stringify(init.headers)}`);
      made.inits.push(init);
      const { status, body = '' } = says.shift() ?? { status: 204 };
      return Promise.resolve({ status, text: () => Promise.resolve(body) });
    },
    arrived: () => Promise.resolve(made.stays),
    reload: (tab) => {
      made.reloaded.push(tab);
      return Promise.resolve();
    },
    load: () => Promise.resolve(made.kept),
    save: (attempts) => {
      made.kept = attempts;
      return Promise.resolve();
    },
    now: () => made.clock,
  });
  return { made, signIn };
}

const kPost = 'https://attic.local/.well-known/latchkey/session {"Authorization":"Bearer ticket1"}';

test('a device that asks to sign in gets its ticket, and the page is loaded once more', async () => {
  const { made, signIn } = makeSignIn();
  await signIn.answered(answer());
  assert.deepEqual(made.posts, [kPost]);
  assert.deepEqual(made.reloaded, [3]);
  assert.equal(made.inits[0]?.redirect, 'error');
});

test('a grant that was made a moment ago is asked for, seldom', async () => {
  const grants: Grant[] = [];
  const { made, signIn } = makeSignIn(grants);
  await signIn.answered(answer());
  await signIn.answered(answer());
  assert.deepEqual([made.posts, made.refreshed], [[], 1]);
  made.clock += 1000;
  made.refreshing = () => void grants.push(direct());
  await signIn.answered(answer());
  assert.deepEqual([made.posts, made.reloaded, made.refreshed], [[kPost], [3], 2]);
});

test('who went elsewhere meanwhile is left there', async () => {
  const { made, signIn } = makeSignIn();
  made.stays = false;
  await signIn.answered(answer());
  assert.deepEqual([made.posts, made.reloaded], [[kPost], []]);
});

test('row 40: no ticket for another host, or a page that only looks so', async () => {
  const cases: [string, Partial<Answer>][] = [
    ['another host', { url: 'https://attic-2.local/' }],
    ['a name below it', { url: 'https://x.attic.local/' }],
    ['another port', { url: 'https://attic.local:8443/' }],
    ['no encryption', { url: 'http://attic.local/' }],
    ['an ordinary 401', { headers: [] }],
    ['another word', { headers: [{ name: 'Latchkey-Sign-In', value: '2' }] }],
    ['a page that is fine', { status: 200 }],
    ['no tab', { tabId: -1 }],
  ];
  for (const [what, change] of cases) {
    const { made, signIn } = makeSignIn();
    await signIn.answered(answer(change));
    assert.deepEqual([made.posts, made.minted], [[], []], what);
  }
});

test('only what the person opens, and what stands', async () => {
  for (const grant of [
    direct({ state: 'revoked' }),
    direct({ state: 'suspended' }),
    readGrant(grantMessage(address)),
  ]) {
    const { made, signIn } = makeSignIn([grant]);
    await signIn.answered(answer());
    assert.deepEqual(made.minted, []);
  }
});

test('cookies that do not stay make no circle', async () => {
  const { made, signIn } = makeSignIn();
  await signIn.answered(answer());
  await signIn.answered(answer());
  assert.equal(made.posts.length, 1);
  await signIn.answered(answer({ tabId: 4 }));
  assert.equal(made.posts.length, 2);
  made.clock += 31_000;
  await signIn.answered(answer());
  assert.equal(made.posts.length, 3);
  assert.deepEqual(Object.keys(made.kept), ['3'], 'what is old is forgotten');
});

test('an agent that names another place is not followed', async () => {
  const { made, signIn } = makeSignIn();
  made.url = 'https://evil.local';
  await signIn.answered(answer());
  assert.deepEqual([made.posts, made.reloaded], [[], []]);
});

test('a device that refuses the ticket is not loaded again', async () => {
  for (const said of [
    { status: 401, body: '{"error":"bad_ticket"}' },
    { status: 401, body: 'x'.repeat(5000) },
    { status: 401, body: '{"error":"nonce_required","nonce":"short"}' },
    { status: 200 },
  ]) {
    const { made, signIn } = makeSignIn([direct()], [said]);
    await signIn.answered(answer());
    assert.deepEqual([made.posts.length, made.reloaded.length], [1, 0], said.body);
  }
});

test('a device without a clock gets one more ticket, with its nonce', async () => {
  const nonce = 'n'.repeat(22);
  const asks = { status: 401, body: JSON.stringify({ error: 'nonce_required', nonce }) };
  const good = makeSignIn([direct()], [asks]);
  await good.signIn.answered(answer());
  assert.deepEqual([good.made.minted, good.made.reloaded], [[null, nonce], [3]]);
  const endless = makeSignIn([direct()], [asks, asks, asks]);
  await endless.signIn.answered(answer());
  assert.deepEqual([endless.made.minted, endless.made.reloaded], [[null, nonce], []]);
});
