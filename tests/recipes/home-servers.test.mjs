// docs/recipes/home-servers.md: what Home Assistant and Jellyfin do on the wire, behind the device.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pem } from '../attack/lib/der.mjs';
import { Program, ROOT, until, within } from '../attack/lib/house.mjs';
import { readAnswer, readerOf, text } from '../attack/lib/http.mjs';
import { FLAG, Raw, TYPE, ask, block, client, frame } from '../attack/lib/http2.mjs';
import { forgetPeak, front, IN_ROOM, lay, LONG, memory, openHouse, room, service } from './lib.mjs';

const { WebSocket } = createRequire(join(ROOT, 'tests/lab/node_modules/.'))('ws');
const SERVER = fileURLToPath(new URL('home_server.mjs', import.meta.url));
const MIB = 1 << 20;
const SIZE = LONG ? 1280 * MIB : 128 * MIB;
// Longer than any limit of the front that is not meant for a silent service, in the long form.
const SILENCE = LONG ? 310_000 : 3_000;

let house;
let home;
let device;
let page;
let own;

before(async () => {
  if (!IN_ROOM) return;
  house = openHouse();
  lay('home-servers');
  home = await service(house, [process.execPath, SERVER, '/srv/home/configuration.yaml'], { port: 8123 });
  ({ device, page, own } = await front(house));
});
after(() => house?.close());

const says = (pattern) => home.output.split('\n').filter((line) => pattern.test(line)).length;

/** The bytes that are uploaded, a piece at a time, and their digest. */
function content(size) {
  const piece = Buffer.from(Array.from({ length: MIB }, (_, i) => (i * 7) & 0xff));
  const digest = createHash('sha256');
  for (let i = 0; i < size / MIB; i += 1) digest.update(piece);
  return { piece, count: size / MIB, sha256: digest.digest('hex') };
}
async function pour(stream, { piece, count }, chunked = false) {
  for (let i = 0; i < count; i += 1) {
    const bytes = chunked ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]) : piece;
    if (!stream.write(bytes)) await new Promise((done) => { stream.once('drain', done); });
  }
}

test('recipe home-servers: large uploads take no memory, with a length and without, in both versions', room, async () => {
  const body = content(SIZE);
  const { pid } = device.program;
  const ways = {
    'HTTP/1.1, with a length': async (grant) => {
      const socket = await grant.connect();
      readerOf(socket);
      socket.write(text({ method: 'POST', target: '/upload', headers: grant.headers({ Cookie: grant.cookie, 'Content-Length': String(SIZE) }) }));
      await pour(socket, body);
      return readAnswer(socket).finally(() => socket.destroy());
    },
    'HTTP/1.1, without': async (grant) => {
      const socket = await grant.connect();
      readerOf(socket);
      socket.write(text({ method: 'POST', target: '/upload', headers: grant.headers({ Cookie: grant.cookie, 'Transfer-Encoding': 'chunked' }) }));
      await pour(socket, body, true);
      socket.write('0\r\n\r\n');
      return readAnswer(socket).finally(() => socket.destroy());
    },
    'HTTP/2': async (grant) => {
      const session = await client(grant);
      const { ':path': path, ...rest } = Object.fromEntries(Object.entries({ ':method': 'POST', ':path': '/upload', ':authority': grant.host, cookie: grant.cookie }));
      const stream = session.request({ ...rest, ':path': path, ...(grant.origin === null ? { 'sec-fetch-site': 'none' } : { origin: grant.origin }) });
      let answer = '';
      stream.on('data', (data) => { answer += data; });
      const ended = new Promise((done, fail) => { stream.on('end', done); stream.on('error', fail); });
      await pour(stream, body);
      stream.end();
      await ended;
      session.destroy();
      return { status: 200, body: answer };
    },
  };
  for (const [what, send] of Object.entries(ways)) {
    for (const grant of LONG ? [own] : [own, page]) {
      const begun = memory(pid).now;
      forgetPeak(pid);
      const answer = await send(grant);
      assert.deepEqual(JSON.parse(answer.body), { bytes: SIZE, sha256: body.sha256 }, what);
      const grown = memory(pid).peak - begun;
      assert.ok(grown < 16 * 1024, `${what}: ${grown} KiB more`);
      console.log(`   ${what}: ${SIZE / MIB} MiB, ${grown} KiB more`);
    }
  }
});

