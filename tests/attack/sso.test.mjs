// Single sign-on, row 45 of docs/threat-model.md: against the real device, a provider that is wrong in
// one point at a time, and a page that tries to make use of somebody else's sign-in.

import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Device, House, until } from './lib/house.mjs';
import { as, ask, finish, otherSession, PAGE, served, signIn, SSO, start, state } from './lib/sso.mjs';

test('row 45: who signs in is who the service is told, and nobody else can say so', async (t) => {
  const { mallory, grant, service } = await served(t);
  assert.deepEqual(await state(grant).then(({ signed_in: one }) => one), false);
  const forged = { headers: { 'X-Latchkey-User': 'boss', X_Latchkey_User: 'boss', 'X-Latchkey-Groups': 'admins' } };
  await grant.fetch('/', forged);
  assert.doesNotMatch(JSON.stringify(service.seen.at(-1).raw), /boss|admins/);
  mallory.claims = { email: 'ann@example.com', email_verified: true, groups: ['family'] };
  const before = grant.cookie;
  const done = await signIn(grant, mallory);
  assert.equal(done.status, 200);
  assert.notEqual(grant.cookie, before, 'the session keeps its old cookie');
  await grant.fetch('/', forged);
  const { headers, raw } = service.seen.at(-1);
  assert.doesNotMatch(JSON.stringify(raw), /boss|admins/);
  assert.equal(headers['x-latchkey-user'], 'ann');
  assert.equal(headers['x-latchkey-issuer'], mallory.issuer);
  assert.equal(headers['x-latchkey-email'], 'ann@example.com');
  assert.equal(headers['x-latchkey-groups'], 'family');
  assert.doesNotMatch(JSON.stringify(raw), /id_token|refresh/);
  // Fixation: whoever knew the cookie before knows nothing now.
  assert.equal((await as(grant, before, () => grant.fetch('/'))).status, 401);
  assert.equal((await ask(grant, '/out', {})).url.startsWith(`${mallory.issuer}/end?`), true);
  await grant.fetch('/');
  assert.equal(service.seen.at(-1).headers['x-latchkey-user'], undefined);
});

test('row 45: an answer of another session, of nobody, or used before', async (t) => {
  const { mallory, person, grant } = await served(t);
  const begun = await start(grant);
  const answer = mallory.authorize(begun.url);
  // Login CSRF: Mallory's answer in somebody else's page, of the same web service and of another.
  const theirs = await otherSession(grant);
  assert.deepEqual((({ status, error }) => ({ status, error }))(await as(grant, theirs, () => finish(grant, answer))), { status: 409, error: 'unknown_flow' });
  const evil = await person.grantOver('https://evil.example');
  await evil.open();
  assert.equal((await finish(evil, answer)).error, 'unknown_flow');
  assert.equal((await finish(grant, { ...answer, state: 'AAAA' })).error, 'unknown_flow');
  assert.equal((await grant.fetch(`${SSO}/finish`, { method: 'POST', body: Buffer.from(JSON.stringify(answer)), headers: { Origin: 'https://evil.example' } })).status, 403);
  assert.equal(mallory.asked('/token').length, 0, 'the code went out');
  assert.equal((await finish(grant, answer)).status, 200);
  // Replayed.
  assert.equal((await finish(grant, answer)).error, 'unknown_flow');
  assert.equal(mallory.asked('/token').length, 1);
  assert.equal((await as(grant, theirs, () => state(grant))).signed_in, false);
});

test('row 45: a code that was got elsewhere is injected', async (t) => {
  const { mallory, grant } = await served(t);
  const first = mallory.authorize((await start(grant)).url);
  const second = mallory.authorize((await start(grant)).url);
  // A provider without PKCE would answer with the first one's token: its nonce is another one's.
  const mixed = await finish(grant, { ...second, code: first.code });
  assert.equal(mixed.error, 'foreign_token');
  assert.equal((await state(grant)).signed_in, false);
  // And one with PKCE is given a verifier that does not fit the first one's challenge.
  const { createHash } = await import('node:crypto');
  const [sent] = mallory.asked('/token');
  const challenge = createHash('sha256').update(sent.form.get('code_verifier')).digest('base64url');
  assert.equal(mallory.codes.get(second.code).code_challenge, challenge);
  assert.notEqual(mallory.codes.get(first.code).code_challenge, challenge);
});

