// The media cache on disks that are not as they should be: read-only from the start, read-only in the middle of it,
// and a million small objects. Row 46 of docs/threat-model.md.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { Device, execute, House, LONG, until } from './lib/house.mjs';
import { MediaCache } from './lib/media.mjs';

const SITE = 'https://video.example';
const OTHER = 'https://other.example';
const digest = (content) => `sha-256=:${createHash('sha256').update(content).digest('base64')}:`;
const names = async (cache, options) => (await cache.ask('/objects', options)).json.objects.map((one) => one.name).sort();

/** Every file of the cache with its bytes' digest, but for what a commit leaves behind. */
function picture(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).filter((one) => one.isFile())
    .map((one) => join(one.parentPath ?? one.path, one.name)).sort().map((name) => `${name} ${digest(readFileSync(name))}`);
}

/** What a cache is filled with before its disk changes. */
async function fill(cache) {
  const film = randomBytes(3_000_000);
  assert.equal((await cache.put('film', film)).status, 201);
  assert.equal((await cache.put('small', 'small')).status, 201);
  assert.equal((await cache.put('theirs', 'theirs', { origin: OTHER })).status, 201);
  const begun = await cache.ask('/objects/half', { method: 'PUT', headers: { 'Upload-Complete': '?0' }, body: film.subarray(0, 100_000) });
  return { film, upload: begun.json.upload };
}

/** While the disk takes no writes: what was there can be read, and nothing else happens. */
async function readsOnly(cache, { film, upload }) {
  const reads = async () => {
    assert.ok((await cache.ask('/objects/film')).body.equals(film));
    assert.ok((await cache.ask('/objects/film', { headers: { Range: 'bytes=2000000-2000009' } })).body.equals(film.subarray(2_000_000, 2_000_010)));
    assert.equal((await cache.ask('/objects/small')).body.toString(), 'small');
    assert.equal((await cache.ask('/objects/theirs')).status, 404);
    assert.equal((await cache.ask('/objects/nothing')).status, 404);
    assert.deepEqual(await names(cache), ['film', 'small']);
    assert.equal((await cache.ask('/usage')).json.objects, 2);
    assert.equal((await cache.ask(upload, { method: 'HEAD' })).headers['upload-offset'], '100000');
  };
  await reads();
  const changes = {
    'a new object': () => cache.put('new', 'x'),
    'a large one': () => cache.put('new', Buffer.alloc(2_000_000)),
    'another content': () => cache.put('small', 'x'),
    'an upload that goes on': () => cache.ask(upload, { method: 'PATCH', body: 'x', headers: { 'Content-Type': 'application/partial-upload', 'Upload-Offset': 100_000, 'Upload-Complete': '?1' } }),
    'a new upload': () => cache.ask('/objects/new', { method: 'PUT', headers: { 'Upload-Complete': '?0' }, body: 'x' }),
    'the end of one': () => cache.ask(upload, { method: 'DELETE' }),
    'a removal': () => cache.ask('/objects/small', { method: 'DELETE' }),
    'the removal of all': () => cache.ask('/objects', { method: 'DELETE' }),
    'a pin': () => cache.ask('/pins/small', { method: 'PUT' }),
    'a job': () => cache.ask('/prefetch', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"urls":["https://localhost/x"]}' }),
  };
  for (const [what, change] of Object.entries(changes)) {
    const answer = await change();
    assert.equal(answer.status, 507, `${what}: ${answer.status} ${answer.body}`);
    await reads();
  }
  // Uses are remembered until they can be written down, and not for ever.
  for (let i = 0; i < 600; i += 1) assert.equal((await cache.ask('/objects/small')).status, 200);
}

/** When it takes writes again. */
async function isWhole(cache, { film, upload }) {
  assert.ok((await cache.ask('/objects/film')).body.equals(film));
  assert.deepEqual(await names(cache), ['film', 'small']);
  assert.equal((await cache.ask('/objects/theirs', { origin: OTHER })).body.toString(), 'theirs');
  const rest = await cache.ask(upload, { method: 'PATCH', body: film.subarray(100_000), headers: { 'Content-Type': 'application/partial-upload', 'Upload-Offset': 100_000, 'Upload-Complete': '?1' } });
  assert.equal(rest.status, 201, rest.body.toString());
  assert.ok((await cache.ask('/objects/half')).body.equals(film));
  assert.equal((await cache.put('new', 'new')).status, 201);
  for (const [name, body] of [['film', film], ['half', film], ['small', Buffer.from('small')], ['new', Buffer.from('new')]]) {
    assert.ok((await cache.ask(`/objects/${name}`)).body.equals(body), name);
  }
  assert.equal((await cache.ask('/objects/small', { method: 'DELETE' })).status, 204);
}

