// docs/recipes/nginx.md: Debian's nginx with the page's site, behind the device.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { execute, until } from '../attack/lib/house.mjs';
import { readAnswer, request, text } from '../attack/lib/http.mjs';
import { ask, client } from '../attack/lib/http2.mjs';
import { curlWords, forgetPeak, front, IN_ROOM, lay, LONG, memory, openHouse, room, service, urlOf } from './lib.mjs';

const MIB = 1 << 20;
const FILM = Buffer.from(Array.from({ length: 3 * MIB }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
const LENGTH = 5 * 1024 * MIB; // of one that is mostly a hole
const FAR = 4.5 * 1024 * MIB;

let house;
let grants;
let device;
let page;
let own;

after(() => house?.close());

function put(path, body) {
  writeFileSync(`/srv/films${path}`, body);
}

before(async () => {
  if (!IN_ROOM) return;
  house = openHouse();
  lay('nginx');
  // As the page says.
  rmSync('/etc/nginx/sites-enabled/default', { force: true });
  symlinkSync('../sites-available/films', '/etc/nginx/sites-enabled/films');
  mkdirSync('/srv/films/notes', { recursive: true });
  // nginx's worker is another user.
  await execute(['chmod', '-R', 'a+rwX', '/srv/films']);
  put('/film.mp4', FILM);
  const fd = openSync('/srv/films/long.mkv', 'w');
  ftruncateSync(fd, LENGTH);
  writeSync(fd, Buffer.from('far away'), 0, 8, FAR);
  closeSync(fd);
  await service(house, ['nginx', '-g', 'daemon off;'], { port: 8080 });
  ({ device, page, own } = await front(house));
  grants = { 'a web page': page, 'the person': own };
});

test('recipe nginx: whole, unchanged, in parts, over both versions', room, async () => {
  for (const [who, grant] of Object.entries(grants)) {
    const session = await client(grant);
    const two = async (target, options) => ask(session, grant, target, options);
    const socket = await grant.connect();
    const one = async (target, { method = 'GET', headers = {} } = {}) => {
      const answer = await request(socket, { method, target, headers: grant.headers({ Cookie: grant.cookie, ...headers }) });
      return answer;
    };
    for (const [version, get] of Object.entries({ 1: one, 2: two })) {
      const what = `${who}, HTTP/${version}`;
      const whole = await get('/film.mp4');
      assert.equal(whole.status, 200, what);
      assert.ok(whole.body.equals(FILM), what);
      const { etag, 'last-modified': date } = whole.headers;
      assert.match(etag, /^"/);
      assert.equal(whole.headers['access-control-allow-origin'], grant.origin ?? undefined);
      for (const condition of [{ 'if-none-match': etag }, { 'if-modified-since': date }]) {
        const same = await get('/film.mp4', { headers: condition });
        assert.deepEqual([same.status, same.body.length, same.headers.etag], [304, 0, etag], what);
      }
      const head = await get('/film.mp4', { method: 'HEAD' });
      assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, String(FILM.length), 0], what);
      const part = await get('/film.mp4', { headers: { range: 'bytes=1000-1999', 'if-range': etag } });
      assert.deepEqual([part.status, part.headers['content-range']], [206, `bytes 1000-1999/${FILM.length}`], what);
      assert.ok(part.body.equals(FILM.subarray(1000, 2000)), what);
      const old = await get('/film.mp4', { headers: { range: 'bytes=0-9', 'if-range': '"another"' } });
      assert.deepEqual([old.status, old.body.length], [200, FILM.length], what);
      const last = await get('/film.mp4', { headers: { range: 'bytes=-5' } });
      assert.ok(last.status === 206 && last.body.equals(FILM.subarray(-5)), what);
      const several = await get('/film.mp4', { headers: { range: 'bytes=0-9,100-109' } });
      assert.equal(several.status, 206, what);
      assert.match(several.headers['content-type'], /^multipart\/byteranges; boundary=/, what);
      assert.ok(several.body.includes(FILM.subarray(100, 110)), what);
      const none = await get('/film.mp4', { headers: { range: `bytes=${FILM.length}-` } });
      assert.deepEqual([none.status, none.headers['content-range']], [416, `bytes */${FILM.length}`], what);
      const far = await get('/long.mkv', { headers: { range: `bytes=${FAR}-${FAR + 7}` } });
      assert.deepEqual([far.status, far.body.toString()], [206, 'far away'], what);
      assert.equal((await get('/nothing')).status, 404, what);
      const list = JSON.parse((await get('/')).body);
      assert.deepEqual(list.map((each) => each.name).sort(), ['film.mp4', 'long.mkv', 'notes'], what);
    }
    socket.destroy();
    session.destroy();
  }
  // Who asked stands in nginx's log, and not that it was the device.
  await until(() => / "GET \/film\.mp4 HTTP\/1\.1" 304 /.test(readFileSync('/var/log/nginx/access.log', 'utf8')), 'nginx\'s own lines');
});

test('recipe nginx: memory does not grow with what goes through', room, async () => {
  const bytes = LONG ? 1.5 * 1024 * MIB : 192 * MIB;
  const { pid } = device.program;
  const range = `bytes=0-${bytes - 1}`;
  for (const version of ['--http1.1', '--http2']) {
    await own.fetch('/film.mp4');
    const begun = memory(pid).now;
    forgetPeak(pid);
    const { stdout, stderr } = await execute([...curlWords(house, own), version, '--header', `Range: ${range}`, '--output', '/dev/null',
      '--write-out', '%{http_version} %{http_code} %{size_download}', urlOf(own, '/long.mkv')]);
    assert.equal(stdout, `${version === '--http2' ? 2 : 1.1} 206 ${bytes}`, stderr);
    const grown = memory(pid).peak - begun;
    assert.ok(grown < 16 * 1024, `${version}: ${grown} KiB more for ${bytes} bytes`);
    console.log(`   ${version}: ${bytes / MIB} MiB, ${grown} KiB more`);
  }
});

test('recipe nginx: curl over HTTP/2 and HTTP/1.1: conditions, resuming, uploads', room, async () => {
  const digest = (body) => createHash('sha256').update(body).digest('hex');
  for (const [who, grant] of Object.entries(grants)) {
    for (const version of ['--http1.1', '--http2']) {
      const what = `${who}, ${version}`;
      const curl = (...words) => execute([...curlWords(house, grant), version, ...words]);
      const out = house.path('out');
      const whole = await curl('--output', out, '--dump-header', '-', urlOf(grant, '/film.mp4'));
      assert.equal(whole.code, 0, whole.stderr);
      assert.match(whole.stdout, version === '--http2' ? /^HTTP\/2 200/ : /^HTTP\/1\.1 200/);
      assert.equal(digest(readFileSync(out)), digest(FILM), what);
      const same = await curl('--output', '/dev/null', '--write-out', '%{http_code}', '--time-cond', out, urlOf(grant, '/film.mp4'));
      assert.equal(same.stdout, '304', what);
      // Half of it is there; curl asks for the rest.
      writeFileSync(out, FILM.subarray(0, MIB));
      const rest = await curl('--continue-at', '-', '--output', out, '--write-out', '%{http_code} %{size_download}', urlOf(grant, '/film.mp4'));
      assert.equal(rest.stdout, `206 ${FILM.length - MIB}`, what);
      assert.equal(digest(readFileSync(out)), digest(FILM), what);

      // PUT, with a length and without one; curl waits for "100 Continue" where it is large.
      const from = house.path('from');
      writeFileSync(from, FILM);
      const name = `/notes/${grant === own ? 'own' : 'page'}/subtitles`;
      const put = await curl('--upload-file', from, '--header', 'Expect: 100-continue', '--write-out', '%{http_code}', urlOf(grant, name));
      assert.match(put.stdout, /^20[14]$/, `${what}: ${put.stdout} ${put.stderr}`);
      assert.equal(digest(readFileSync(`/srv/films${name}`)), digest(FILM), what);
      const piped = await execute(['sh', '-c', 'cat "$0" | "$@"', from, ...curlWords(house, grant), version, '--upload-file', '-', '--write-out', '%{http_code}', urlOf(grant, name)]);
      assert.equal(piped.stdout, '204', `${what}: ${piped.stderr}`);
      assert.equal(digest(readFileSync(`/srv/films${name}`)), digest(FILM), what);
      const gone = await curl('--request', 'DELETE', '--write-out', '%{http_code}', urlOf(grant, name));
      assert.equal(gone.stdout, '204', what);
      assert.ok(!existsSync(`/srv/films${name}`));
    }
  }
});

test('recipe nginx: an upload that breaks off leaves nothing, and what was there stays', room, async () => {
  const kept = Buffer.from('what was there');
  put('/notes/kept', kept);
  const lines = () => readFileSync('/var/log/nginx/access.log', 'utf8').split('\n').filter((line) => line.includes(' /notes/'));
  const length = 5 * MIB;
  const half = FILM.subarray(0, MIB);
  for (const name of ['/notes/kept', '/notes/new']) {
    const before_ = lines().length;
    const socket = await own.connect();
    socket.write(text({ method: 'PUT', target: name, headers: own.headers({ Cookie: own.cookie, 'Content-Length': String(length) }) }));
    await new Promise((done) => { socket.write(half, done); });
    socket.destroy();
    const chunked = await own.connect();
    chunked.write(text({ method: 'PUT', target: name, headers: own.headers({ Cookie: own.cookie, 'Transfer-Encoding': 'chunked' }) }));
    await new Promise((done) => { chunked.write(Buffer.concat([Buffer.from(`${half.length.toString(16)}\r\n`), half]), done); });
    chunked.destroy();
    const session = await client(own);
    const stream = session.request({ ':method': 'PUT', ':path': name, ':authority': own.host, 'sec-fetch-site': 'none', cookie: own.cookie, 'content-length': length });
    stream.on('error', () => {});
    await new Promise((done) => { stream.write(half, done); });
    session.destroy();
    // nginx writes a line for each of the three when it has given up on it: 400, or 499 where nobody is left to tell.
    await until(() => lines().length === before_ + 3, 'nginx to have noticed three times');
    assert.ok(lines().slice(before_).every((line) => / (400|499) /.test(line)), lines().slice(before_).join('\n'));
  }
  assert.ok(readFileSync('/srv/films/notes/kept').equals(kept));
  assert.ok(!existsSync('/srv/films/notes/new'));
});

test('recipe nginx: connections that nginx closes are noticed, and no request is lost or made twice', room, async () => {
  // keepalive_requests is 1000: each of nginx's connections ends in the middle of these.
  const log = () => readFileSync('/var/log/nginx/access.log', 'utf8').split('\n').filter((line) => line.includes('/notes/count?')).length;
  put('/notes/count', 'x');
  const socket = await own.connect();
  const head = (i) => text({ target: `/notes/count?${i}`, headers: own.headers({ Cookie: own.cookie }) });
  for (let i = 0; i < 2100; i += 1) {
    socket.write(head(i));
    const answer = await readAnswer(socket);
    assert.equal(answer?.status, 200, `${i}`);
  }
  socket.destroy();
  await until(() => log() >= 2100, 'nginx\'s lines');
  assert.equal(log(), 2100);
  assert.equal(statSync('/srv/films/notes/count').size, 1);
});
