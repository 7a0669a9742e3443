// What one client may cost the device in front of everybody else's (row 43 of docs/threat-model.md), how
// it goes away, and what it writes down about itself.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { Device, House, execute, BIN, until, upstream, within } from './lib/house.mjs';
import { readAnswer, readerOf, request, text } from './lib/http.mjs';
import { FLAG, Raw, TYPE, ask, block, client, frame } from './lib/http2.mjs';

const SITE = 'https://video.example';

async function served(t, { more = [], answer } = {}) {
  const house = House.open(t);
  const service = await upstream(house, answer);
  const device = await Device.start(house, { upstream: service.url, more: ['--metrics', '127.0.0.1:0', ...more] });
  const grant = await new Person(device).pair(SITE);
  await grant.open();
  const metrics = () => scrape(Number(/metrics on 127\.0\.0\.1:(\d+)/.exec(device.program.output)[1]));
  return { house, service, device, grant, metrics };
}

/** @returns {Promise<Record<string, number> & {answer}>} */
async function scrape(port, headers = {}) {
  const answer = await new Promise((done, fail) => {
    http.get({ host: '127.0.0.1', port, path: '/metrics', headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (data) => { body += data; });
      response.on('end', () => done({ status: response.statusCode, headers: response.headers, body }));
    }).on('error', fail);
  });
  const samples = answer.body.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => line.split(/ (?=\d+$)/));
  return { ...Object.fromEntries(samples.map(([name, value]) => [name, Number(value)])), answer };
}

const over = (socket) => within(new Promise((done) => {
  if (socket.destroyed) done();
  else { socket.on('close', done); socket.on('error', () => {}); socket.resume(); }
}), 'the end of a connection');

test('row 43: slowloris: heads and bodies that trickle, and connections that idle, are given up', async (t) => {
  const { grant, metrics } = await served(t, { more: ['--head-seconds', '1', '--body-seconds', '1', '--idle-seconds', '2', '--min-upload-rate', '1000'] });
  const begun = Date.now();
  const trickle = (socket, bytes) => {
    let at = 0;
    const timer = setInterval(() => {
      if (socket.destroyed || at >= bytes.length) clearInterval(timer);
      else socket.write(bytes.subarray(at, at += 1));
    }, 100);
    socket.on('close', () => clearInterval(timer));
  };
  const head = text({ headers: grant.headers({ Cookie: grant.cookie }) });
  const slowHead = await grant.connect();
  trickle(slowHead, head);
  const slowBody = await grant.connect();
  slowBody.write(text({ method: 'POST', headers: grant.headers({ Cookie: grant.cookie, 'Content-Length': '10000' }) }));
  trickle(slowBody, Buffer.alloc(10000));
  const idle = await grant.connect();
  const raw = await Promise.all([0, 1, 2, 3].map(() => Raw.open(grant)));
  const bytes = block(raw[0].fields());
  raw[0].write(frame(TYPE.headers, 0, 1, bytes.subarray(0, 5))); // a head that never ends
  trickle(raw[1].socket, frame(TYPE.headers, FLAG.endHeaders, 1, bytes)); // a frame that hardly comes
  raw[2].write(frame(TYPE.headers, FLAG.endHeaders, 1, bytes), frame(TYPE.data, 0, 1, Buffer.from('x'))); // a body that does not go on
  const silent = await grant.connect({ ALPNProtocols: ['h2'] }); // says nothing at all
  const pinging = setInterval(() => raw[3].write(frame(TYPE.ping, 0, 0, Buffer.alloc(8))), 100);
  assert.ok((await raw[2].until((one) => one.type === TYPE.reset || one.type === TYPE.headers)) !== undefined);
  await Promise.all([slowHead, slowBody, idle, silent, raw[0].socket, raw[1].socket, raw[3].socket].map(over));
  clearInterval(pinging);
  assert.ok(Date.now() - begun < 15000, 'within a few of the seconds that were set');
  const counted = await metrics();
  assert.ok(counted['latchkey_refused_total{reason="slow_head"}'] >= 2, counted.answer.body);
  assert.ok(counted['latchkey_refused_total{reason="slow_body"}'] >= 2, counted.answer.body);
  assert.equal((await grant.fetch('/')).status, 200);
});