test('row 46: a disk that is read-only from the start: what is there plays, nothing is damaged, and it comes back', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house, { more: ['--fetch-attempts', '1'] });
  const held = await fill(cache);
  await cache.program.end();
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const mount = ['unshare', ...user, '--mount', 'sh', '-c', `mount --bind '${cache.state}' '${cache.state}' && mount -o remount,bind,ro '${cache.state}' && exec "$@"`, 'sh'];
  if ((await execute([...mount, 'true'])).code !== 0) return t.skip('needs mount namespaces');
  const before = picture(cache.state);
  await cache.run({ wrap: mount });
  assert.match(cache.program.errors, /takes no writes/);
  await readsOnly(cache, held);
  // Behind its device, as a page sees it.
  const device = await Device.start(house, { upstream: cache.url });
  const grant = await new Person(device).pair(SITE);
  await grant.open();
  assert.ok((await grant.fetch('/objects/film')).body.equals(held.film));
  assert.equal((await grant.fetch('/objects/more', { method: 'PUT', body: Buffer.from('x') })).status, 507);
  assert.equal((await grant.fetch('/objects/more')).status, 404);
  // Killed and started again there: the same.
  cache.program.child.kill('SIGKILL');
  await cache.program.ended;
  await cache.run({ wrap: mount });
  assert.ok((await cache.ask('/objects/film')).body.equals(held.film));
  assert.deepEqual(picture(cache.state), before, 'not a byte has changed');
  // The disk takes writes again, under the running cache.
  const inside = ['nsenter', '--target', String(cache.pid), ...(process.getuid() === 0 ? [] : ['--user', '--preserve-credentials']), '--mount'];
  const again = await execute([...inside, 'mount', '-o', 'remount,bind,rw', cache.state]);
  assert.equal(again.code, 0, again.stderr);
  await isWhole(cache, held);
  await cache.program.end();
  await cache.run();
  assert.deepEqual(await names(cache), ['film', 'half', 'new']);
});

test('row 46: a read-only disk without an index, or with a damaged one: all is a miss', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  await fill(cache);
  await cache.program.end();
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const damaged = `dd if=/dev/zero of='${cache.state}/index.db' bs=4096 count=1 conv=notrunc 2>/dev/null`;
  for (const harm of [damaged, `rm '${cache.state}/index.db'`]) {
    const mount = ['unshare', ...user, '--mount', 'sh', '-c', `${harm}; mount --bind '${cache.state}' '${cache.state}' && mount -o remount,bind,ro '${cache.state}' && exec "$@"`, 'sh'];
    if ((await execute([...mount, 'true'])).code !== 0) return t.skip('needs mount namespaces');
    await cache.run({ wrap: mount });
    assert.equal((await cache.ask('/objects/film')).status, 404);
    assert.equal((await cache.put('new', 'x')).status, 507);
    await cache.program.end();
  }
});

test('row 46: a disk that fails and becomes read-only under the running cache', async (t) => {
  if (process.getuid() !== 0) return t.skip('a disk of its own needs root');
  const house = House.open(t);
  const image = house.path('image');
  const state = house.path('media');
  mkdirSync(state);
  // A real file system that is told of an error, as by a dying disk: files that are open stay so, writes fail.
  const made = await execute(['sh', '-c', `truncate -s 96M '${image}' && mkfs.ext4 -q -m 0 '${image}'`]);
  const mount = ['unshare', '--mount', 'sh', '-c', `mount -o loop,errors=remount-ro '${image}' '${state}' && chmod 700 '${state}' && exec "$@"`, 'sh'];
  if (made.code !== 0 || (await execute([...mount, 'sh', '-c', 'ls /sys/fs/ext4/loop*/trigger_fs_error'])).code !== 0) return t.skip('needs a loop device');
  const cache = await MediaCache.start(house, { wrap: mount });
  const held = await fill(cache);
  const inside = (words) => execute(['nsenter', '--target', String(cache.pid), '--mount', 'sh', '-c', words]);
  // In the middle of an upload, too.
  const slow = cache.ask('/objects/slow', { method: 'PUT', body: randomBytes(20_000_000) });
  await until(async () => (await inside(`ls '${state}/incoming' | wc -l`)).stdout.trim() !== '1', 'the upload to have begun');
  const broken = await inside(`echo 1 > /sys/fs/ext4/$(basename "$(findmnt -no SOURCE '${state}')")/trigger_fs_error; touch '${state}/x'`);
  assert.match(broken.stderr, /Read-only/);
  const { status } = await slow;
  assert.ok([201, 507].includes(status), `${status}`);
  if (status === 507) await readsOnly(cache, held);
  await cache.program.end();
  // It is mended and mounted anew.
  await execute(['e2fsck', '-fy', image]);
  await cache.run();
  assert.ok((await cache.ask('/objects/film')).body.equals(held.film));
  assert.equal((await cache.ask('/objects/slow')).status, status === 201 ? 200 : 404);
  if (status === 507) await isWhole(cache, held);
});