test('row 45: two providers are mixed up', async (t) => {
  const { providers: [honest, evil], grant } = await served(t, { count: 2 });
  assert.equal((await start(grant)).error, 'unknown_issuer', 'which of the two was not said');
  assert.equal((await start(grant, { issuer: 'https://third.example' })).error, 'unknown_issuer');
  // The person chose the evil one, which sends them to the honest one's page: the honest code would
  // go to the evil token endpoint.
  evil.meta = { authorization_endpoint: `${honest.issuer}/auth` };
  const begun = await start(grant, { issuer: evil.issuer });
  assert.equal(new URL(begun.url).origin, honest.issuer);
  assert.equal((await finish(grant, honest.authorize(begun.url))).error, 'mix_up');
  assert.equal(evil.asked('/token').length, 0, 'the honest provider\'s code went to the evil one');
  // The other way round: an answer of the evil one in a sign-in at the honest one.
  const other = await start(grant, { issuer: honest.issuer });
  assert.equal((await finish(grant, evil.authorize(other.url))).error, 'mix_up');
  assert.equal(honest.asked('/token').length, 0);
  assert.equal((await signIn(grant, honest, { issuer: honest.issuer })).status, 200);
});

test('row 45: an answer that names another provider, or none', async (t) => {
  const { mallory, grant } = await served(t);
  for (const iss of ['https://evil.example', '', `${mallory.issuer}/`]) {
    const answer = mallory.authorize((await start(grant)).url);
    assert.equal((await finish(grant, { ...answer, iss })).error, 'mix_up', iss);
  }
  assert.equal(mallory.asked('/token').length, 0);
  // A document that makes one provider pass for another.
  const other = await served(t);
  other.mallory.meta = { issuer: mallory.issuer };
  assert.equal((await start(other.grant)).error, 'mix_up');
});

test('row 45: tokens that are not for this sign-in', async (t) => {
  const { mallory, grant } = await served(t);
  const now = Math.floor(Date.now() / 1000);
  for (const [what, claims, header, error] of [
    ['another device', { aud: 'other' }, {}, 'foreign_token'],
    ['two audiences', { aud: ['device', 'other'] }, {}, 'foreign_token'],
    ['another party', { azp: 'other' }, {}, 'foreign_token'],
    ['another provider', { iss: 'https://evil.example' }, {}, 'mix_up'],
    ['another sign-in', { nonce: 'n' }, {}, 'foreign_token'],
    ['expired', { exp: now - 300 }, {}, 'out_of_time'],
    ['from the future', { iat: now + 900, exp: now + 1200 }, {}, 'out_of_time'],
    ['made long ago', { iat: now - 3600 }, {}, 'out_of_time'],
    ['unsigned', {}, { alg: 'none' }, 'unsupported'],
    ['signed with the public key as a secret', {}, { alg: 'HS256' }, 'unsupported'],
    ['another algorithm than the key\'s', {}, { alg: 'RS256' }, 'bad_signature'],
    ['a key nobody has', {}, { kid: 'k9' }, 'bad_signature'],
    ['a subject that breaks a header', { sub: 'a\r\nX-Latchkey-Origin: x' }, {}, 'malformed'],
    ['no subject', { sub: undefined }, {}, 'malformed'],
  ]) {
    Object.assign(mallory, { claims, header });
    assert.equal((await signIn(grant, mallory)).error, error, what);
    assert.equal((await state(grant)).signed_in, false, what);
  }
  Object.assign(mallory, { claims: {}, header: {} });
  assert.equal((await signIn(grant, mallory)).status, 200, 'and then one that is right');
});

