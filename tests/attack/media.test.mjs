// The media cache behind its device: row 46 of docs/threat-model.md.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, statfsSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { Device, execute, House, until } from './lib/house.mjs';
import { MediaCache } from './lib/media.mjs';

const SITE = 'https://video.example';
const OTHER = 'https://other.example';
const digest = (content) => `sha-256=:${createHash('sha256').update(content).digest('base64')}:`;
const json = (answer) => JSON.parse(answer.body);

function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).filter((one) => one.isFile()).map((one) => join(one.parentPath ?? one.path, one.name));
}
const names = async (cache, options) => (await cache.ask('/objects', options)).json.objects.map((one) => one.name);

async function behindADevice(t) {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  const device = await Device.start(house, { upstream: cache.url });
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await grant.open();
  return { house, cache, device, person, grant };
}

test('row 46: a page keeps a film at home, and another site cannot see it, list it, or say it is the first', async (t) => {
  const { cache, person, grant } = await behindADevice(t);
  const film = randomBytes(3 << 20);
  const put = await grant.fetch('/objects/films/a.mp4', { method: 'PUT', headers: { 'Content-Type': 'video/mp4', 'Repr-Digest': digest(film) }, body: film });
  assert.equal(put.status, 201, put.body.toString());
  const got = await grant.fetch('/objects/films/a.mp4');
  assert.equal(got.status, 200);
  assert.ok(got.body.equals(film));
  assert.equal(got.headers['content-type'], 'video/mp4');
  assert.equal(got.headers['repr-digest'], digest(film));
  const part = await grant.fetch('/objects/films/a.mp4', { headers: { Range: 'bytes=1048570-1048590', 'If-Range': got.headers.etag } });
  assert.equal(part.status, 206);
  assert.ok(part.body.equals(film.subarray(1048570, 1048591)));

  const other = await person.grantOver(OTHER);
  await other.open();
  const pretending = { 'X-Latchkey-Origin': SITE, 'X-Latchkey-Sub': grant.sub, X_Latchkey_Origin: SITE };
  for (const headers of [{}, pretending]) {
    assert.equal((await other.fetch('/objects/films/a.mp4', { headers })).status, 404);
    assert.deepEqual(json(await other.fetch('/objects', { headers })).objects, []);
    assert.equal(json(await other.fetch('/usage', { headers })).bytes, 0);
    assert.equal((await other.fetch('/objects/films/a.mp4', { method: 'DELETE', headers })).status, 404);
    assert.equal((await other.fetch('/pins/films/a.mp4', { method: 'PUT', body: Buffer.alloc(0), headers })).status, 404);
  }
  // A miss is the same miss whether others have it or not.
  const miss = async (name) => (await other.fetch(`/objects/${name}`)).body.toString();
  assert.equal(await miss('films/a.mp4'), await miss('films/nobody.mp4'));
  assert.equal((await other.fetch('/objects', { method: 'DELETE' })).status, 204);
  assert.equal((await grant.fetch('/objects/films/a.mp4', { method: 'HEAD' })).status, 200);
  assert.deepEqual(await names(cache, { origin: null }), [], 'the device\'s own page has a place of its own');
});