test('recipe home-servers: an upload that breaks off is not taken for the whole', room, async () => {
  const half = Buffer.alloc(300_000, 'x');
  const cut = says(/^upload cut/);
  for (const headers of [{ 'Content-Length': '600000' }, { 'Transfer-Encoding': 'chunked' }]) {
    const socket = await own.connect();
    socket.write(text({ method: 'POST', target: '/upload', headers: own.headers({ Cookie: own.cookie, ...headers }) }));
    await new Promise((done) => { socket.write('Content-Length' in headers ? half : Buffer.concat([Buffer.from('60000\r\n'), half]), done); });
    socket.destroy();
  }
  for (const code of [8, null]) { // reset, and gone with its connection
    const raw = await Raw.open(own);
    const fields = [[':method', 'POST'], [':scheme', 'https'], [':authority', own.host], [':path', '/upload'], ['sec-fetch-site', 'none'], ['cookie', own.cookie]];
    raw.write(frame(TYPE.headers, FLAG.endHeaders, 1, block(fields)), frame(TYPE.data, 0, 1, half.subarray(0, 16000)));
    if (code === null) raw.socket.end();
    else raw.write(frame(TYPE.reset, 0, 1, Buffer.from([0, 0, 0, code])));
    await until(() => says(/^upload cut/) > cut + (code === null ? 3 : 2), 'the service to hear of it');
    raw.socket.destroy();
  }
});

test('recipe home-servers: a service that ends in the middle of an answer: nobody takes that for the whole', room, async () => {
  for (const grant of [own, page]) {
    for (const how of ['length', 'chunked']) {
      const session = await client(grant);
      const answer = await ask(session, grant, `/cut?how=${how}`);
      assert.equal(answer.status, 200);
      assert.ok(answer.code !== 0 && answer.body.length < 1_000_000, `${how}: ${answer.code}`);
      assert.equal((await ask(session, grant, '/poll')).body.toString(), 'at last', 'the connection lives on');
      session.destroy();
      const old = await grant.fetch(`/cut?how=${how}`).catch((error) => ({ error }));
      assert.ok(old.error || old.body.length < Number(old.headers['content-length']), how);
    }
    assert.equal((await grant.fetch('/cut?how=head')).status, 502);
  }
});

test('recipe home-servers: long polls, and who goes away before', room, async () => {
  const session = await client(page);
  const begun = Date.now();
  const begins = says(/^poll begins/);
  // Read at the end only: the reader's own patience is shorter than the long form.
  const socket = await page.connect();
  let old = '';
  socket.on('data', (data) => { old += data; });
  socket.write(text({ target: `/poll?ms=${SILENCE}`, headers: page.headers({ Cookie: page.cookie }) }));
  const streams = [1, 2].map(() => session.request({ ':path': `/poll?ms=${SILENCE}`, ':authority': page.host, origin: page.origin, cookie: page.cookie }));
  const bodies = streams.map((stream) => new Promise((done, fail) => {
    let body = '';
    stream.on('data', (data) => { body += data; });
    stream.on('end', () => done(body));
    stream.on('error', fail);
  }));
  const leaver = session.request({ ':path': '/poll?ms=3600000', ':authority': page.host, origin: page.origin, cookie: page.cookie });
  leaver.on('error', () => {});
  await until(() => says(/^poll begins/) >= begins + 4, 'four polls', 10_000);
  const over = says(/^poll over/);
  leaver.close(8);
  await until(() => says(/^poll over/) === over + 1, 'the service is let go');
  assert.deepEqual(await Promise.all(bodies), ['at last', 'at last']);
  assert.ok(Date.now() - begun >= SILENCE);
  await until(() => old.endsWith('at last'), 'the answer over HTTP/1.1');
  socket.destroy();
  session.destroy();
});