test('row 45: a provider that floods, hangs, or sends the device elsewhere', async (t) => {
  const { mallory, grant, device, service } = await served(t);
  mallory.overrides['/jwks'] = (say) => say(200, { keys: Array(33).fill({ ...mallory.jwk, kid: 'k1' }) });
  assert.equal((await signIn(grant, mallory)).error, 'malformed');
  mallory.overrides['/jwks'] = (say) => say(200, `{"keys":[${'{"kty":"RSA"},'.repeat(200000)}{}]}`);
  const flooded = await signIn(grant, mallory);
  assert.ok(['bad_signature', 'provider_unreachable'].includes(flooded.error), flooded.error);
  // One that never ends is not read to the end, nor kept: what was sent is what fits in buffers on the way.
  let sent = 0;
  const flood = (say, response) => {
    const piece = Buffer.alloc(65536, ' ');
    const pour = () => {
      while (!response.destroyed && sent < 256 << 20) {
        sent += piece.length;
        if (!response.write(piece)) return response.once('drain', pour);
      }
      return response.end();
    };
    response.writeHead(200, { 'Content-Type': 'application/json' });
    pour();
  };
  const endless = await served(t);
  endless.mallory.overrides['/jwks'] = flood;
  assert.equal((await signIn(endless.grant, endless.mallory)).error, 'provider_unreachable');
  assert.ok(sent > 0 && sent < 32 << 20, `${sent} bytes were taken`);
  // A redirect of the token endpoint takes the code nowhere.
  const elsewhere = [];
  mallory.overrides['/elsewhere'] = (say, response, form) => { elsewhere.push(form); say(200, {}); };
  mallory.overrides['/token'] = (say) => say(307, {}, { Location: `${mallory.issuer}/elsewhere` });
  assert.equal((await signIn(grant, mallory)).error, 'malformed');
  assert.equal(elsewhere.length, 0);
  // A token endpoint that never answers: the page is told, and everybody else is served meanwhile.
  let held;
  mallory.overrides['/token'] = (say, response) => { held = response; };
  const answer = mallory.authorize((await start(grant)).url);
  const waiting = finish(grant, answer);
  await until(() => held, 'the token endpoint to be asked');
  assert.equal((await grant.fetch('/')).status, 200);
  assert.equal(service.seen.at(-1).url, '/');
  assert.equal((await waiting).error, 'provider_unreachable');
  assert.equal((await state(grant)).signed_in, false);
  assert.equal(device.program.exit, undefined);
});

test('row 45: nobody is sent anywhere but to the grant\'s own pages', async (t) => {
  const { mallory, person, grant } = await served(t);
  for (const body of [
    { redirect_uri: 'https://evil.example/' }, { redirect_uri: 'https://video.example.evil.example/' }, { redirect_uri: 'http://video.example/' },
    { redirect_uri: 'https://video.example@evil.example/' }, { redirect_uri: '' }, { redirect_uri: PAGE, return_to: '//evil.example' },
    { redirect_uri: PAGE, return_to: 'https://evil.example' }, { redirect_uri: PAGE, return_to: '/\\evil.example' },
  ]) {
    assert.equal((await start(grant, body)).status, 400, JSON.stringify(body));
  }
  assert.equal(mallory.seen.length, 0, 'the provider was asked nevertheless');
  // A direct host goes to itself, whatever a link says; another site's link begins nothing.
  const own = await person.grantOver(null);
  await own.open();
  const window = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'same-origin' };
  const go = (query, headers = window) => own.fetch(`${SSO}/start${query}`, { headers });
  for (const to of ['//evil.example', 'https://evil.example', '/\\evil.example', '/\r\nLocation:x']) {
    assert.equal((await go(`?return_to=${encodeURIComponent(to)}`)).status, 400, to);
  }
  assert.equal((await go('?return_to=%2F', { ...window, 'Sec-Fetch-Site': 'cross-site' })).status, 403);
  const away = await go('?return_to=%2Ffilms');
  assert.equal(away.status, 303);
  const sent = new URL(away.headers.location);
  assert.equal(sent.origin, mallory.issuer);
  assert.equal(sent.searchParams.get('redirect_uri'), `https://${own.host}${SSO}/callback`);
  const back = await own.fetch(`${SSO}/callback?state=s&code=c`, { headers: { ...window, 'Sec-Fetch-Site': 'cross-site' } });
  assert.equal(back.status, 200);
  assert.doesNotMatch(back.body.toString(), /code=c/);
  const done = JSON.parse((await own.fetch(`${SSO}/finish`, {
    method: 'POST', body: Buffer.from(JSON.stringify(mallory.authorize(away.headers.location))), headers: { Origin: `https://${own.host}` },
  })).body.toString());
  assert.deepEqual(done, { return_to: '/films', signed_in: true });
});