test('row 46: nobody but the device can ask, and it does not listen on a network', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  assert.equal(statSync(cache.socket).mode & 0o777, 0o600);
  for (const name of ['tcp', 'tcp6', 'udp', 'udp6']) {
    const inodes = new Set(readFileSync(`/proc/net/${name}`, 'utf8').split('\n').slice(1).map((line) => line.trim().split(/\s+/)[9]));
    const own = readdirSync(`/proc/${cache.pid}/fd`).map((fd) => { try { return /socket:\[(\d+)\]/.exec(readlinkSync(`/proc/${cache.pid}/fd/${fd}`))?.[1]; } catch { return null; } });
    assert.ok(!own.some((inode) => inode && inodes.has(inode)), name);
  }
  // Who asks without saying for whom, or in two ways, gets nothing.
  const plain = (headers) => cache.ask('/objects', { origin: null, headers });
  assert.equal((await plain({ 'X-Latchkey-Sub': '' })).status, 403);
  assert.equal((await plain({ 'X-Latchkey-Origin': 'video.example' })).status, 403);
  assert.equal((await plain({ 'X-Latchkey-Origin': ['https://a.example', 'https://b.example'] })).status, 403);
});
test('row 46: no name leads out of the cache', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  writeFileSync(house.path('secret'), 'secret');
  const before = filesIn(house.folder).filter((name) => !name.includes('/media/')).sort();
  const targets = ['..', '../secret', '../../secret', 'a/../../../secret', '%2e%2e/secret', '%2e%2e%2fsecret', '..%2f..%2fsecret', '..%5csecret', '/etc/passwd', '//etc/passwd',
    'a%00b', 'a%0d%0ab', '.', './a', 'a/.', 'a//b', '%', '%zz', '%c0%ae%c0%ae/secret', '%ff', `${'a/'.repeat(600)}b`, 'a'.repeat(1025), 'index.db/../../secret', '?a', ''];
  for (const target of targets) {
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const answer = await cache.ask(`/objects/${target}`, { method, ...(method === 'PUT' ? { body: 'x' } : {}) });
      assert.ok(answer.status === 400 || answer.status === 404, `${method} ${target}: ${answer.status}`);
    }
  }
  assert.deepEqual(await names(cache), []);
  // Strange but harmless ones are names like any other, and never files of that name.
  for (const name of ['index.db', '...', '.hidden', 'a%20b', 'incoming/0000000000000001', 'a?b=/../c', '%F0%9F%8E%AC']) {
    assert.equal((await cache.put(name, name)).status, 201, name);
    assert.equal((await cache.ask(`/objects/${name}`)).body.toString(), name);
  }
  assert.deepEqual(filesIn(house.folder).filter((name) => !name.includes('/media/')).sort(), before);
  assert.ok(filesIn(cache.state).every((name) => /\/(index\.db(\.lock|-journal)?|objects\/[0-9a-f]{2}\/[0-9a-f]{16})$/.test(name)));
});

test('row 46: content that is not what it should be never shows, and never takes the place of what is right', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  const right = randomBytes(2_500_000);
  assert.equal((await cache.put('a', right, { headers: { 'Repr-Digest': digest(right) } })).status, 201);
  for (const headers of [{ 'Repr-Digest': digest(right) }, { 'Content-Digest': digest(right) }]) {
    const poisoned = await cache.put('a', randomBytes(1000), { headers });
    assert.equal(poisoned.status, 400);
    assert.equal(poisoned.json.error, 'digest_mismatch');
  }
  assert.equal((await cache.put('a', 'x', { headers: { 'Repr-Digest': 'sha-256=:AAAA:' } })).status, 400);
  assert.equal((await cache.put('a', 'x', { headers: { 'Repr-Digest': 'md5=:AAAAAAAAAAAAAAAAAAAAAA==:' } })).json.error, 'unknown_digest');
  // A body that ends too early, too.
  const half = connect(cache.socket);
  half.write('PUT /objects/a HTTP/1.1\r\nHost: x\r\nX-Latchkey-Sub: s\r\nX-Latchkey-Origin: https://video.example\r\nContent-Length: 1000\r\n\r\nabc');
  half.end();
  await new Promise((done) => { half.on('close', done); half.resume(); });
  assert.ok((await cache.ask('/objects/a')).body.equals(right));
  assert.equal(filesIn(join(cache.state, 'incoming')).length, 0);

  // On the disk: a changed byte is found when its block is read, the rest stays readable until then.
  const [file] = filesIn(join(cache.state, 'objects'));
  const fd = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, 1_500_000);
  writeSync(fd, Buffer.from([byte[0] ^ 1]), 0, 1, 1_500_000);
  closeSync(fd);
  await cache.program.end();
  await cache.run();
  assert.ok((await cache.ask('/objects/a', { headers: { Range: 'bytes=0-99' } })).body.equals(right.subarray(0, 100)));
  assert.equal((await cache.ask('/objects/a', { headers: { Range: 'bytes=1400000-1400099' } })).status, 404, 'a damaged block is a miss');
  assert.equal((await cache.ask('/objects/a')).status, 404);
  assert.equal(filesIn(join(cache.state, 'objects')).length, 0);
  assert.equal((await cache.put('a', right)).status, 201, 'and its place is free');
});