test('row 43: who takes nothing of an answer is given up; others are not', async (t) => {
  const { grant, metrics, service } = await served(t, {
    more: ['--stall-seconds', '1'],
    answer: (incoming, response) => (incoming.url === '/endless' ? response.write(Buffer.alloc(60_000_000)) : response.end('small')),
  });
  const socket = await grant.connect();
  socket.pause();
  socket.write(text({ target: '/endless', headers: grant.headers({ Cookie: grant.cookie }) }));
  const session = await client(grant);
  const stalled = session.request({ ':path': '/endless', ':authority': grant.host, origin: SITE, cookie: grant.cookie });
  stalled.on('error', () => {});
  stalled.pause();
  await until(async () => (await metrics())['latchkey_refused_total{reason="slow_reader"}'] >= 2, 'both are given up');
  assert.equal((await ask(session, grant, '/')).status, 200, 'the connection of the stream lives on');
  await until(() => service.seen.length === 3, 'what the service saw');
  socket.destroy();
  session.destroy();
});

test('row 43: one address gets its share of the connections, and its streams', async (t) => {
  const { grant, metrics } = await served(t, { more: ['--max-connections-per-address', '6', '--max-streams', '3'], answer: () => {} });
  const mine = await Promise.all(Array.from({ length: 5 }, () => grant.connect()));
  const session = await client(grant);
  assert.equal((await within(new Promise((done) => { session.once('remoteSettings', done); }), 'SETTINGS')).maxConcurrentStreams, 3);
  await assert.rejects(grant.connect());
  const counted = await metrics();
  assert.ok(counted['latchkey_refused_total{reason="connections_of_address"}'] >= 1);
  assert.equal(counted.latchkey_connections, 6);
  mine.forEach((one) => one.destroy());
  await until(async () => (await metrics()).latchkey_connections === 1, 'their places are free again');
  session.destroy();
  const raw = await Raw.open(grant);
  const head = block(raw.fields({ ':method': 'GET' }));
  raw.write(...[1, 3, 5, 7].map((id) => frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, id, head)));
  const refused = await raw.until((one) => one.type === TYPE.reset);
  assert.deepEqual([refused.stream, refused.payload.readUInt32BE(0)], [7, 7], 'REFUSED_STREAM');
  raw.socket.destroy();
});

test('the end: answers that are under way come whole, new ones are not taken', async (t) => {
  const held = [];
  const { grant, device } = await served(t, { more: ['--drain-seconds', '30'], answer: (incoming, response) => { response.write('first, '); held.push(response); } });
  const idle = await grant.connect();
  assert.equal((await request(idle, { target: '/.well-known/latchkey', headers: { Host: grant.host } })).status, 200);
  const one = await grant.connect();
  one.write(text({ headers: grant.headers({ Cookie: grant.cookie }) }));
  const raw = await Raw.open(grant);
  const head = block(raw.fields({ ':method': 'GET' }));
  raw.write(frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 1, head));
  await until(() => held.length === 2, 'two answers under way');
  device.program.child.kill('SIGTERM');
  await over(idle);
  const goaway = await raw.until((one) => one.type === TYPE.goaway);
  assert.deepEqual([goaway.payload.readUInt32BE(0), goaway.payload.readUInt32BE(4)], [1, 0], 'after stream 1 there is none');
  await assert.rejects(grant.connect());
  raw.write(frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 3, head));
  assert.equal(device.program.exit, undefined, 'it waits for them');
  held.forEach((response) => response.end('last'));
  assert.equal((await readAnswer(one)).body.toString(), 'first, last');
  const rest = [];
  for (let one; !(rest.at(-1)?.flags & FLAG.endStream) && (one = await raw.next());) if (one.type === TYPE.data) rest.push(one);
  assert.equal(rest.map((one) => one.payload).join(''), 'last');
  assert.ok(rest.every((one) => one.stream === 1));
  raw.socket.destroy();
  assert.equal(held.length, 2, 'the late one never came through');
  assert.deepEqual(await within(device.program.ended, 'the end of the device'), { code: 0, signal: null });
});

