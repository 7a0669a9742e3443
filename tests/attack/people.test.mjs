// Several people at one device: rows 16 and 36 of docs/threat-model.md. The second person holds a
// grant of his own, made with a code that he was told: he is no stranger to the device, only to the
// first person's things.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { Device, House } from './lib/house.mjs';

const SITE = 'https://video.example';

test('row 16: a second person takes the id of the first one\'s grant for his own', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await grant.open();
  const thief = new Person(device);
  const same = await thief.pair(SITE, { changes: { grant: grant.id } });
  await same.open();
  assert.notEqual(same.host, grant.host);
  // A session, a ticket and a nonce of one are nothing on the other's host.
  assert.equal((await grant.fetch('/', { headers: { Cookie: same.cookie } })).status, 401);
  assert.equal((await same.fetch('/', { headers: { Cookie: grant.cookie } })).status, 401);
  assert.equal((await grant.post(same.ticket({ claims: { aud: grant.host, sub: grant.sub } }))).status, 401);
  const jti = Buffer.alloc(16, 7).toString('base64url');
  await device.restart();
  const { nonce } = JSON.parse((await same.post(same.ticket())).body);
  const stolen = JSON.parse((await grant.post(grant.ticket({ claims: { nonce } }))).body);
  assert.equal(stolen.error, 'nonce_required', 'a nonce that was given to the other');
  await grant.open();
  await same.open();
  assert.equal((await grant.post(grant.ticket({ claims: { jti, nonce: JSON.parse((await grant.post(grant.ticket())).body).nonce } }))).status, 204);
  // What he ends is his: the first one's session goes on, and her used ticket stays used.
  const live = await grant.connect();
  assert.equal((await grant.fetch('/', { socket: live })).status, 404);
  assert.equal((await thief.ask('POST', '/suspend', { grant: grant.id })).status, 204);
  assert.equal((await thief.ask('POST', '/resume', { grant: grant.id })).status, 204);
  assert.equal((await same.fetch('/', { headers: {} })).status, 401, 'his own session ended');
  assert.equal((await thief.ask('DELETE', `/grants/${grant.id.toString('hex')}`)).status, 204);
  assert.equal((await grant.fetch('/', { socket: live })).status, 404, 'the connection lives');
  assert.equal((await grant.fetch('/')).status, 404, 'and so does the session');
  live.destroy();
  assert.deepEqual((await person.ask('GET', '/grants')).map.grants.map((one) => one.host), [grant.host]);
  await assert.rejects(same.connect());
});