test('row 45: a page that says no leads back to this host\'s own sign-in, whatever the address held', async (t) => {
  const { providers: [first, second], person } = await served(t, { count: 2, rules: ([one, two]) => ({
    providers: [{ issuer: one.issuer, client_id: 'device' }, { issuer: two.issuer, client_id: 'device' }], required: true,
    may_use: [{ issuer: one.issuer, sub: 'ann' }],
  }) });
  const own = await person.grantOver(null);
  await own.open();
  const headers = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'same-origin' };
  // The page's own picture aside, which is in the page.
  const links = (page) => [...page.body.toString().matchAll(/href="(?!data:image)([^"]*)"/g)].map(([, link]) => link.replaceAll('&amp;', '&'));
  const go = async (query) => own.fetch(`${SSO}/start${query}`, { headers });
  // Two providers and none was named: the person chooses, and keeps their way.
  const choose = await go('?return_to=%2Ffilms');
  assert.equal(choose.status, 200);
  assert.deepEqual(links(choose), [first.issuer, second.issuer].sort().map((issuer) => `${SSO}/start?return_to=%2Ffilms&issuer=${encodeURIComponent(issuer)}`));
  for (const query of ['?return_to=%2F%2Fevil.example', '?return_to=javascript%3Aalert(1)', '?return_to=%2F&issuer=https%3A%2F%2Fevil.example',
    '?return_to=%2F&issuer=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E', '?return_to=%22%3E%3Cscript%3E']) {
    const page = await go(query);
    assert.ok([400, 404].includes(page.status), `${query}: ${page.status}`);
    assert.deepEqual(links(page), [`${SSO}/start?return_to=%2F`], query);
    assert.doesNotMatch(page.body.toString(), /<script|evil/);
  }
  assert.equal(first.seen.length + second.seen.length, 0);
  // Somebody for whom it is not: the way to be somebody else asks anew, of the provider too.
  first.who = 'ben';
  const away = await go(`?return_to=%2Ffilms&issuer=${encodeURIComponent(first.issuer)}`);
  const refused = await own.fetch(`${SSO}/finish`, {
    method: 'POST', body: Buffer.from(JSON.stringify(first.authorize(away.headers.location))), headers: { Origin: `https://${own.host}` },
  });
  assert.deepEqual(JSON.parse(refused.body), { error: 'not_allowed', return_to: '/films' });
  const callback = await own.fetch(`${SSO}/callback`, { headers: { ...headers, 'Sec-Fetch-Site': 'cross-site' } });
  assert.deepEqual(new Set(links(callback)), new Set([`${SSO}/start?return_to=%2F`, `${SSO}/start?return_to=%2F&anew=1`]));
  const other = await go(`?return_to=%2Ffilms&anew=1&issuer=${encodeURIComponent(first.issuer)}`);
  assert.equal(new URL(other.headers.location).searchParams.get('prompt'), 'login');
});