/** Resident memory of a process in MiB. */
const memory = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

// A million in the long form, and what it takes is written down in docs/performance.md.
test('row 46: very many small objects: memory, pages of the list, the start, and who gives way', async (t) => {
  const count = LONG ? 1_000_000 : 20_000;
  const house = House.open(t);
  // Each counts as a block of the disk and a row of the index; there is room for all of them, and for nothing more.
  const quota = String(count * (4096 + 1024));
  // In memory where there is such a folder: how fast a disk syncs is not the question.
  const folder = existsSync('/dev/shm') ? mkdtempSync('/dev/shm/lk-many-') : house.path('many');
  house.keep(() => rmSync(folder, { recursive: true, force: true }));
  const cache = await MediaCache.start(house, { state: join(folder, 'media'), more: ['--quota', quota, '--quota-per-origin', quota] });
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  t.after(() => agent.destroy());
  const name = (i) => `s/${String(i).padStart(7, '0')}`;
  const begun = memory(cache.pid);
  const clock = (since) => ((performance.now() - since) / 1000).toFixed(1);
  let at = performance.now();
  await spread(32, count, async (i) => {
    const answer = await cache.put(name(i), `object ${i}`, { agent });
    assert.equal(answer.status, 201, `${i}: ${answer.body}`);
  });
  const filled = clock(at);
  const full = memory(cache.pid);
  // All of them, page by page, each once and in order.
  at = performance.now();
  const walk = async (see) => {
    let after = '';
    let last = '';
    do {
      const page = (await cache.ask(`/objects?prefix=s/&after=${encodeURIComponent(after)}`, { agent })).json;
      for (const one of page.objects) {
        assert.ok(one.name > last);
        last = one.name;
        see(one.name);
      }
      assert.ok(page.objects.length <= 1000);
      after = page.after;
    } while (after !== null);
  };
  let listed = 0;
  await walk(() => { ++listed; });
  assert.equal(listed, count);
  const list = clock(at);
  const listMemory = memory(cache.pid);
  // A start with all of them.
  await cache.program.end();
  at = performance.now();
  await cache.run();
  const start = clock(at);
  const idle = memory(cache.pid);
  const used = new Set();
  for (let i = 0; i < count; i += Math.ceil(count / 97)) {
    assert.equal((await cache.ask(`/objects/${name(i)}`, { agent })).body.toString(), `object ${i}`);
    used.add(i);
  }
  // A film that only fits when many go: those that were used longest ago, and not one more than has to.
  at = performance.now();
  const film = Buffer.alloc(Math.min(count * 1024, 64 << 20), 7);
  assert.equal((await cache.put('film', film, { agent })).status, 201);
  const evicted = clock(at);
  const left = (await cache.ask('/usage', { agent })).json.objects - 1;
  assert.ok(left < count && left > count * 0.7, `${left} of ${count}`);
  assert.ok((await cache.ask('/objects/film', { agent })).body.equals(film));
  // Those that were stored first have gone; but for those that were read since, the very first among
  // them. Some are a little out of order: 32 came at once.
  const there = new Uint8Array(count);
  await walk((one) => { there[Number(one.slice(2))] = 1; });
  const gone = count - left;
  let furthest = 0;
  for (let i = 0; i < count; ++i) {
    if (there[i] === 0) {
      assert.ok(!used.has(i), `${i} was read, and has gone`);
      furthest = i;
    }
  }
  assert.ok(furthest < gone + used.size + count / 50, `${gone} have gone, ${furthest} among them`);
  const index = statSync(join(cache.state, 'index.db')).size / (1 << 20);
  console.log(`   ${count} objects: stored in ${filled} s, listed in ${list} s, start ${start} s, ${count - left} gone for a film in ${evicted} s; `
    + `memory ${begun.toFixed(1)} MiB, full ${full.toFixed(1)}, after the list ${listMemory.toFixed(1)}, after the start ${idle.toFixed(1)}; index ${index.toFixed(1)} MiB`);
  // Memory does not go with their number.
  assert.ok(full < begun + 24 && listMemory < begun + 24 && idle < begun + 24, `${begun}, ${full}, ${listMemory}, ${idle} MiB`);
  // All at once.
  assert.equal((await cache.ask('/objects', { method: 'DELETE', agent })).status, 204);
  assert.deepEqual(await names(cache), []);
});

/** `work(i)` for each i below `count`, so many at once. */
async function spread(width, count, work) {
  let next = 0;
  await Promise.all(Array.from({ length: width }, async () => {
    while (next < count) await work(next++);
  }));
}
