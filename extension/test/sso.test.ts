// The page's part of single sign-on: what is carried to the device, and what is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SingleSignOn, kSignInChannel } from '../src/page/sso';

const kAuthorize = 'https://idp.example/auth?state=s1&client_id=c';
const kPage = 'https://video.example/signed-in';

interface Sent {
  readonly path: string;
  readonly body: unknown;
}

// A page and a device: `answers` by path. `arrive` is what the redirect page says once the frame or the
// window was sent away.
function stage(answers: Record<string, [number, unknown]>, arrive: readonly string[] = []) {
  const sent: Sent[] = [];
  const opened: { closed: boolean; location: { replace: (url: string) => void } }[] = [];
  const send = (path: string, init?: RequestInit): Promise<Response> => {
    const name = path.replace('/.well-known/latchkey/sso', '');
    sent.push({ path: name, body: init === undefined ? null : JSON.parse(init.body as string) });
    const [status, body] = answers[name] ?? [404, { error: 'not_found' }];
    return Promise.resolve(new Response(JSON.stringify(body), { status }));
  };
  const away = (url: string): void => {
    assert.equal(url, kAuthorize);
    setTimeout(() => {
      const channel = new BroadcastChannel(kSignInChannel);
      for (const search of arrive) channel.postMessage({ search });
      channel.close();
    }, 0);
  };
  const target = {
    BroadcastChannel,
    open: () => {
      const window = { closed: false, location: { replace: away }, close: () => undefined };
      opened.push(window);
      return window;
    },
    document: {
      createElement: () => ({ hidden: false, src: '', remove: () => undefined }),
      body: { append: (frame: { src: string }) => { away(frame.src); } },
    },
  };
  return { sso: new SingleSignOn(send, target as never), sent, opened, target };
}

const kStarted: [number, unknown] = [200, { url: kAuthorize }];
const kKnown: [number, unknown] = [200, { signed_in: true, issuer: 'https://idp.example', user: 'ann' }];

test('hands the answer of this very sign-in to the device, and nothing else of it', async () => {
  const { sso, sent } = stage(
    { '/start': kStarted, '/finish': [200, { signed_in: true }], '': kKnown },
    ['?state=other&code=evil', '?state=s1&code=c1&iss=https%3A%2F%2Fidp.example&extra=x'],
  );
  const who = await sso.signIn({ redirectUri: kPage });
  assert.deepEqual(who, { issuer: 'https://idp.example', user: 'ann' });
  assert.deepEqual(sent, [
    { path: '/start', body: { redirect_uri: kPage, silent: false } },
    { path: '/finish', body: { state: 's1', code: 'c1', iss: 'https://idp.example' } },
    { path: '', body: null },
  ]);
});

test('a silent attempt gives null where the person would have to be asked, and throws otherwise', async () => {
  const silent = (reason: string) =>
    stage(
      { '/start': kStarted, '/finish': [403, { error: 'refused', reason }] },
      ['?state=s1&error=login_required'],
    );
  const { sso, opened } = silent('login_required');
  assert.equal(await sso.signIn({ redirectUri: kPage, silent: true }), null);
  assert.equal(opened.length, 0, 'a window was opened');
  await assert.rejects(silent('access_denied').sso.signIn({ redirectUri: kPage, silent: true }), {
    name: 'NotAllowedError',
  });
});

test('says what is the matter by the name of the error', async () => {
  const start = (answer: [number, unknown]) =>
    stage({ '/start': answer }).sso.signIn({ redirectUri: kPage, silent: true });
  await assert.rejects(start([404, { error: 'not_found' }]), { name: 'NotSupportedError' });
  await assert.rejects(start([504, { error: 'provider_unreachable' }]), { name: 'NetworkError' });
  await assert.rejects(start([403, { error: 'not_allowed' }]), { name: 'NotAllowedError' });
  await assert.rejects(start([200, { url: 'javascript:alert(1)' }]), { name: 'OperationError' });
  await assert.rejects(start([502, '<html>']), { name: 'OperationError' });
  const blocked = stage({ '/start': kStarted });
  blocked.target.open = () => null as never;
  await assert.rejects(blocked.sso.signIn({ redirectUri: kPage }), { name: 'NotAllowedError' });
  assert.equal(blocked.sent.length, 0);
});

test('signs out here, and gives an https address for the rest', async () => {
  const out = (url: unknown) => stage({ '/out': [200, { url }] }).sso.signOut({ redirectUri: kPage });
  assert.equal(await out('https://idp.example/end'), 'https://idp.example/end');
  assert.equal(await out('javascript:alert(1)'), null);
  assert.equal(await out(null), null);
  assert.equal(await stage({ '/out': [409, { error: 'not_signed_in' }] }).sso.signOut(), null);
  assert.equal(await stage({ '': [200, { signed_in: false }] }).sso.state(), null);
});
