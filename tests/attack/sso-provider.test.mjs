// Single sign-on with a real identity provider (oidc-provider): what works when everybody behaves, and
// when the provider is away, changes its keys, has a wrong clock, or ends a session.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Authority } from '../lab/authority.mjs';
import { client, identityWords, order, Visitor } from '../lab/identity.mjs';
import { Person } from './lib/binding.mjs';
import { Device, environment, House, Program, until, upstream } from './lib/house.mjs';

const SITE = 'https://video.example';
const PAGE = `${SITE}/signed-in.html`;
const BYE = `${SITE}/bye`;
const SSO = '/.well-known/latchkey/sso';

async function freePort() {
  const server = createServer();
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const { port } = server.address();
  await new Promise((done) => { server.close(done); });
  return port;
}

async function served(t, { provider = { client_id: 'video' }, clients = [client('video', [PAGE], [BYE])], more = {} } = {}) {
  const house = House.open(t);
  const authority = await Authority.create(house.path('authority'));
  const identity = await authority.issue('localhost');
  const port = await freePort();
  const issuer = `https://localhost:${port}`;
  const { words, control } = identityWords(house.folder, { issuer, listen: '127.0.0.1', port, identity, clients });
  const program = new Program(words, environment(house.path('identity-home')));
  house.keep(() => program.end());
  await program.line(/identity on (\d+)/);
  const file = house.path('sso.json');
  writeFileSync(file, JSON.stringify({ providers: [{ issuer, ...provider }], ca_file: authority.certificate, ...more }));
  const service = await upstream(house);
  const device = await Device.start(house, { upstream: service.url, more: ['--sso', file] });
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await grant.open();
  const ca = readFileSync(authority.certificate);
  return { house, issuer, control, program, service, device, person, grant, visitor: new Visitor(ca), ca };
}

async function ask(grant, path, body) {
  const answer = await grant.fetch(`${SSO}${path}`, body === undefined ? {} : { method: 'POST', body: Buffer.from(JSON.stringify(body)) });
  const cookie = /__Host-latchkey=([^;]+)/.exec(answer.headers['set-cookie'] ?? '');
  if (cookie && answer.status === 200) grant.cookie = `__Host-latchkey=${cookie[1]}`;
  return { status: answer.status, ...JSON.parse(answer.body.toString() || '{}') };
}
async function signIn({ grant, visitor }, person, body = {}) {
  const begun = await ask(grant, '/start', { redirect_uri: PAGE, ...body });
  if (begun.status !== 200) return begun;
  return ask(grant, '/finish', await visitor.authorize(begun.url, person));
}
async function userSeen({ grant, service }) {
  assert.equal((await grant.fetch('/')).status, 200);
  return service.seen.at(-1).headers['x-latchkey-user'];
}

test('sso: the first time, silently the next, and as somebody else', async (t) => {
  const stage = await served(t);
  const { grant, service, visitor, ca } = stage;
  assert.equal((await signIn(stage, undefined, { silent: true })).reason, 'login_required');
  assert.equal((await signIn(stage, 'ann')).status, 200);
  assert.equal(await userSeen(stage), 'ann');
  assert.equal(service.seen.at(-1).headers['x-latchkey-email'], 'ann@example.com');
  assert.equal(service.seen.at(-1).headers['x-latchkey-groups'], 'family,parents');
  // Another page's session: nobody, until it asks; then without a question.
  delete grant.cookie;
  await grant.open();
  assert.equal(await userSeen(stage), undefined);
  assert.equal((await signIn(stage, undefined, { silent: true })).status, 200);
  assert.equal(await userSeen(stage), 'ann');
  // A second member of the household, in a browser of their own.
  const ben = { ...stage, visitor: new Visitor(ca) };
  delete grant.cookie;
  await grant.open();
  assert.equal((await signIn(ben, 'ben')).status, 200);
  assert.equal(await userSeen(ben), 'ben');
  assert.equal(service.seen.at(-1).headers['x-latchkey-email'], undefined, 'an address that nobody vouches for');
  void visitor;
});

