// What is broken off, by a server or because the power fails: what is on the disk is not fetched again, and
// nothing is put together of two files. Row 46 of docs/threat-model.md.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { House, until } from './lib/house.mjs';
import { MediaCache } from './lib/media.mjs';
import { makeAuthority, WebOrigin } from './lib/origin.mjs';
import { events, kinds, over, stage, start } from './lib/prefetch.mjs';

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
  const done = await over(cache, { path: job });
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

test('row 46: what was broken off goes on where it was, if it is still the same', async (t) => {
  const film = randomBytes(4_000_000);
  const ranges = [];
  const { cache, origin } = await stage(t, (request, response) => {
    const { range } = request.headers;
    ranges.push([request.url, range, request.headers['if-range']]);
    const changed = request.url === '/changed' && range;
    const begin = range && !changed ? Number(/bytes=(\d+)-/.exec(range)[1]) : 0;
    const headers = { ETag: request.url === '/weak' ? 'W/"v1"' : changed ? '"v2"' : '"v1"', 'Content-Length': film.length - begin, ...(begin ? { 'Content-Range': `bytes ${begin}-${film.length - 1}/${film.length}` } : {}) };
    response.writeHead(begin ? 206 : 200, headers);
    const broken = ranges.filter(([url]) => url === request.url).length === 1;
    if (broken) response.write(film.subarray(0, 2_500_000), () => setImmediate(() => response.destroy()));
    else response.end(film.subarray(begin));
  });
  for (const path of ['/same', '/changed', '/weak']) {
    const ended = await over(cache, await start(cache, { urls: [origin.url + path] }));
    assert.deepEqual([ended.done, ended.failed], [1, 0], path);
    assert.ok((await cache.ask(`/objects/${origin.host}${path}`)).body.equals(film), path);
  }
  const second = (path) => ranges.filter(([url]) => url === path)[1];
  assert.match(second('/same')[1], /^bytes=[1-9]\d*-$/);
  assert.equal(second('/same')[2], '"v1"');
  assert.ok(second('/changed')[1]);
  assert.equal(second('/weak')[1], undefined);
});

test('row 46: after kill -9 a job goes on, and what is there is not fetched again', async (t) => {
  const waiting = [];
  let hold = true;
  const { cache, origin } = await stage(t, (request, response) => {
    const number = Number(request.url.slice(1).replace('.ts', ''));
    if (request.url === '/list.m3u8') response.end(`#EXTM3U\n${Array.from({ length: 40 }, (_, i) => `#EXTINF:1,\n${i}.ts\n`).join('')}#EXT-X-ENDLIST\n`);
    else if (hold && number >= 20) waiting.push(response);
    else response.end(`content of ${request.url}`);
  });
  const job = await start(cache, { urls: [`${origin.url}/list.m3u8`] });
  await until(async () => (await cache.ask(job.path)).json.done >= 21, 'half of it');
  cache.program.child.kill('SIGKILL');
  await cache.program.ended;
  hold = false;
  for (const response of waiting) response.destroy();
  await cache.run();
  const ended = await over(cache, job);
  assert.deepEqual([ended.state, ended.items, ended.done, ended.failed], ['done', 41, 41, 0]);
  for (const path of ['/list.m3u8', '/0.ts', '/10.ts']) assert.equal(origin.count(path), 1, path);
  for (let i = 0; i < 40; ++i) assert.equal((await cache.ask(`/objects/${origin.host}/${i}.ts`)).body.toString(), `content of /${i}.ts`);
  // The events of both runs are one list.
  const told = await events(cache, job);
  assert.deepEqual(kinds(told, 'object').map((one) => one.id), Array.from({ length: 41 }, (_, i) => i + 1));
});
