import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  readContentMessage,
  readContentReply,
  readPageCall,
  readWorkerMessage,
} from '../src/protocol/internal';
import { isLive, isOwnPage, pageOf } from '../src/background/sender';
import { nonceIn } from '../src/content/sessions';

const id = 'lookhljbdiipaihladoalchgnlhfpbme';
const page = {
  id,
  origin: 'https://video.example',
  url: 'https://video.example/watch',
  frameId: 0,
  documentId: 'D',
  documentLifecycle: 'active',
  tab: { id: 3 },
};

test('a page in the top frame of a tab is heard', () => {
  assert.deepEqual(pageOf(page, id), {
    origin: 'https://video.example',
    tabId: 3,
    documentId: 'D',
  });
});

test('frames, other extensions, opaque and insecure origins are not', () => {
  const changes = [
    { frameId: 4 },
    { frameId: undefined },
    { id: 'p'.repeat(32) },
    { id: undefined },
    { origin: 'null' },
    { origin: undefined },
    { origin: 'http://video.example' },
    { origin: 'https://video.example/' },
    { origin: `chrome-extension://${id}` },
    { tab: undefined },
    { tab: { id: -1 } },
  ];
  for (const change of changes) {
    assert.equal(pageOf({ ...page, ...change }, id), null, JSON.stringify(change));
  }
});

test('prerendered, frozen and leaving pages are told apart', () => {
  assert.equal(isLive(page), true);
  assert.equal(isLive({ ...page, documentLifecycle: undefined }), true);
  for (const documentLifecycle of ['prerender', 'cached', 'pending_deletion']) {
    assert.equal(isLive({ ...page, documentLifecycle }), false);
  }
});

test('only the very page of the extension is its own page', () => {
  const url = `chrome-extension://${id}/consent.html`;
  assert.equal(isOwnPage({ id, url: `${url}#0123`, frameId: 0 }, id, url), true);
  assert.equal(isOwnPage({ id, url: `chrome-extension://${id}/home.html` }, id, url), false);
  assert.equal(isOwnPage({ id, url: `https://video.example/?${url}` }, id, url), false);
  assert.equal(isOwnPage({ id, url: `${url}#0`, frameId: 2 }, id, url), false);
});

test('what a page may say is bounded', () => {
  assert.deepEqual(
    readPageCall({ call: 1, method: 'request', types: ['nas', 'nas'], origin: 'x' }),
    {
      call: 1,
      method: 'request',
      types: ['nas'],
      sso: null,
    },
  );
  const wrong: unknown[] = [
    null,
    7,
    'list',
    { call: -1, method: 'list' },
    { call: 1, method: 'mint' },
    { call: 1, method: 'ticket', device: 'a'.repeat(22) },
    { call: 1, method: 'request', types: [] },
    { call: 1, method: 'request', types: 'nas' },
    { call: 1, method: 'request', types: Array.from({ length: 9 }, (_, i) => `t${i}`) },
    { call: 1, method: 'request', types: ['Nas'] },
    { call: 1, method: 'request', types: ['a'.repeat(40)] },
    { call: 1, method: 'open' },
    { call: 1, method: 'open', device: '../../x' },
  ];
  for (const message of wrong) assert.throws(() => readPageCall(message), JSON.stringify(message));
});

// src/base/sign_in_test.cc has the same lists: what one side takes the other does.
test('with whom people sign in is an address in its one spelling', () => {
  const read = (sso: unknown): unknown =>
    (readPageCall({ call: 1, method: 'request', types: ['nas'], sso }) as { sso: unknown }).sso;
  for (const issuer of [
    'https://accounts.example',
    'https://accounts.example/',
    'https://a.example:8443',
    'https://login.example/tenant/v2.0',
    'https://login.example/realms/Home/',
    'https://xn--vdeo-l9d.example',
    `https://a.example/${'a'.repeat(494)}`,
  ]) {
    assert.deepEqual(read({ issuer }), { issuer, clientId: null });
    assert.deepEqual(read({ issuer, clientId: 'video' }), { issuer, clientId: 'video' });
  }
  for (const issuer of [
    '',
    'accounts.example',
    'http://accounts.example',
    'HTTPS://accounts.example',
    'https://Accounts.example',
    'https://accounts.example:443',
    'https://ann@accounts.example',
    'https://accounts.example?a=b',
    'https://accounts.example/#x',
    'https://accounts.example//',
    'https://accounts.example/a//b',
    'https://accounts.example/./a',
    'https://accounts.example/a/..',
    'https://accounts.example/%2e',
    'https://',
    'https:///accounts.example',
    'https://accounts.example\\a',
    'https://accounts.example/a b',
    'https://\u00e4.example',
    `https://a.example/${'a'.repeat(495)}`,
    7,
    null,
  ]) {
    assert.throws(() => read({ issuer }), String(issuer));
  }
  const issuer = 'https://accounts.example';
  for (const clientId of ['', 'a b', 'a\n', 'a'.repeat(256), 7]) {
    assert.throws(() => read({ issuer, clientId }), String(clientId));
  }
  for (const sso of ['https://accounts.example', [], {}, 7]) {
    assert.throws(() => read(sso), JSON.stringify(sso));
  }
  assert.equal(read(null), null);
});

test('what a content script may say is bounded', () => {
  const token = '0'.repeat(32);
  assert.equal(readContentMessage({ kind: 'left', token }).kind, 'left');
  const wrong: unknown[] = [
    { kind: 'request', token, types: ['nas'] },
    { kind: 'request', token: 'x', types: ['nas'], localNetwork: 'granted' },
    { kind: 'ticket', device: 'a'.repeat(22) },
    { kind: 'ticket', device: 'a'.repeat(22), nonce: 'no spaces here' },
    { kind: 'home.revoke', grant: token },
    { kind: '__proto__' },
  ];
  for (const message of wrong) {
    assert.throws(() => readContentMessage(message), JSON.stringify(message));
  }
});

test('an answer of another shape is a plain refusal', () => {
  assert.deepEqual(readContentReply(undefined), { ok: false, failure: 'none' });
  assert.deepEqual(readContentReply({ ok: 1 }), { ok: false, failure: 'none' });
  assert.deepEqual(readContentReply({ ok: false, failure: 'secret' }), {
    ok: false,
    failure: 'none',
  });
  assert.equal(readWorkerMessage({ kind: 'ticket' }), null);
});

test('the nonce of a device without a clock', async () => {
  const answer = (body: string): Promise<string | null> => nonceIn(new Response(body));
  assert.equal(await answer('{"error":"nonce_required","nonce":"abc_-1"}'), 'abc_-1');
  assert.equal(await answer('{"error":"other","nonce":"abc"}'), null);
  assert.equal(await answer('{"error":"nonce_required","nonce":"a b"}'), null);
  assert.equal(await answer('{"error":"nonce_required"}'), null);
  assert.equal(await answer('nonsense'), null);
  assert.equal(await answer(' '.repeat(5000)), null);
});