test('row 45: the provider\'s logout page reaches a device\'s own host, and nobody learns anything by it', async (t) => {
  const { mallory, person } = await served(t);
  const own = await person.grantOver(null);
  await own.open();
  const window = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'same-origin' };
  const away = await own.fetch(`${SSO}/start?return_to=%2F`, { headers: window });
  await own.fetch(`${SSO}/finish`, {
    method: 'POST', body: Buffer.from(JSON.stringify(mallory.authorize(away.headers.location))), headers: { Origin: `https://${own.host}` },
  }).then((answer) => { [own.cookie] = answer.headers['set-cookie'].split(';'); });
  const signedIn = async () => JSON.parse((await own.fetch(SSO, { headers: { 'Sec-Fetch-Site': 'same-origin' } })).body).signed_in;
  assert.equal(await signedIn(), true);
  // As the browser asks for a frame in the provider's page: from another site, and so without the cookie.
  const frame = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe', 'Sec-Fetch-Site': 'cross-site' };
  const logout = async (iss, sid, headers = frame) => {
    const mine = own.cookie;
    delete own.cookie;
    const answer = await own.fetch(`${SSO}/frontchannel-logout?${new URLSearchParams({ iss, sid })}`, { headers });
    own.cookie = mine;
    return answer;
  };
  const heard = await logout(mallory.issuer, 'sid-2');
  assert.equal(heard.status, 200);
  assert.match(heard.headers['content-security-policy'], new RegExp(`frame-ancestors ${mallory.issuer}$`));
  assert.equal(await signedIn(), true, 'another session of the provider ended it');
  const stranger = await logout('https://evil.example', 'sid-1');
  assert.match(stranger.headers['content-security-policy'], /frame-ancestors 'none'$/);
  assert.equal((await logout(mallory.issuer, 'sid-1', { ...frame, 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' })).status, 403);
  assert.equal(await signedIn(), true);
  const done = await logout(mallory.issuer, 'sid-1');
  assert.deepEqual([done.status, done.body.toString()], [heard.status, heard.body.toString()], 'the answer says whether somebody was signed in');
  assert.equal(await signedIn(), false);
});

test('row 45: it ends with the session, and with the grant', async (t) => {
  const { mallory, person, grant, service } = await served(t, { more: { required: true } });
  assert.equal((await grant.fetch('/')).status, 401);
  assert.equal(service.seen.length, 0);
  assert.equal((await signIn(grant, mallory)).status, 200);
  assert.equal((await grant.fetch('/')).status, 200);
  // A fresh session of the same web service is nobody.
  const other = await otherSession(grant);
  assert.equal((await as(grant, other, () => grant.fetch('/'))).status, 401);
  // Revoked while the provider is being asked: nobody is signed in by the late answer.
  let held;
  mallory.overrides['/token'] = (say) => { held = say; };
  const answer = mallory.authorize((await start(grant)).url);
  const waiting = finish(grant, answer).then(() => 'answered', () => 'cut');
  await until(() => held, 'the token endpoint to be asked');
  assert.ok([200, 204].includes((await person.ask('DELETE', `/grants/${grant.id.toString('hex')}`)).status));
  held(200, { access_token: 'a', token_type: 'Bearer', id_token: mallory.idToken(answer.code) });
  assert.ok(['answered', 'cut'].includes(await waiting));
  await assert.rejects(grant.connect());
});

test('a file of rules that is not understood keeps the device from starting', async (t) => {
  const house = House.open(t);
  const file = house.path('sso.json');
  const start = (text) => {
    writeFileSync(file, text);
    return Device.start(house, { more: ['--sso', file] }).then(() => '', (error) => error.message);
  };
  assert.match(await start('{"providers":[{"issuer":"https://idp.example"}],"requierd":true}'), /"requierd" is not known/);
  const secret = house.path('secret');
  writeFileSync(secret, 'hush');
  chmodSync(secret, 0o644);
  assert.match(await start(JSON.stringify({ providers: [{ issuer: 'https://idp.example', client_id: 'a', client_secret_file: secret }] })), /client_secret_file/);
});
