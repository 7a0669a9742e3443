// Single sign-on with a real identity provider (oidc-provider): what works when everybody behaves, and
// when the provider is away or has a wrong clock. What takes its time is in sso-upkeep.test.mjs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { order, Visitor } from '../lab/identity.mjs';
import { ask, PAGE, served, signIn, SSO, userSeen } from './lib/identity.mjs';
import { until } from './lib/house.mjs';

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
  const { grant, visitor, issuer, control } = stage;
  assert.equal((await grant.fetch('/')).status, 401);
  const shown = await ask(grant, '/device', {});
  assert.equal(shown.status, 200, JSON.stringify(shown));
  assert.ok(shown.user_code && shown.verification_uri.startsWith(issuer));
  assert.equal((await ask(grant, '')).pending, true);
  assert.equal((await grant.fetch('/')).status, 401);
  // A second question takes the place of the first: its code opens nothing here any more.
  const again = await ask(grant, '/device', {});
  assert.notEqual(again.user_code, shown.user_code);
  await visitor.enterCode(shown.verification_uri, shown.user_code, 'ben');
  await until(async () => (await order(control, { seen: true })).filter((one) => one === 'POST /token').length >= 2, 'the device to ask twice', 30000);
  assert.equal((await ask(grant, '')).signed_in, false, 'the code that was replaced signed somebody in');
  // On another screen, by somebody else's browser.
  await new Visitor(stage.ca).enterCode(again.verification_uri, again.user_code, 'ann');
  await until(async () => (await ask(grant, '')).signed_in, 'the device to hear of it', 30000);
  assert.equal(await userSeen(stage), 'ann');
  assert.equal((await ask(grant, '')).pending, undefined);
});

test('sso: whom the owner has not named stays outside, in groups and addresses of the real provider too', async (t) => {
  const stage = await served(t, { rules: (issuer) => ({ required: true, may_use: [{ issuer, group: 'parents' }], may_manage: [{ issuer, email: 'ann@example.com' }] }) });
  const { grant, ca } = stage;
  const ben = { ...stage, visitor: new Visitor(ca) };
  assert.equal((await signIn(ben, 'ben')).error, 'not_allowed');
  assert.equal((await grant.fetch('/')).status, 401);
  assert.equal((await signIn(stage, 'ann')).status, 200);
  assert.equal(await userSeen(stage), 'ann');
  assert.equal((await ask(grant, '')).may_manage, true);
});
