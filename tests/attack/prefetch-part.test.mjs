// A large file of which a part has come when the power fails: what is on the disk is not fetched again, and
// nothing is put together of two files. Row 46 of docs/threat-model.md.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { House, until } from './lib/house.mjs';
import { MediaCache } from './lib/media.mjs';
import { makeAuthority, WebOrigin } from './lib/origin.mjs';

const STEP = 32 << 20;  // how often what has come is noted: apps/media-cache/fetching.cc
const film = randomBytes(STEP + (8 << 20));
const SENT = STEP + (3 << 20);

/** A cache that has got `SENT` bytes of a film and waits for the rest. */
async function halfway(t, { tag = '"v1"' } = {}) {
  const house = House.open(t);
  const authority = await makeAuthority(house);
  const web = { tag, content: film, asked: [] };
  const origin = await WebOrigin.start(house, authority, (request, response) => {
    const { range, 'if-range': ifRange } = request.headers;
    web.asked.push({ range, ifRange });
    const begin = range && ifRange === web.tag ? Number(/^bytes=(\d+)-$/.exec(range)[1]) : 0;
    const length = web.content.length;
    response.writeHead(begin > 0 ? 206 : 200, {
      ETag: web.tag, 'Content-Length': length - begin, ...(begin > 0 ? { 'Content-Range': `bytes ${begin}-${length - 1}/${length}` } : {}),
    });
    if (web.asked.length === 1) response.write(web.content.subarray(0, SENT));
    else response.end(web.content.subarray(begin));
  });
  const cache = await MediaCache.start(house, { more: ['--ca-file', authority.ca, '--fetch-from', '127.0.0.1'] });
  const answer = await cache.ask('/prefetch', {
    method: 'POST', body: JSON.stringify({ urls: [`${origin.url}/film.mp4`] }), headers: { 'Content-Type': 'application/json' },
  });
  assert.equal(answer.status, 202);
  const incoming = join(cache.state, 'incoming');
  const [draft] = await until(() => {
    const list = readdirSync(incoming, { withFileTypes: true }).map(({ name }) => join(incoming, name));
    return list.length > 0 && web.asked.length === 1 && list;
  }, 'the beginning of the film');
  return { cache, origin, web, draft, job: answer.json.path };
}
/** The part is in the index: it is noted before more is written, and all that was sent is written. */
const noted = ({ draft }) => until(() => statSync(draft).size === SENT, 'what was sent');
async function killed({ cache }) {
  cache.program.child.kill('SIGKILL');
  await cache.program.ended;
}
async function isWhole({ cache, origin, job }, content = film) {
  const done = await until(async () => {
    const one = (await cache.ask(job)).json;
    return one.state === 'running' ? null : one;
  }, 'the end of the job');
  assert.deepEqual([done.state, done.done, done.failed, done.bytes], ['done', 1, 0, content.length]);
  assert.ok((await cache.ask(`/objects/${origin.host}/film.mp4`)).body.equals(content), 'the film');
  assert.deepEqual(readdirSync(join(cache.state, 'incoming')), [], 'nothing is left over');
}

test('row 46: after kill -9 a large file goes on where it was synced', async (t) => {
  const all = await halfway(t);
  await noted(all);
  await killed(all);
  await all.cache.run();
  await isWhole(all);
  assert.equal(all.web.asked.length, 2);
  const [, { range, ifRange }] = all.web.asked;
  assert.ok(Number(/^bytes=(\d+)-$/.exec(range)[1]) >= STEP, range);
  assert.equal(ifRange, '"v1"');
});

test('row 46: a program that is told to end notes what it has', async (t) => {
  const all = await halfway(t);
  await noted(all);
  await all.cache.program.end();
  await all.cache.run();
  await isWhole(all);
  const [, { range }] = all.web.asked;
  assert.equal(range, `bytes=${SENT}-`, 'all of it, not only what had been synced by itself');
});

test('row 46: a file that is another one by now is fetched anew, whole', async (t) => {
  const all = await halfway(t);
  await noted(all);
  await killed(all);
  all.web.tag = '"v2"';
  all.web.content = randomBytes(film.length + 5);
  await all.cache.run();
  await isWhole(all, all.web.content);
  assert.equal(all.web.asked[1].ifRange, '"v1"');
});

test('row 46: a part that the disk has lost some of is fetched anew', async (t) => {
  const all = await halfway(t);
  await noted(all);
  await killed(all);
  truncateSync(all.draft, STEP - 1);
  await all.cache.run();
  await isWhole(all);
  assert.equal(all.web.asked[1].range, undefined);
});

test('row 46: what a page clears does not come back with the next start', async (t) => {
  const all = await halfway(t);
  await noted(all);
  assert.equal((await all.cache.ask(all.job, { method: 'DELETE' })).status, 204);
  await until(() => readdirSync(join(all.cache.state, 'incoming')).length === 0, 'the part is gone');
  await killed(all);
  await all.cache.run();
  assert.equal((await all.cache.ask(all.job)).status, 404);
  assert.deepEqual(readdirSync(join(all.cache.state, 'incoming')), []);
});
