// Row 46 of docs/threat-model.md, where each person has films of their own (--per-person).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { House } from './lib/house.mjs';
import { MediaCache } from './lib/media.mjs';

const who = (user, issuer = 'https://accounts.example') => ({ headers: { 'X-Latchkey-User': user, 'X-Latchkey-Issuer': issuer } });
const names = async (cache, options) => (await cache.ask('/objects', options)).json.objects.map((one) => one.name);

test('row 46: nobody sees, lists, plays, pins or clears what another person keeps', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house, { more: ['--per-person'] });
  const stored = await cache.put('films/a.mp4', Buffer.from('ann’s film'), { headers: { ...who('ann').headers, 'Content-Type': 'video/mp4', 'Cache-Control': 'public, max-age=86400' } });
  assert.equal(stored.status, 201);
  assert.deepEqual(await names(cache, who('ann')), ['films/a.mp4']);
  const own = await cache.ask('/objects/films/a.mp4', who('ann'));
  assert.equal(own.body.toString(), 'ann’s film');
  // The next person at this browser is asked about before its own cache answers.
  assert.equal(own.headers['cache-control'], 'private, no-cache');
  for (const other of [who('ben'), who('ann', 'https://evil.example'), who('Ann')]) {
    assert.deepEqual(await names(cache, other), []);
    assert.equal((await cache.ask('/objects/films/a.mp4', other)).status, 404);
    assert.equal((await cache.ask('/usage', other)).json.bytes, 0);
    assert.equal((await cache.ask('/objects/films/a.mp4', { method: 'DELETE', ...other })).status, 404);
    assert.equal((await cache.ask('/pins/films/a.mp4', { method: 'PUT', ...other })).status, 404);
    assert.equal((await cache.ask('/objects', { method: 'DELETE', ...other })).status, 204);
  }
  // An address with the tag that the owner got is no way in either.
  assert.equal((await cache.ask('/objects/films/a.mp4', { headers: { ...who('ben').headers, 'If-None-Match': own.headers.etag } })).status, 404);
  assert.equal((await cache.ask('/objects/films/a.mp4', who('ann'))).status, 200);
  // Another site's ann is somebody else, too.
  assert.deepEqual(await names(cache, { origin: 'https://other.example', ...who('ann') }), []);
});

test('row 46: who has not signed in, or half of it, has nothing', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house, { more: ['--per-person'] });
  const { headers } = who('ann');
  for (const half of [{}, { 'X-Latchkey-User': 'ann' }, { 'X-Latchkey-Issuer': headers['X-Latchkey-Issuer'] }, { ...headers, 'X-Latchkey-User': '' },
    { ...headers, 'X-Latchkey-User': 'a b' }, { ...headers, 'X-Latchkey-User': ['ann', 'ben'] }]) {
    const answer = await cache.ask('/objects', { headers: half });
    assert.equal(answer.status, 401, JSON.stringify(half));
    assert.equal(answer.json.error, 'sign_in_required');
    assert.equal((await cache.put('x', Buffer.from('x'), { headers: half })).status, 401);
  }
  // After a restart it is still ann's.
  assert.equal((await cache.put('films/a.mp4', Buffer.from('a'), who('ann'))).status, 201);
  await cache.program.end();
  await cache.run();
  assert.deepEqual(await names(cache, who('ann')), ['films/a.mp4']);
  assert.deepEqual(await names(cache, who('ben')), []);
});