test('the end: what does not come to an end is cut off, after the time or at a second word', async (t) => {
  for (const [seconds, again] of [['1', false], ['60', true]]) {
    const { grant, device, service } = await served(t, { more: ['--drain-seconds', seconds], answer: (incoming, response) => response.write('first') });
    // Read frame by frame: node's client tells a stream that was cut off from a whole one only sometimes.
    const raw = await Raw.open(grant);
    raw.write(frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 1, block(raw.fields({ ':method': 'GET' }))));
    await until(() => service.seen.length === 1, 'an answer under way');
    device.program.child.kill('SIGTERM');
    if (again) {
      await raw.until((one) => one.type === TYPE.goaway);
      device.program.child.kill('SIGTERM');
    }
    assert.notEqual((await within(raw.answer(1), 'the end of the answer'))?.whole, true, 'passed off as whole');
    assert.deepEqual(await within(device.program.ended, 'the end of the device'), { code: 0, signal: null });
  }
});

test('row 48: the counters say how much and never who', async (t) => {
  const { grant, device, metrics } = await served(t);
  await grant.fetch('/film?ticket=x');
  await grant.fetch('/', { headers: { Origin: 'https://evil.example' } });
  const session = await client(grant);
  await ask(session, grant, '/');
  session.destroy();
  const counted = await metrics();
  assert.equal(counted.answer.status, 200);
  assert.equal(counted.answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(counted['latchkey_requests_total{http="2",status="2xx"}'], 1);
  assert.ok(counted['latchkey_requests_total{http="1",status="2xx"}'] >= 2);
  assert.equal(counted['latchkey_requests_total{http="1",status="4xx"}'] >= 1, true);
  assert.equal(counted.latchkey_sessions, 1);
  assert.equal(counted.latchkey_grants, 1);
  assert.ok(counted.latchkey_sent_bytes_total > 10);
  assert.doesNotMatch(counted.answer.body, /local|example|film|127\.0|ticket|Shelf/);
  // A page in a browser of this machine reads nothing, under whatever name it came.
  const port = Number(/metrics on 127\.0\.0\.1:(\d+)/.exec(device.program.output)[1]);
  for (const headers of [{ Origin: SITE }, { Host: 'evil.example' }, { Host: `evil.example:${port}` }, { 'Sec-Fetch-Site': 'cross-site' }]) {
    const { answer } = await scrape(port, headers);
    assert.deepEqual([answer.status, answer.body], [403, '']);
  }
  for (const wrong of ['0.0.0.0:9000', '192.168.1.2:9000', 'all:9000', '127.0.0.1', '[::]:1', 'localhost.evil.example:1']) {
    const { code, stderr } = await execute([`${BIN}/latchkey-device`, 'run', '--state', device.state, '--serve', '/', '--metrics', wrong]);
    assert.equal(code, 2, wrong);
    assert.match(stderr, /--metrics/);
  }
});

test('the access log is one that other programs read, and follows a rotation', async (t) => {
  const { grant, device } = await served(t);
  await grant.fetch('/a?b=secret', { headers: { 'User-Agent': 'Mozilla/5.0 (X11) "quoted"' } });
  const session = await client(grant);
  await ask(session, grant, '/two');
  session.destroy();
  const lines = () => readFileSync(device.log, 'utf8').split('\n').filter(Boolean);
  await until(() => lines().some((line) => line.includes('/two')), 'two lines');
  const form = /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "[A-Z]+ \S+ HTTP\/[12]\.[01]" \d{3} \d+ "[^"]*" "[^"]*"$/;
  for (const line of lines()) assert.match(line, form);
  assert.ok(lines().some((line) => line.includes('"GET /a HTTP/1.1" 200 16 "https://video.example" "Mozilla/5.0 (X11) %22quoted%22"')), lines().join('\n'));
  assert.ok(lines().some((line) => line.includes('"GET /two HTTP/2.0" 200 16 ')));
  renameSync(device.log, `${device.log}.1`);
  device.program.child.kill('SIGHUP');
  await until(() => existsSync(device.log), 'a new file');
  await grant.fetch('/three');
  await until(() => lines().length === 1, 'the new line is in the new file');
  assert.doesNotMatch(readFileSync(`${device.log}.1`, 'utf8'), /three/);
});