test('sso: signing out at the device, and at the provider', async (t) => {
  const stage = await served(t);
  const { grant, visitor, control, device } = stage;
  assert.equal((await signIn(stage, 'ann')).status, 200);
  const out = await ask(grant, '/out', { redirect_uri: BYE });
  assert.equal(out.status, 200);
  assert.equal(await userSeen(stage), undefined);
  await until(async () => (await order(control, { seen: true })).includes('POST /token/revocation'), 'the provider to be told');
  // The address it gave ends the session there, too.
  const bye = await visitor.logout(out.url);
  assert.equal(new URL(bye.location).href, BYE);
  assert.equal((await signIn(stage, undefined, { silent: true })).reason, 'login_required');
  // Now at the provider alone: the device asks every 45 s, and is rid of them within a minute.
  assert.equal((await signIn(stage, 'ann')).status, 200);
  const begun = Date.now();
  await visitor.logout(`${stage.issuer}/session/end?client_id=video`);
  assert.equal(await userSeen(stage), 'ann');
  await until(async () => !(await ask(grant, '')).signed_in, 'the device to sign them out', 60000);
  t.diagnostic(`signed out ${Math.round((Date.now() - begun) / 1000)} s after the provider`);
  assert.equal(await userSeen(stage), undefined);
  assert.match(device.program.output + device.program.errors, /signed out \(refused: invalid_grant\)/);
});

test('sso: keys that change, of every algorithm', async (t) => {
  const stage = await served(t);
  assert.equal((await signIn(stage, 'ann')).status, 200);
  for (const algorithm of ['RS256', 'PS256']) {
    await order(stage.control, { rotate: algorithm });
    // Asking for keys again is rationed to once in 30 seconds.
    await until(async () => {
      const done = await signIn(stage, 'ann');
      if (done.status !== 200) assert.equal(done.error, 'bad_signature');
      return done.status === 200;
    }, `a sign-in with ${algorithm}`, 45000);
    assert.equal(await userSeen(stage), 'ann');
  }
});

test('sso: a provider that is away, or has a wrong clock', async (t) => {
  const stage = await served(t);
  const { control, grant } = stage;
  await order(control, { down: true });
  assert.deepEqual(await ask(grant, '/start', { redirect_uri: PAGE }), { status: 504, error: 'provider_unreachable' });
  assert.equal((await grant.fetch('/')).status, 200);
  await order(control, { down: false });
  await order(control, { skew: 90 });
  assert.equal((await signIn(stage, 'ann')).status, 200, 'a minute and a half is forgiven');
  await order(control, { skew: 1200 });
  assert.equal((await signIn(stage, 'ann')).error, 'out_of_time');
  await order(control, { skew: 0 });
});

test('sso: a device that makes itself known, on its own host', async (t) => {
  const stage = await served(t, { provider: {}, clients: [], more: { may_manage: [{ issuer: 'https://localhost', group: 'parents' }] } });
  const own = await stage.person.grantOver(null);
  await own.open();
  const window = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'same-origin' };
  const away = await own.fetch(`${SSO}/start?return_to=%2Ffilms`, { headers: window });
  assert.equal(away.status, 303, away.body.toString());
  const sent = await stage.visitor.authorize(away.headers.location, 'ann');
  const answer = await own.fetch(`${SSO}/finish`, { method: 'POST', body: Buffer.from(JSON.stringify(sent)), headers: { Origin: `https://${own.host}` } });
  assert.deepEqual(JSON.parse(answer.body.toString()), { return_to: '/films', signed_in: true });
  const seen = await order(stage.control, { seen: true });
  assert.equal(seen.filter((one) => one === 'POST /reg').length, 1);
  // After a restart it is still whom it registered as.
  await stage.device.restart();
  delete own.cookie;
  await own.open();
  const again = await own.fetch(`${SSO}/start?return_to=%2F`, { headers: window });
  assert.equal(again.status, 303, again.body.toString());
  assert.equal(new URL(again.headers.location).searchParams.get('client_id'), new URL(away.headers.location).searchParams.get('client_id'));
  assert.equal((await order(stage.control, { seen: true })).filter((one) => one === 'POST /reg').length, 1);
});

test('sso: from another screen (device grant), and who may not', async (t) => {
  const stage = await served(t, { more: { required: true } });
  const { grant, visitor, issuer } = stage;
  assert.equal((await grant.fetch('/')).status, 401);
  const shown = await ask(grant, '/device', {});
  assert.equal(shown.status, 200, JSON.stringify(shown));
  assert.ok(shown.user_code && shown.verification_uri.startsWith(issuer));
  assert.equal((await ask(grant, '')).pending, true);
  assert.equal((await grant.fetch('/')).status, 401);
  const again = await ask(grant, '/device', {});
  assert.notEqual(again.user_code, shown.user_code);
  void visitor;
});
