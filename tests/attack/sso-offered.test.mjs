// Row 45 of docs/threat-model.md, where a web service names the provider: whose word counts, for whom, and
// where the device may be sent to ask.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Device, House } from './lib/house.mjs';
import { finish, served, signIn, start, state } from './lib/sso.mjs';
import { Person } from './lib/binding.mjs';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const naming = (client) => ([{ issuer }]) => ({ sso: { issuer, ...(client ? { client } : {}) } });

test('row 45: a provider that a web service names counts only where the owner says so', async (t) => {
  const owner = ([, known]) => ({ providers: [{ issuer: known.issuer, client_id: 'device' }] });
  const { providers: [named, known], grant } = await served(t, { count: 2, rules: owner, offer: naming('video') });
  assert.equal((await start(grant)).error, 'unknown_issuer');
  assert.equal((await start(grant, { issuer: named.issuer })).error, 'unknown_issuer');
  assert.equal(named.seen.length, 0, 'it was asked nevertheless');
  assert.equal((await signIn(grant, known, { issuer: known.issuer })).status, 200);
});

test('row 45: a provider that a web service names is not looked for in the house', async (t) => {
  const { mallory, grant } = await served(t, { rules: () => ({ accept_offered: true }), offer: naming('video') });
  assert.equal((await start(grant)).error, 'provider_unreachable');
  assert.equal(mallory.seen.length, 0, 'the device knocked at an address of the house');
});

test('row 45: a provider that is asked on the internet does not lead into the house', async (t) => {
  const rules = () => ({ accept_offered: true, offered_from: LOOPBACK });
  const { mallory, grant } = await served(t, { rules, offer: naming('video') });
  mallory.meta = { token_endpoint: 'https://192.168.77.1/token', jwks_uri: 'https://10.0.0.1/jwks' };
  const begun = await start(grant);
  assert.equal(begun.status, 200, JSON.stringify(begun));
  assert.equal((await finish(grant, mallory.authorize(begun.url))).error, 'provider_unreachable');
});

test('row 45: what one web service named is nothing to another', async (t) => {
  const rules = () => ({ accept_offered: true, offered_from: LOOPBACK });
  const { mallory, person, grant, service } = await served(t, { rules, offer: naming('device') });
  assert.equal((await signIn(grant, mallory)).status, 200);
  await grant.fetch('/');
  assert.equal(service.seen.at(-1).headers['x-latchkey-issuer'], mallory.issuer);
  const asked = mallory.seen.length;
  const plain = await person.grantOver('https://plain.example');
  await plain.open();
  for (const body of [{}, { issuer: mallory.issuer }]) {
    assert.equal((await start(plain, { redirect_uri: 'https://plain.example/cb', ...body })).error, 'unknown_issuer');
  }
  // And for a device that somebody opens themselves nobody may name one.
  await assert.rejects(person.grantOver(null, { sso: { issuer: mallory.issuer } }), /refused/);
  assert.equal(mallory.seen.length, asked);
});

test('row 45: another provider\'s ann is not the owner\'s ann', async (t) => {
  const owner = ([, known]) => ({
    providers: [{ issuer: known.issuer, client_id: 'device' }], accept_offered: true, offered_from: LOOPBACK, required: true,
    may_use: [{ issuer: known.issuer, sub: 'ann' }],
  });
  const { providers: [named, known], grant } = await served(t, { count: 2, rules: owner, offer: naming('device') });
  assert.equal((await signIn(grant, named)).error, 'not_allowed');
  assert.equal((await grant.fetch('/')).status, 401);
  assert.equal((await signIn(grant, known, { issuer: known.issuer })).status, 200);
  assert.equal((await grant.fetch('/')).status, 200);
});

test('row 45: what is agreed to anew ends the session of the word before', async (t) => {
  const rules = () => ({ accept_offered: true, offered_from: LOOPBACK });
  const { providers: [first, second], person, grant } = await served(t, { count: 2, rules, offer: naming('device') });
  assert.equal((await signIn(grant, first)).status, 200);
  const agreed = (issuer, more = {}) => person.ask('POST', '/sso', { grant: grant.id, sso: { issuer, client: 'device', ...more } });
  assert.equal((await agreed(second.issuer)).status, 204);
  assert.equal((await grant.fetch('/')).status, 401, 'the session of the provider before goes on');
  delete grant.cookie;
  await grant.open();
  assert.equal((await state(grant)).signed_in, false);
  assert.equal((await start(grant, { issuer: first.issuer })).error, 'unknown_issuer');
  assert.equal((await signIn(grant, second)).status, 200);
  // Somebody else's agent agrees to nothing for this grant, and nonsense is nothing.
  const stranger = new Person(person.device);
  await stranger.pair('https://evil.example');
  const foreign = await stranger.ask('POST', '/sso', { grant: grant.id, sso: { issuer: first.issuer } });
  assert.equal(foreign.map.code, 'not_granted');
  for (const issuer of ['http://idp.example', 'https://idp.example/%2e', 'https://ann@idp.example', 'https://IDP.example', `https://idp.example/${'a'.repeat(600)}`]) {
    assert.equal((await agreed(issuer)).map.code, 'malformed', issuer);
  }
  assert.equal((await state(grant)).signed_in, true);
});

test('a network that is none keeps the device from starting', async (t) => {
  const house = House.open(t);
  const file = house.path('sso.json');
  writeFileSync(file, JSON.stringify({ accept_offered: true, offered_from: ['home'] }));
  await assert.rejects(Device.start(house, { more: ['--sso', file] }), /offered_from: "home" is no network/);
});