test('row 46: of many that must not replace anything, one is stored', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  // All heads are judged before the first body ends.
  const bodies = Array.from({ length: 8 }, (_, i) => Buffer.alloc(300_000, i));
  const sockets = bodies.map((body) => {
    const socket = connect(cache.socket);
    const said = new Promise((done) => { let text = ''; socket.on('data', (data) => { text += data; if (text.includes('\r\n\r\n')) done(Number(text.split(' ')[1])); }); });
    socket.write(`PUT /objects/once HTTP/1.1\r\nHost: x\r\nX-Latchkey-Sub: s\r\nX-Latchkey-Origin: ${SITE}\r\nIf-None-Match: *\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body.subarray(0, 1000));
    return { socket, said, body };
  });
  await until(() => filesIn(join(cache.state, 'incoming')).length === bodies.length, 'all of them to have begun');
  for (const { socket, body } of sockets) socket.write(body.subarray(1000));
  const answers = await Promise.all(sockets.map(({ said }) => said));
  for (const { socket } of sockets) socket.destroy();
  assert.deepEqual(answers.filter((status) => status === 201).length, 1, answers.join());
  assert.equal(answers.filter((status) => status === 412).length, bodies.length - 1, answers.join());
  assert.ok((await cache.ask('/objects/once')).body.equals(bodies[answers.indexOf(201)]));
  assert.equal(filesIn(join(cache.state, 'objects')).length, 1);
});

test('row 46: absurd ranges', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  const content = randomBytes(100_000);
  await cache.put('a', content);
  const range = (value) => cache.ask('/objects/a', { headers: { Range: value } });
  for (const value of ['bytes=5-1', 'bytes=', 'bytes=a-', 'bytes=--1', 'bytes=0-99999999999999999999999', 'lines=1-2', `bytes=${'0-0,'.repeat(2000)}0-0`, `bytes=${Array.from({ length: 17 }, (_, i) => `${i * 10}-${i * 10}`).join()}`]) {
    const answer = await range(value);
    assert.equal(answer.status, 200, value.slice(0, 40));
    assert.ok(answer.body.equals(content));
  }
  assert.equal((await range('bytes=100000-')).status, 416);
  assert.equal((await range('bytes=18446744073709551615-')).status, 416);
  // However often the same bytes are asked for, they are sent once.
  const same = await range(`bytes=${Array.from({ length: 16 }, () => '0-').join()}`);
  assert.ok(same.body.equals(content));
  const two = await range('bytes=0-9,50000-50009');
  assert.equal(two.status, 206);
  const [, boundary] = /^multipart\/byteranges; boundary=([0-9a-f]{32})$/.exec(two.headers['content-type']);
  const parts = two.body.toString('latin1').split(`--${boundary}`);
  assert.equal(parts.length, 4);
  assert.ok(parts[1].includes('Content-Range: bytes 0-9/100000') && parts[1].includes(content.subarray(0, 10).toString('latin1')));
  assert.ok(parts[2].includes('Content-Range: bytes 50000-50009/100000') && parts[2].includes(content.subarray(50000, 50010).toString('latin1')));
});

test('row 46: who fills the disk pays with its own', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house, { more: ['--quota', '8M', '--quota-per-origin', '6M'] });
  for (let i = 0; i < 3; ++i) assert.equal((await cache.put(`keep${i}`, randomBytes(500_000), { origin: OTHER })).status, 201);
  for (let i = 0; i < 40; ++i) assert.equal((await cache.put(`flood${i}`, randomBytes(500_000))).status, 201);
  for (let i = 0; i < 500; ++i) await cache.put(`small${i}`, 'x');
  assert.equal((await names(cache, { origin: OTHER })).length, 3, 'others keep what they had');
  const size = () => filesIn(cache.state).reduce((sum, name) => sum + statSync(name).size, 0);
  assert.ok(size() < 9 << 20, `${size()}`);
  // More than fits is refused before it is sent, and throws nothing away.
  const before = await names(cache);
  assert.equal((await cache.put('huge', Buffer.alloc(7 << 20))).status, 507);
  assert.equal((await cache.ask('/objects/huge', { method: 'PUT', headers: { 'Upload-Complete': '?0', 'Upload-Length': '900000000000000' }, body: '' })).status, 413);
  assert.equal((await cache.ask('/objects/huge', { method: 'PUT', headers: { 'Upload-Complete': '?0', 'Upload-Length': '90000000' }, body: '' })).status, 507);
  assert.deepEqual(await names(cache), before);
  // What is pinned stays, whatever comes.
  const [pinned] = before;
  assert.equal((await cache.ask(`/pins/${pinned}`, { method: 'PUT' })).status, 204);
  for (let i = 0; i < 20; ++i) await cache.put(`again${i}`, randomBytes(500_000));
  assert.ok((await names(cache)).includes(pinned));
});

test('row 46: if nothing else is said, one site gets no more than half of the quota', async (t) => {
  const house = House.open(t);
  const limit = async (more) => {
    const cache = await MediaCache.start({ path: (...names) => house.path(`q${more.length}`, ...names), keep: (end) => house.keep(end) }, { more });
    return (await cache.ask('/usage')).json.limit;
  };
  assert.equal(await limit(['--quota', '20G']), 10 * 2 ** 30);
  assert.equal(await limit(['--quota', '20G', '--quota-per-origin', '15G']), 15 * 2 ** 30);
  // Others write to this disk at the same time: a quarter is left to them, a sixteenth is the step.
  const { bavail, bsize } = statfsSync(house.path());
  const share = await limit([]) / (bavail * bsize);
  assert.ok(share > 0.25 && share < 0.75, `${share} of what the disk has`);
});

test('row 46: a full disk is a refusal, and playing goes on', async (t) => {
  const house = House.open(t);
  // No file may grow over 2 MB: every write beyond fails, as on a disk that is full.
  const cache = await MediaCache.start(house, { wrap: ['prlimit', '--fsize=2000000'] });
  const content = randomBytes(1_500_000);
  assert.equal((await cache.put('a', content)).status, 201);
  for (let i = 0; i < 5; ++i) {
    const refused = await cache.put('a', randomBytes(3_000_000));
    assert.equal(refused.status, 507);
    assert.ok((await cache.ask('/objects/a')).body.equals(content));
  }
  assert.equal(filesIn(join(cache.state, 'incoming')).length, 0);
  assert.equal((await cache.put('b', 'small')).status, 201);
});

test('row 46: a disk that is really full, and gets room again', async (t) => {
  const house = House.open(t);
  // A small disk of its own, seen by this program alone.
  const state = house.path('media');
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const mount = ['unshare', ...user, '--mount', 'sh', '-c', `mkdir -p '${state}' && mount -t tmpfs -o size=6m,mode=0700 tmpfs '${state}' && exec "$@"`, 'sh'];
  if ((await execute([...mount, 'true'])).code !== 0) return t.skip('needs mount namespaces');
  // It is told that there is more room than there is, as when somebody else fills the disk.
  const cache = await MediaCache.start(house, { wrap: mount, more: ['--quota', '1G'] });
  const other = `/proc/${cache.pid}/root${state}/other`;
  writeFileSync(other, Buffer.alloc(3 << 20));
  const kept = new Map();
  for (let i = 0; i < 30; ++i) {
    const body = randomBytes(400_000);
    const answer = await cache.put(`f${i}`, body);
    assert.ok(answer.status === 201 || answer.status === 507, `${answer.status}`);
    if (answer.status === 201) kept.set(`f${i}`, body);
    const last = [...kept].at(-1);
    if (last) assert.ok((await cache.ask(`/objects/${last[0]}`)).body.equals(last[1]), `${last[0]} is there after ${i}`);
  }
  assert.ok(kept.size >= 3);
  // What is listed is whole; the rest had to go.
  for (const name of await names(cache)) assert.ok((await cache.ask(`/objects/${name}`)).body.equals(kept.get(name)), name);
  // Larger than what is left even if everything goes: a refusal that throws nothing away for good.
  assert.equal((await cache.put('huge', randomBytes(5 << 20))).status, 507);
  writeFileSync(other, '');
  assert.equal((await cache.put('again', randomBytes(400_000))).status, 201);
});

test('row 46: an upload goes on where it was acknowledged, also after kill -9', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  const film = randomBytes(5_000_000);
  const made = await cache.ask('/objects/film', { method: 'PUT', headers: { 'Upload-Complete': '?0', 'Upload-Length': film.length, 'Repr-Digest': digest(film) }, body: film.subarray(0, 1_000_000) });
  assert.equal(made.status, 201, made.body.toString());
  const { upload } = made.json;
  assert.equal(made.headers.location, upload);
  const append = (offset, body, complete, more = {}) => cache.ask(upload, {
    method: 'PATCH', body, ...more, headers: { 'Content-Type': 'application/partial-upload', 'Upload-Offset': offset, 'Upload-Complete': complete ? '?1' : '?0', ...more.headers },
  });
  assert.equal((await append(1_000_000, film.subarray(1_000_000, 2_000_000), false)).status, 200);
  assert.equal((await cache.ask('/objects/film')).status, 404, 'half a film is none');
  assert.equal((await append(5, 'x', false)).status, 409);
  assert.equal((await append(2_000_000, 'x', false, { origin: OTHER })).status, 404, 'another site cannot go on with it');
  assert.equal((await append(2_000_000, film.subarray(0, 1000), false, { headers: { 'Content-Digest': digest('x') } })).status, 400);
  cache.program.child.kill('SIGKILL');
  await cache.program.ended;
  await cache.run();
  const head = await cache.ask(upload, { method: 'HEAD' });
  assert.equal(head.headers['upload-offset'], '2000000');
  // The rest, but one byte of it is wrong: nothing shows, and the upload is gone.
  const wrong = Buffer.from(film.subarray(2_000_000));
  wrong[7] ^= 1;
  assert.equal((await append(2_000_000, wrong, true)).json.error, 'digest_mismatch');
  assert.equal((await cache.ask('/objects/film')).status, 404);
  assert.equal((await cache.ask(upload, { method: 'HEAD' })).status, 404);
  // From the beginning, this time right.
  const again = await cache.ask('/objects/film', { method: 'PUT', headers: { 'Upload-Complete': '?0', 'Repr-Digest': digest(film) }, body: '' });
  const patch = (offset, end, complete) => cache.ask(again.json.upload, {
    method: 'PATCH', body: film.subarray(offset, end), headers: { 'Content-Type': 'application/partial-upload', 'Upload-Offset': offset, 'Upload-Complete': complete ? '?1' : '?0' },
  });
  assert.equal((await patch(0, 3_333_333, false)).json.offset, 3_333_333);
  assert.equal((await patch(3_333_333, film.length, true)).status, 201);
  assert.ok((await cache.ask('/objects/film')).body.equals(film));
});

test('row 46: what was acknowledged outlives kill -9 in the middle of writing', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  const kept = new Map();
  for (let round = 0; round < 6; ++round) {
    let going = true;
    const writers = Array.from({ length: 4 }, async (_, w) => {
      for (let i = 0; going; ++i) {
        const name = `r${round}w${w}n${i}`;
        const body = randomBytes(200_000);
        const answer = await cache.put(name, body, { headers: { 'Repr-Digest': digest(body) } }).catch(() => null);
        if (answer?.status === 201) kept.set(name, body);
        if (!answer) return;
      }
    });
    const enough = kept.size + 5 + round;
    await until(() => kept.size >= enough, 'some objects');
    cache.program.child.kill('SIGKILL');
    going = false;
    await Promise.all(writers);
    await cache.program.ended;
    await cache.run();
    for (const [name, body] of kept) assert.ok((await cache.ask(`/objects/${name}`)).body.equals(body), name);
    // What was not acknowledged is whole or not there.
    for (const one of (await cache.ask('/objects')).json.objects) {
      const got = await cache.ask(one.path);
      assert.equal(got.status, 200);
      assert.equal(got.headers['repr-digest'], digest(got.body), one.name);
    }
    assert.equal(filesIn(join(cache.state, 'incoming')).length, 0);
  }
});

test('row 46: a page that clears everything under its own upload ends the upload, not the cache', async (t) => {
  const house = House.open(t);
  const cache = await MediaCache.start(house);
  await cache.put('other', 'stays', { origin: OTHER });
  const { upload } = (await cache.ask('/objects/film', { method: 'PUT', headers: { 'Upload-Complete': '?0' }, body: '' })).json;
  const head = (target, more) => `${target} HTTP/1.1\r\nHost: x\r\nX-Latchkey-Sub: s\r\nX-Latchkey-Origin: ${SITE}\r\n${more}\r\n`;
  const socket = connect(cache.socket);
  let said = '';
  socket.on('data', (data) => { said += data; });
  socket.on('error', () => {});
  const ended = new Promise((done) => { socket.on('close', done); });
  socket.write(head(`PATCH ${upload}`, 'Content-Type: application/partial-upload\r\nUpload-Offset: 0\r\nUpload-Complete: ?1\r\nTransfer-Encoding: chunked\r\n'));
  const chunk = Buffer.concat([Buffer.from('100000\r\n'), randomBytes(1 << 20), Buffer.from('\r\n')]);
  socket.write(chunk);
  // It is at work when its draft has grown.
  await until(() => filesIn(join(cache.state, 'incoming')).some((name) => statSync(name).size >= 512 * 1024), 'the first part');
  assert.equal((await cache.ask('/objects', { method: 'DELETE' })).status, 204);
  for (let i = 0; i < 80 && !socket.destroyed; ++i) socket.write(chunk);
  socket.end('0\r\n\r\n');
  await ended;
  assert.match(said, /^HTTP\/1.1 507 /);
  assert.deepEqual(await names(cache), []);
  assert.equal((await cache.ask('/objects/other', { origin: OTHER })).body.toString(), 'stays');
  assert.equal((await cache.put('film', 'again')).status, 201);
});
