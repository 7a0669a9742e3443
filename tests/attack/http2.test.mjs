// HTTP/2 at granted hosts: rows 15, 30, 31, 43, 46 and 47 of docs/threat-model.md as they are for
// streams, what HTTP/2 lets a client say that HTTP/1.1 must not hear, and what it lets a client cost.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { ambiguous2 } from './lib/ambiguous.mjs';
import { Person } from './lib/binding.mjs';
import { Device, House, until, upstream, within } from './lib/house.mjs';
import { request } from './lib/http.mjs';
import { FLAG, Raw, TYPE, ask, block, client, frame, tunnel } from './lib/http2.mjs';

const SITE = 'https://video.example';
const EVIL = 'https://evil.example';

async function served(t, answer) {
  const house = House.open(t);
  const service = await upstream(house, answer);
  const device = await Device.start(house, { upstream: service.url });
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await grant.open();
  return { house, service, device, person, grant };
}

test('h2: the same judgement as for HTTP/1.1, stream by stream', async (t) => {
  const { service, grant, person } = await served(t, (incoming, response, one) => response.end(`${incoming.method} ${one.body.length}`));
  const other = await person.grantOver(EVIL);
  const session = await client(grant);
  const at = (target, options) => ask(session, grant, target, options);
  assert.equal((await at('/a?b=c')).body.toString(), 'GET 0');
  assert.equal((await at('/', { method: 'HEAD' })).status, 200);
  assert.equal((await at('/up', { method: 'PUT', body: Buffer.alloc(3_000_000, 1) })).body.toString(), 'PUT 3000000');
  assert.equal((await at('/', { sessionless: true })).status, 401);
  assert.equal((await at('/', { headers: { origin: EVIL } })).status, 403);
  assert.equal((await at('/', { headers: { origin: undefined } })).status, 403);
  assert.equal((await at('/', { authority: 'other.local' })).status, 421);
  assert.equal((await at('/', { authority: other.host })).status, 421, 'connections are not shared between hosts');
  assert.equal((await at('/', { method: 'TRACE' })).status, 405);
  assert.equal((await at('/.well-known/latchkey', { headers: { origin: undefined } })).status, 200);
  assert.equal((await at('/', { headers: { cookie: `${grant.cookie}; ${grant.cookie}` } })).status, 401);
  const many = await Promise.all(Array.from({ length: 60 }, (_, i) => at(`/many/${i}`)));
  assert.deepEqual(new Set(many.map((one) => one.status)), new Set([200]));
  assert.equal(service.seen.length, 63);
  for (const one of service.seen) {
    assert.equal(one.headers['x-latchkey-origin'], SITE);
    assert.equal(one.headers.host, grant.host);
    assert.ok(!JSON.stringify(one).includes(grant.cookie.split('=')[1]));
    assert.equal(one.raw.filter((name) => name.toLowerCase() === 'host').length, 1);
  }
  // A WebSocket beside it, as in HTTP/1.1.
  const socket = await grant.connect({ ALPNProtocols: ['http/1.1'] });
  const opened = await request(socket, { target: '/ws', headers: grant.headers({ Cookie: grant.cookie, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' }) });
  assert.equal(opened.status, 101);
  socket.destroy();
  session.destroy();
});

test('h2: a WebSocket in a stream (RFC 8441) is judged as one of HTTP/1.1, and is a tunnel of its own', async (t) => {
  const { service, grant } = await served(t, (incoming, response) => response.end('no WebSocket here'));
  const session = await client(grant);
  const at = (target, options) => tunnel(session, grant, target, options);
  assert.equal((await at('/ws', { sessionless: true })).status, 401);
  assert.equal((await at('/ws', { headers: { origin: EVIL } })).status, 403);
  assert.equal((await at('/ws', { headers: { origin: undefined } })).status, 403);
  assert.equal((await at('/ws', { authority: 'other.local' })).status, 421);
  // What would be another request, or none, in HTTP/1.1.
  for (const headers of [{ ':protocol': 'connect-udp' }, { 'content-length': '5' }, { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' }]) {
    assert.equal((await at('/ws', { headers })).status, 400, JSON.stringify(headers));
  }
  assert.deepEqual(service.seen, [], 'none of these reached the service');

  const one = await at('/ws?a=b');
  assert.equal(one.status, 200);
  for (const name of ['connection', 'upgrade', 'sec-websocket-accept']) assert.equal(one.headers[name], undefined, name);
  const [{ headers: seen, method, url }] = service.seen;
  assert.deepEqual([method, url, seen.upgrade, seen['x-latchkey-origin']], ['GET', '/ws?a=b', 'websocket', SITE]);
  assert.equal(Buffer.from(seen['sec-websocket-key'], 'base64').length, 16);
  assert.equal(seen['transfer-encoding'] ?? seen['content-length'], undefined);
  // More than any window at once, and other requests beside it.
  const sent = Buffer.alloc(3_000_000, 'wide ');
  one.stream.write(sent);
  assert.equal((await ask(session, grant, '/beside')).body.toString(), 'no WebSocket here');
  await until(() => one.bytes.length === sent.length, 'the echo');
  assert.deepEqual(one.bytes, sent);
  const two = await at('/ws');
  assert.notEqual(service.seen.at(-1).headers['sec-websocket-key'], seen['sec-websocket-key']);
  one.stream.end();
  assert.equal(await within(one.over, 'the end that the client asked for'), 0);
  two.stream.write('still here');
  await until(() => two.bytes.toString() === 'still here', 'the other one');
  session.destroy();
});

test('row 46: in h2 nothing passes for an open WebSocket but one', async (t) => {
  const { service, grant } = await served(t);
  const session = await client(grant);
  // An answer to another key: not of a service that speaks WebSockets. In HTTP/1.1 the browser sees that.
  const unread = await tunnel(session, grant, '/unread');
  assert.equal(unread.status, 502);
  assert.equal(service.seen.length, 1);
  // A service that answers 200 as if nothing had been asked for.
  service.server.removeAllListeners('upgrade');
  assert.equal((await tunnel(session, grant, '/ws')).status, 502);
  assert.equal((await ask(session, grant, '/after')).status, 200, 'the connection lives on');
  session.destroy();
});

test('row 47: in h2 too nothing of a session outlives its grant', async (t) => {
  const open = [];
  const { person, grant } = await served(t, (incoming, response) => { response.write('begun'); open.push(response); });
  let ticket;
  const session = await client(grant);
  session.socket.on('session', (one) => { ticket = one; });
  const held = [ask(session, grant, '/1'), ask(session, grant, '/2')];
  const socket = await tunnel(session, grant);
  await until(() => open.length === 2 && ticket, 'two answers under way, and a ticket of TLS');
  const again = await grant.connect({ ALPNProtocols: ['h2'], session: ticket });
  assert.ok(again.isSessionReused(), 'while the grant lives');
  again.destroy();
  await person.ask('DELETE', `/grants/${grant.id.toString('hex')}`);
  for (const answer of await Promise.all(held)) {
    assert.ok(answer.error || answer.code !== 0, 'cut off, not ended');
  }
  await within(socket.over, 'the end of the WebSocket');
  assert.equal(socket.ended, false, 'cut off, not ended');
  await within(new Promise((done) => { if (session.destroyed) done(); else session.once('close', done); }), 'the end of the connection');
  await assert.rejects(grant.connect({ ALPNProtocols: ['h2'], session: ticket }));
  await until(() => open.every((one) => one.destroyed || one.writableEnded || one.socket?.destroyed), 'the service hears of it');
});

test('row 46: what h2 can say and HTTP/1.1 must not hear never reaches the service', async (t) => {
  const { service, grant } = await served(t);
  const { inner, heads, lengths } = ambiguous2(grant);
  for (const [what, [changes, more]] of Object.entries(heads)) {
    const raw = await Raw.open(grant);
    const bytes = block(raw.fields(changes, more));
    const first = bytes.subarray(0, 16000);
    raw.write(frame(TYPE.headers, bytes.length > 16000 ? 0 : FLAG.endHeaders, 1, first));
    if (bytes.length > 16000) raw.write(frame(TYPE.continuation, FLAG.endHeaders, 1, bytes.subarray(16000)));
    raw.write(frame(TYPE.data, FLAG.endStream, 1, Buffer.from(inner)));
    const answer = await raw.answer(1);
    assert.notEqual(answer?.status, 200, what);
    raw.socket.destroy();
  }
  for (const [what, [length, body]] of Object.entries(lengths)) {
    const raw = await Raw.open(grant);
    raw.write(frame(TYPE.headers, FLAG.endHeaders, 1, block(raw.fields({}, [['content-length', length]]))), frame(TYPE.data, FLAG.endStream, 1, Buffer.from(body)));
    const answer = await raw.answer(1);
    assert.notEqual(answer?.status, 200, what);
    raw.socket.destroy();
  }
  assert.deepEqual(service.seen.filter((one) => one.url.includes('smuggled')), []);
  for (const one of service.seen) assert.ok(one.url === '/outer' && !one.headers['x-latchkey-origin']?.includes('evil'), JSON.stringify(one));

  // The honest ones: a body with its length, one without, trailers that nobody hears of.
  const raw = await Raw.open(grant);
  const honest = { ':path': '/honest' };
  raw.write(frame(TYPE.headers, FLAG.endHeaders, 1, block(raw.fields(honest, [['content-length', String(inner.length)]]))), frame(TYPE.data, FLAG.endStream, 1, Buffer.from(inner)));
  assert.equal((await raw.answer(1)).status, 200);
  raw.write(frame(TYPE.headers, FLAG.endHeaders, 3, block(raw.fields(honest))), frame(TYPE.data, 0, 3, Buffer.from(inner)),
    frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 3, block([['x-latchkey-sub', 'forged'], ['cookie', 'x']])));
  assert.equal((await raw.answer(3)).status, 200);
  raw.socket.destroy();
  assert.deepEqual(service.seen.filter((one) => one.url !== '/outer').map((one) => [one.url, one.body]), [['/honest', inner], ['/honest', inner]]);
  assert.ok(!JSON.stringify(service.seen).includes('forged'));
});

test('row 46: an answer that is cut off behind the device is cut off in h2 too', async (t) => {
  const house = House.open(t);
  const answers = {
    length: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello',
    chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    'a chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello',
  };
  for (const [what, bytes] of Object.entries(answers)) {
    const dying = createServer((one) => { one.on('error', () => {}); one.once('data', () => one.end(bytes)); });
    await new Promise((done) => { dying.listen(0, '127.0.0.1', done); });
    house.keep(() => dying.close());
    const device = await Device.start(house, { upstream: `http://127.0.0.1:${dying.address().port}` });
    const grant = await new Person(device).pair(SITE);
    await grant.open();
    const session = await client(grant);
    const [one, two] = await Promise.all([ask(session, grant, '/1'), ask(session, grant, '/2')]);
    for (const answer of [one, two]) assert.ok(answer.error && answer.code !== 0, what);
    assert.equal((await ask(session, grant, '/', { sessionless: true })).status, 401, 'the connection lives on');
    session.destroy();
    const old = await grant.fetch('/').catch((error) => ({ error }));
    assert.ok(old.error || old.body.length < 10, `${what}, HTTP/1.1`);
  }
});

test('row 43: a client that opens and resets streams costs the service no more than its limit', async (t) => {
  let open = 0;
  let most = 0;
  const { service, grant } = await served(t, (incoming, response) => {
    open += 1;
    most = Math.max(most, open);
    response.on('close', () => { open -= 1; });
  });
  const raw = await Raw.open(grant);
  const head = block(raw.fields({ ':method': 'GET' }));
  const cancel = Buffer.from([0, 0, 0, 8]);
  for (let i = 0; i < 2000 && !raw.socket.destroyed; i += 1) {
    raw.write(frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 1 + 2 * i, head), frame(TYPE.reset, 0, 1 + 2 * i, cancel));
  }
  assert.equal(await raw.until(() => false), null, 'the connection ends');
  raw.socket.destroy();
  await until(() => open === 0, 'the service is let go');
  assert.ok(most <= 100, `${most} at once`);
  assert.ok(service.seen.length <= 500, `${service.seen.length} of 2000`);
  assert.equal((await grant.fetch('/.well-known/latchkey')).status, 200);
});

test('row 43: floods of frames that ask for nothing end the connection', async (t) => {
  const { grant, device } = await served(t);
  const setting = Buffer.from([0, 3, 0, 0, 0, 10]);
  const floods = {
    ping: (raw) => raw.write(...Array.from({ length: 100 }, () => frame(TYPE.ping, 0, 0, Buffer.alloc(8)))),
    settings: (raw) => raw.write(...Array.from({ length: 100 }, () => frame(TYPE.settings, 0, 0, setting))),
    priority: (raw) => raw.write(...Array.from({ length: 100 }, () => frame(TYPE.priority, 0, 1, Buffer.alloc(5, 1)))),
    'empty data': (raw) => raw.write(...Array.from({ length: 100 }, () => frame(TYPE.data, 0, 1))),
    continuation: (raw) => raw.write(...Array.from({ length: 100 }, () => frame(TYPE.continuation, 0, 1, block([['x', 'y']])))),
  };
  for (const [what, some] of Object.entries(floods)) {
    const raw = await Raw.open(grant);
    if (what === 'empty data') raw.write(frame(TYPE.headers, FLAG.endHeaders, 1, block(raw.fields())));
    if (what === 'continuation') raw.write(frame(TYPE.headers, 0, 1, block(raw.fields())));
    const ended = raw.until(() => false);
    let over = false;
    ended.then(() => { over = true; });
    for (let i = 0; i < 400 && !over; i += 1) {
      some(raw);
      await new Promise((done) => { setImmediate(done); });
    }
    await within(ended, what);
    raw.socket.destroy();
  }
  assert.equal((await device.status()).grants.length, 1);
});

test('a client that reads nothing stops the service and the files', async (t) => {
  const house = House.open(t);
  let written = 0;
  const service = await upstream(house, (incoming, response) => {
    const block = Buffer.alloc(65536);
    const more = () => { while (!response.destroyed && written < 400_000_000) { written += block.length; if (!response.write(block)) return; } };
    response.on('drain', more);
    more();
  });
  const device = await Device.start(house, { upstream: service.url });
  const grant = await new Person(device).pair(SITE);
  await grant.open();
  const session = await client(grant);
  const held = session.request({ ':path': '/', ':authority': grant.host, origin: SITE, cookie: grant.cookie });
  held.pause();
  held.on('error', () => {});
  await within(new Promise((done) => { held.once('response', done); }), 'a head');
  let last = -1;
  await until(() => { const still = written === last && written > 0; last = written; return still; }, 'nothing moves any more');
  assert.ok(written < 40_000_000, `${written}`);
  assert.equal((await ask(session, grant, '/', { sessionless: true })).status, 401, 'other streams go on');
  session.destroy();
});

test('files come whole over h2, many at once and in ranges', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const film = Buffer.alloc(5_000_000);
  for (let i = 0; i < film.length; i += 1) film[i] = i * 7 % 251;
  writeFileSync(`${device.options.serve}/film.bin`, film);
  const grant = await new Person(device).pair(SITE);
  await grant.open();
  const session = await client(grant);
  const all = await Promise.all([ask(session, grant, '/film.bin'), ...Array.from({ length: 20 }, (_, i) => ask(session, grant, '/film.bin', { headers: { range: `bytes=${i * 1000}-${i * 1000 + 99_999}` } }))]);
  assert.ok(all[0].body.equals(film));
  all.slice(1).forEach((one, i) => assert.ok(one.status === 206 && one.body.equals(film.subarray(i * 1000, i * 1000 + 100_000))));
  assert.equal((await ask(session, grant, '/film.bin', { method: 'HEAD' })).headers['content-length'], '5000000');
  assert.equal((await ask(session, grant, '/film.bin', { headers: { 'if-none-match': all[0].headers.etag } })).status, 304);
  assert.equal((await ask(session, grant, '/film.bin', { method: 'POST', body: Buffer.alloc(2_000_000) })).status, 405);
  session.destroy();
});