test('recipe home-servers: a service that says nothing for longer than answer-seconds is given up', room, async (t) => {
  const short = await front(house, ['--answer-seconds', '1']);
  t.after(() => short.device.stop());
  const answer = await short.own.fetch('/poll?ms=3600000');
  assert.equal(answer.status, 502);
  const session = await client(short.own);
  assert.equal((await ask(session, short.own, '/poll?ms=3600000')).status, 502);
  const cut = await ask(session, short.own, '/api/stream?ms=3600000');
  assert.ok(cut.code !== 0 && cut.body.includes('id: 1'), 'the beginning came, and not as the whole');
  session.destroy();
});

test('recipe home-servers: server-sent events come one by one, also after silence', room, async () => {
  for (const grant of [own, page]) {
    const session = await client(grant);
    const stream = session.request({ ':path': `/api/stream?ms=${SILENCE}`, ':authority': grant.host, cookie: grant.cookie, 'last-event-id': '41', ...(grant.origin === null ? { 'sec-fetch-site': 'same-origin' } : { origin: grant.origin }) });
    let heard = '';
    stream.on('data', (data) => { heard += data; });
    const hears = (what, ms) => until(() => heard.includes(what), what, ms);
    await hears('id: 1\ndata: {"after":"41"}\n\n');
    assert.ok(!heard.includes('id: 2'));
    await grant.fetch('/api/fire', { method: 'POST', body: Buffer.alloc(0), headers: grant.origin === null ? { 'Sec-Fetch-Site': 'same-origin' } : {} });
    await hears('data: "fired"\n\n');
    await hears('id: 2\ndata: "after silence"\n\n', SILENCE + 20_000);
    const closed = says(/^stream closed/);
    session.destroy();
    await until(() => says(/^stream closed/) > closed, 'the service hears that nobody listens');
  }
});

test('recipe home-servers: the WebSocket API of Home Assistant, and its tokens', room, async () => {
  for (const grant of [own, page]) {
    const mine = grant.origin === null ? { Origin: `https://${grant.host}:${grant.port}`, 'Sec-Fetch-Site': 'same-origin' } : { Origin: grant.origin };
    const socket = new WebSocket(`wss://${grant.host}:${grant.port}/api/websocket`, {
      ca: pem(grant.person.root.der), headers: { Cookie: grant.cookie, ...mine },
      lookup: (name, options, done) => (options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)),
    });
    const heard = [];
    socket.on('message', (data) => heard.push(JSON.parse(data)));
    const hears = (type) => until(() => heard.some((one) => one.type === type), type);
    await hears('auth_required');
    socket.send(JSON.stringify({ type: 'auth', access_token: 'a-long-lived-token' }));
    await hears('auth_ok');
    socket.send(JSON.stringify({ id: 1, type: 'subscribe_events' }));
    await hears('result');
    await grant.fetch('/api/fire', { method: 'POST', body: Buffer.alloc(0), headers: grant.origin === null ? { 'Sec-Fetch-Site': 'same-origin' } : {} });
    await hears('event');
    socket.send(JSON.stringify({ id: 2, type: 'ping' }));
    await hears('pong');
    const ended = new Promise((done) => { socket.on('close', done); });
    socket.close();
    await within(ended, 'the end');
    // A token of the service's own passes, beside our session.
    const asked = await grant.fetch('/api/', { headers: { Authorization: 'Bearer a-long-lived-token', 'X-Forwarded-For': '203.0.113.9' } });
    assert.deepEqual([asked.status, JSON.parse(asked.body)], [200, { from: '127.0.0.1', scheme: 'https' }]);
    assert.equal((await grant.fetch('/api/')).status, 401);
  }
});

test('recipe home-servers: without the lines about the proxy Home Assistant refuses everything', room, async (t) => {
  const lines = readFileSync('/srv/home/configuration.yaml', 'utf8').split('\n');
  writeFileSync('/srv/home/untold.yaml', lines.filter((line) => !/proxies|forwarded|- 127/.test(line)).join('\n').replace('8123', '8124'));
  const untold = new Program([process.execPath, SERVER, '/srv/home/untold.yaml'], { PATH: process.env.PATH });
  t.after(() => untold.end());
  const answer = await until(() => fetch('http://127.0.0.1:8124/api/', { headers: { 'X-Forwarded-For': '192.168.1.5' } }).catch(() => null), 'an answer');
  assert.equal(answer.status, 400);
});
