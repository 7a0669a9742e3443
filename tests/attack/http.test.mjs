// The web page that may not, and whoever speaks raw HTTP to the device's port: rows 15, 30, 31, 44, 52
// and 56 of docs/threat-model.md, request smuggling, and files outside the served folder.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Person, pairwise } from './lib/binding.mjs';
import { ambiguous1 } from './lib/ambiguous.mjs';
import { Device, House, upstream } from './lib/house.mjs';
import { comparable, readAnswer, request } from './lib/http.mjs';

const SITE = 'https://video.example';
const EVIL = 'https://evil.example';
const WEBSOCKET = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' };

/** A device, the service behind it, and one web service's open session. */
async function served(t, answer) {
  const house = House.open(t);
  const service = await upstream(house, answer);
  const device = await Device.start(house, { upstream: service.url });
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await grant.open();
  return { house, service, device, person, grant };
}

test('row 15: origin B with everything that belongs to origin A', async (t) => {
  const { service, person, grant: a } = await served(t);
  const b = await person.grantOver(EVIL);
  await b.open();
  const without = async (grant, target, options) => comparable(await grant.fetch(target, options));
  const mine = b.cookie;
  const nobody = '__Host-latchkey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

  // A's cookie at B's host is a cookie that never was.
  b.cookie = nobody;
  const never = await without(b, '/');
  assert.match(never, /^HTTP\/1.1 401 /);
  b.cookie = a.cookie;
  assert.equal(await without(b, '/'), never);
  // A's ticket at B's host is a ticket that never was, signed by whom it may.
  delete b.cookie;
  const bad = comparable(await b.post(a.ticket({ claims: { jti: 'AAAAAAAAAAAAAAAAAAAAAA' }, key: person.management })));
  assert.match(bad, /^HTTP\/1.1 401 /);
  for (const ticket of [
    a.ticket(), a.ticket({ key: b.ticketKey }), b.ticket({ key: a.ticketKey }), b.ticket({ claims: { origin: SITE } }), b.ticket({ claims: { aud: a.host } }),
    b.ticket({ claims: { sub: a.sub } }), b.ticket({ header: { kid: a.id.toString('hex') } }), 'x.y.z', '',
  ]) {
    assert.equal(comparable(await b.post(ticket)), bad);
  }
  // Origin B at A's host: the same 403 whatever else it has, and whether anything is there.
  const foreign = { headers: { Origin: EVIL } };
  const cookie = a.cookie;
  delete a.cookie;
  const refused = await without(a, '/', foreign);
  assert.match(refused, /^HTTP\/1.1 403 /);
  assert.doesNotMatch(refused, /access-control/i);
  for (const one of [cookie, mine, nobody]) {
    a.cookie = one;
    for (const target of ['/', '/there', '/.well-known/latchkey', '/.well-known/latchkey/session', '/.well-known/latchkey/open']) {
      assert.equal(await without(a, target, foreign), refused, target);
    }
    assert.equal(comparable(await a.post(a.ticket(), foreign)), refused);
    assert.equal(comparable(await a.post(b.ticket(), foreign)), refused);
  }
  // Over B's own connection A's host is a host that never was.
  b.cookie = mine;
  const elsewhere = await without(b, '/', { headers: { Host: pairwise() } });
  assert.match(elsewhere, /^HTTP\/1.1 421 /);
  for (const origin of [EVIL, SITE]) {
    b.cookie = cookie;
    assert.equal(await without(b, '/', { headers: { Host: a.host, Origin: origin } }), elsewhere);
  }
  assert.equal(service.seen.length, 0);
});

test('row 15: another agent asks about, uses and deletes A\'s grant', async (t) => {
  const { device, grant } = await served(t);
  const thief = new Person(device);
  await thief.pair(EVIL);
  const id = grant.id.toString('hex');
  const none = '00112233445566778899aabbccddeeff';
  const same = async (method, target, body) => {
    const [real, never] = [await thief.ask(method, target(id), body?.(grant.id)), await thief.ask(method, target(none), body?.(Buffer.from(none, 'hex')))];
    assert.deepEqual([real.status, real.body], [never.status, never.body], `${method} ${target('ID')}`);
    return real;
  };
  assert.equal((await same('DELETE', (one) => `/grants/${one}`)).status, 204);
  assert.equal((await same('POST', () => '/renew', (one) => ({ grant: one }))).map.code, 'not_granted');
  const cert = grant.certificates();
  assert.equal((await same('POST', () => '/certificate', (one) => ({ ...cert, grant: one }))).map.code, 'not_granted');
  const list = await thief.ask('GET', '/grants');
  assert.equal(list.map.grants.length, 1);
  const audit = JSON.stringify((await thief.ask('GET', '/audit')).map.events.filter((one) => !one.own));
  assert.ok(!audit.includes(grant.host) && !audit.includes('video.example') && !audit.includes('detail'), audit);
  assert.equal((await grant.fetch('/')).status, 200, 'the grant lives');
  await assert.rejects(new Person(device).ask('GET', '/grants').then((answer) => {
    assert.equal(answer.map.code, 'not_granted');
    throw new Error('as it should be');
  }), /as it should be/);
});

test('row 30: a Host that is not the granted one', async (t) => {
  const { service, device, grant } = await served(t);
  const hosts = [
    'rebind.evil.example', 'localhost', '127.0.0.1', `127.0.0.1:${device.port}`, 'local', pairwise(), `x.${grant.host}`,
    `${grant.host}.`, `${grant.host}.evil.example`, 'evil.example',
  ];
  for (const host of hosts) {
    for (const origin of [SITE, `https://${host}`, EVIL]) {
      assert.equal((await grant.fetch('/', { headers: { Host: host, Origin: origin } })).status, 421, host);
    }
  }
  for (const host of ['', ' ', `${grant.host}:`, `${grant.host}:x`, `user@${grant.host}`, `${grant.host}/x`, `${grant.host}:1:2`, `[::1]:${device.port}`, '[fe80::1%25lo]']) {
    assert.ok([400, 421].includes((await grant.fetch('/', { headers: { Host: host } })).status), `"${host}"`);
  }
  for (const target of ['https://evil.example/', `http://${grant.host}/`, `https://${grant.host}:1/`, `https://user@${grant.host}/`, '*', 'evil.example:443', `//${grant.host}`]) {
    const answer = await grant.fetch(target);
    assert.ok([400, 421].includes(answer.status) || target.startsWith('//'), `${target}: ${answer.status}`);
  }
  const named = service.seen.filter((one) => one.headers.host !== grant.host);
  assert.deepEqual(named, []);
  // No name, an unknown one, or an address: no certificate at all.
  for (const servername of ['', 'rebind.evil.example', `x.${grant.host}`, pairwise(), 'localhost']) {
    await assert.rejects(grant.connect({ servername, rejectUnauthorized: false }), /unrecognized name/i, servername);
  }
});

test('row 31: a missing, foreign, null or doubled Origin has no side effect', async (t) => {
  const { service, grant } = await served(t);
  const origins = [
    undefined, 'null', 'NULL', '*', EVIL, 'http://video.example', `${SITE}/`, `${SITE}:443`, `${SITE}:8443`, 'https://VIDEO.example', 'https://sub.video.example',
    'https://video.example.evil.example', 'https://evilvideo.example', `${SITE} ${EVIL}`, `${SITE}, ${EVIL}`, [SITE, EVIL], [EVIL, SITE], [SITE, SITE], '', 'video.example', `https://${grant.host}`,
  ];
  for (const origin of origins) {
    for (const [method, more] of [['GET', {}], ['POST', {}], ['DELETE', {}], ['PUT', {}], ['HEAD', {}], ['OPTIONS', { 'Access-Control-Request-Method': 'PUT' }], ['GET', WEBSOCKET]]) {
      const socket = await grant.connect();
      const headers = { Host: grant.host, Cookie: grant.cookie, ...(origin === undefined ? {} : { Origin: origin }), ...more };
      const body = method === 'POST' || method === 'PUT' ? Buffer.from('boom') : undefined;
      const answer = await request(socket, { method, target: '/act', headers, body });
      socket.destroy();
      assert.equal(answer.status, 403, `${method} ${JSON.stringify(origin)}`);
      assert.ok(!Object.keys(answer.headers).some((name) => name.startsWith('access-control-')), `${method} ${JSON.stringify(origin)}`);
      assert.equal(answer.headers['cross-origin-resource-policy'], 'same-origin');
    }
  }
  assert.deepEqual(service.seen, []);
  // The granted origin: its preflight is answered here, and names it alone.
  const preflight = await grant.fetch('/act', { method: 'OPTIONS', headers: { 'Access-Control-Request-Method': 'PUT', Cookie: '' } });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers['access-control-allow-origin'], SITE);
  assert.match(preflight.headers.vary, /Origin/);
  assert.deepEqual(service.seen, []);
  const answer = await grant.fetch('/act');
  assert.equal(answer.headers['access-control-allow-origin'], SITE);
  assert.equal(answer.headers['content-security-policy'], 'sandbox; frame-ancestors \'none\'');
  assert.equal(service.seen.length, 1);
});

test('row 31: no session, an ended one, or two at once', async (t) => {
  const { service, grant } = await served(t);
  const cookie = grant.cookie;
  const [, value] = cookie.split('=');
  for (const one of ['', '__Host-latchkey=', `__host-latchkey=${value}`, `latchkey=${value}`, `__Host-latchkey=${value}x`, `__Host-latchkey=${value.slice(1)}`,
    `__Host-latchkey="${value}"`, `${cookie}; ${cookie}`, `__Host-latchkey=AAAA; ${cookie}`, [cookie, cookie], `=${cookie}`]) {
    const answer = await grant.fetch('/', { headers: { Cookie: one } });
    assert.equal(answer.status, 401, JSON.stringify(one));
    const socket = await grant.connect();
    assert.equal((await request(socket, { headers: grant.headers({ Cookie: one, ...WEBSOCKET }) })).status, 401);
    socket.destroy();
  }
  assert.equal((await grant.fetch('/.well-known/latchkey/session', { method: 'DELETE' })).status, 204);
  assert.equal((await grant.fetch('/')).status, 401);
  assert.deepEqual(service.seen, []);
});

test('row 31: a direct host takes its own pages and the person, nobody else', async (t) => {
  const { service, person } = await served(t);
  const direct = await person.grantOver(null);
  await direct.open();
  const bad = [
    { 'Sec-Fetch-Site': 'cross-site' }, { 'Sec-Fetch-Site': 'same-site' }, {}, { 'Sec-Fetch-Site': ['none', 'cross-site'] }, { Origin: EVIL },
    { Origin: 'null' }, { Origin: `http://${direct.host}` }, { Origin: `https://x.${direct.host}` }, { Origin: EVIL, 'Sec-Fetch-Site': 'same-origin' },
  ];
  for (const headers of bad) {
    const socket = await direct.connect();
    const answer = await request(socket, { method: 'POST', target: '/act', headers: { Host: direct.host, Cookie: direct.cookie, ...headers }, body: Buffer.from('x') });
    socket.destroy();
    assert.equal(answer.status, 403, JSON.stringify(headers));
  }
  assert.deepEqual(service.seen, []);
  assert.equal((await direct.fetch('/', { headers: { 'Sec-Fetch-Site': 'none' } })).status, 200);
  assert.equal((await direct.fetch('/', { headers: { 'Sec-Fetch-Site': 'same-origin', Origin: `https://${direct.host}` } })).status, 200);
  // Only the person's own page on that host may be framed or embedded by nobody else.
  const answer = await direct.fetch('/');
  assert.equal(answer.headers['cross-origin-resource-policy'], 'same-origin');
  assert.equal(answer.headers['access-control-allow-origin'], undefined);
});

test('rows 31 and 48: a ticket is good for one session, once, and nothing else', async (t) => {
  const { service, person, grant } = await served(t);
  const management = await person.ask('GET', '/grants');
  assert.equal(management.status, 200);
  delete grant.cookie;
  // Of a moment after the device heard its first time: no nonce is needed.
  const soon = Math.floor(Date.now() / 1000) + 10;
  const ticket = grant.ticket({ claims: { iat: soon, exp: soon + 100 } });
  assert.equal((await grant.post(ticket)).status, 204);
  assert.equal((await grant.post(ticket)).status, 401, 'replayed');
  const asked = await grant.post(grant.ticket({ claims: { iat: soon - 60, exp: soon + 100 } }));
  const { nonce } = JSON.parse(asked.body);
  assert.equal((await grant.post(grant.ticket({ claims: { nonce } }))).status, 204);
  assert.equal((await grant.post(grant.ticket({ claims: { nonce } }))).status, 401, 'a nonce is good once');
  assert.equal((await grant.fetch('/', { headers: { Authorization: `Bearer ${grant.ticket()}` } })).status, 401, 'a ticket is no session');
  const now = Math.floor(Date.now() / 1000);
  const key = person.root.key;
  for (const [what, of] of Object.entries({
    'alg none': { header: { alg: 'none' } }, 'alg HS256': { header: { alg: 'HS256' } }, 'its own key': { header: { jwk: { kty: 'EC' } } }, 'a certificate': { header: { x5c: ['AA'] } },
    crit: { header: { crit: ['exp'] } }, 'another type': { header: { typ: 'JWT' } }, 'another key': { key }, expired: { claims: { iat: now - 2000, exp: now - 1000 } },
    'too long': { claims: { exp: now + 86400 } }, 'of the future': { claims: { iat: now + 3600, exp: now + 3700 } }, 'no end': { claims: { exp: undefined } },
    'a made-up nonce': { claims: { nonce: 'AAAAAAAAAAAAAAAAAAAAAA' } }, 'a text as time': { claims: { iat: String(now) } }, 'no id': { claims: { jti: undefined } },
  })) {
    assert.equal((await grant.post(grant.ticket(of))).status, 401, what);
  }
  const [head, body] = grant.ticket().split('.');
  assert.equal((await grant.post(`${head}.${body}.`)).status, 401, 'without a signature');
  assert.equal((await grant.post(`${grant.ticket()}.x`)).status, 401);
  assert.equal((await grant.post('A'.repeat(8000))).status, 401);
  assert.deepEqual(service.seen, []);
});

test('row 56: what the service behind may not say, and what nobody may tell it', async (t) => {
  const cookies = ['__Host-latchkey=stolen', '__HOST-LATCHKEY=stolen; Path=/', ' __Host-latchkey =stolen', '=__Host-latchkey=stolen; Path=/; Secure', '__Host-latchkey', 'theirs=1'];
  const { service, grant } = await served(t, (incoming, response) => {
    response.writeHead(200, {
      'Set-Cookie': cookies, 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Credentials': 'true', 'Access-Control-Expose-Headers': '*', 'Access-Control-Anything-New': '1',
      'Cross-Origin-Resource-Policy': 'cross-origin', 'Content-Security-Policy': 'default-src *', 'X-Latchkey-Sub': 'forged', 'Alt-Svc': 'h3=":443"', 'X-Content-Type-Options': 'off',
    });
    response.end('x');
  });
  const ticket = grant.ticket();
  const answer = await grant.fetch('/', {
    headers: {
      Cookie: `a=1; ${grant.cookie}; b=2`, Authorization: `Bearer ${ticket}`, 'X-Latchkey-Origin': EVIL, X_Latchkey_Origin: EVIL, 'x-latchkey_sub': 'x', 'X-LATCHKEY-SUB': 'x', 'X-Latchkey-New': 'x',
      'X-Forwarded-For': '1.2.3.4', Forwarded: 'for=1.2.3.4', X_Forwarded_For: '1.2.3.4', Connection: 'keep-alive, X-Latchkey-Origin, Origin, Host, X-Mine', 'X-Mine': 'x', Content_Length: '9', Transfer_Encoding: 'chunked', Proxy_Authorization: 'x', Coo_kie: 'fine',
    },
  });
  assert.equal(answer.status, 200);
  assert.match(answer.headers['set-cookie'], /^theirs=1$/);
  assert.doesNotMatch(answer.head, /stolen|forged|cross-origin\r|Expose|Anything-New|h3=/i);
  assert.equal(answer.headers['access-control-allow-origin'], SITE);
  assert.equal(answer.headers['cross-origin-resource-policy'], 'same-origin');
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  assert.match(answer.headers['content-security-policy'], /sandbox/);
  const [got] = service.seen;
  const text = JSON.stringify(got.raw);
  assert.ok(!text.includes(grant.cookie) && !text.includes(ticket), 'neither session nor ticket reach the service');
  assert.equal(got.headers.cookie, 'a=1; b=2');
  assert.equal(got.headers['x-latchkey-origin'], SITE);
  assert.equal(got.headers['x-latchkey-sub'], grant.sub);
  assert.equal(got.raw.filter((one) => /^x[-_]latchkey/i.test(one)).length, 2, text);
  assert.equal(got.headers.origin, SITE);
  assert.equal(got.headers.host, grant.host);
  assert.ok(!/evil|1\.2\.3\.4|X-Mine|_Length|_Encoding|_Authorization/.test(text), text);
});

test('row 56: an upgrade the page did not ask for, and one it did', async (t) => {
  const { house, device, grant, service } = await served(t);
  const socket = await grant.connect();
  const opened = await request(socket, { target: '/ws', headers: grant.headers({ Cookie: grant.cookie, 'X-Latchkey-Origin': EVIL, ...WEBSOCKET }) });
  assert.equal(opened.status, 101);
  assert.equal(service.seen[0].headers['x-latchkey-origin'], SITE);
  assert.equal(service.seen[0].headers.cookie, undefined);
  socket.destroy();
  for (const [what, bytes] of Object.entries({
    'an upgrade that was not asked for': 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond',
    'two words on the length': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond',
    'no HTTP': 'SSH-2.0-x\r\n\r\n',
    'a head of 64 KiB': `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(65536)}\r\n\r\n`,
    'a split line': 'HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: __Host-latchkey=stolen\r\nContent-Length: 0\r\n\r\n',
    'a folded line': 'HTTP/1.1 200 OK\r\nX: a\r\n Access-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n',
    nothing: '',
  })) {
    const rude = createServer((one) => { one.on('error', () => {}); one.once('data', () => one.end(bytes)); });
    await new Promise((done) => { rude.listen(0, '127.0.0.1', done); });
    const second = await Device.start(house, { upstream: `http://127.0.0.1:${rude.address().port}` });
    const page = await new Person(second).pair(SITE);
    await page.open();
    const answer = await page.fetch('/');
    assert.equal(answer.status, 502, what);
    assert.ok(!answer.body.includes('second'), what);
    await second.stop();
    rude.close();
  }
  assert.equal((await device.status()).grants.length, 1);
});

test('request smuggling: everything on which two readers could differ is refused', async (t) => {
  const { service, grant } = await served(t);
  const { post, inner, attacks } = ambiguous1(grant);
  for (const [what, bytes] of Object.entries(attacks)) {
    const socket = await grant.connect();
    socket.write(Buffer.from(bytes, 'latin1'));
    const answer = await readAnswer(socket).catch(() => null);
    if (answer) assert.ok([400, 403, 405, 421, 431, 501, 505].includes(answer.status), `${what}: ${answer.status}`);
    if (answer) assert.equal(await readAnswer(socket).catch(() => null), null, `${what}: one answer, then the end`);
    socket.destroy();
  }
  assert.deepEqual(service.seen.filter((one) => one.url.includes('smuggled')), []);
  assert.deepEqual(service.seen.filter((one) => one.body && one.url !== '/outer'), []);

  // The honest ones of the same kind work, and bodies come through as they are.
  service.seen.length = 0;
  const socket = await grant.connect();
  socket.write(post('Transfer-Encoding: chunked\r\n', `3;name="v"\r\nabc\r\n${inner.length.toString(16)}\r\n${inner}\r\n0\r\nX-Latchkey-Sub: forged\r\nCookie: x\r\n\r\n`));
  assert.equal((await readAnswer(socket)).status, 200);
  socket.write(post(`Content-Length: ${inner.length}\r\n`, inner) + post('Content-Length: 0\r\n', ''));
  assert.equal((await readAnswer(socket)).status, 200);
  assert.equal((await readAnswer(socket)).status, 200);
  socket.destroy();
  assert.deepEqual(service.seen.map((one) => [one.url, one.body]), [['/outer', `abc${inner}`], ['/outer', inner], ['/outer', '']]);
  assert.ok(!JSON.stringify(service.seen).includes('forged'));
});

test('request smuggling: a request that is refused does not begin the next one in its body', async (t) => {
  const { service, grant } = await served(t);
  const inner = `GET /smuggled HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${SITE}\r\nCookie: ${grant.cookie}\r\n\r\n`;
  const refused = [
    `POST / HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${EVIL}\r\nContent-Length: ${inner.length}\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: other.local\r\nOrigin: ${SITE}\r\nContent-Length: ${inner.length}\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${SITE}\r\nContent-Length: ${inner.length}\r\nExpect: 100-continue\r\n\r\n`,
    `POST /.well-known/latchkey/session HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${SITE}\r\nContent-Length: ${inner.length}\r\nExpect: something\r\n\r\n`,
  ];
  for (const head of refused) {
    const socket = await grant.connect();
    socket.write(head + inner);
    const answer = await readAnswer(socket);
    assert.ok(answer.status >= 400, head);
    const next = await Promise.race([readAnswer(socket).catch(() => null), new Promise((done) => { setTimeout(done, 300, null); })]);
    assert.equal(next, null, head);
    socket.destroy();
  }
  assert.deepEqual(service.seen, []);
});

test('files: nothing outside the served folder, nothing hidden in it', async (t) => {
  const house = House.open(t);
  const files = house.path('served');
  mkdirSync(`${files}/sub`, { recursive: true });
  writeFileSync(house.path('secret.txt'), 'a secret');
  writeFileSync(`${files}/fine.txt`, 'fine');
  writeFileSync(`${files}/.hidden`, 'a secret');
  mkdirSync(`${files}/.git`);
  writeFileSync(`${files}/.git/config`, 'a secret');
  symlinkSync('../secret.txt', `${files}/link.txt`);
  symlinkSync(house.path('secret.txt'), `${files}/absolute.txt`);
  symlinkSync('..', `${files}/up`);
  symlinkSync('/', `${files}/whole-disk`);
  symlinkSync('/proc/self/fd/0', `${files}/magic`);
  symlinkSync('fine.txt', `${files}/inside.txt`);
  execFileSync('mkfifo', [`${files}/pipe`]);
  const device = await Device.start(house, { serve: files });
  const grant = await new Person(device).pair(SITE);
  await grant.open();
  assert.equal((await grant.fetch('/fine.txt')).body.toString(), 'fine');
  const targets = [
    '/../secret.txt', '/sub/../../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/%2e%2e%2fsecret.txt', '/..%5csecret.txt', '/..\\secret.txt', '/sub/..%00/secret.txt',
    '/%252e%252e/secret.txt', '/%c0%ae%c0%ae/secret.txt', '/....//secret.txt', '/.%2e/secret.txt', `/${'../'.repeat(20)}etc/passwd`, '//etc/passwd', '/link.txt', '/absolute.txt', '/up/secret.txt',
    '/whole-disk/etc/passwd', '/magic', '/.hidden', '/%2ehidden', '/.git/config', '/sub/../.hidden', '/pipe', '/fine.txt%00.png', '/fine.txt/', '/%', '/%2', '/%zz', `/${'a/'.repeat(40)}`, `/${'a'.repeat(3000)}`,
    '/fine.txt%2f..%2f..%2fsecret.txt', '/;/../secret.txt', `https://${grant.host}/../secret.txt`, `/sub/%2e%2e/%2e%2e/secret.txt`, '/.', '/..', '/./fine.txt',
  ];
  for (const target of targets) {
    const answer = await grant.fetch(target);
    assert.ok([400, 404, 421].includes(answer.status), `${target}: ${answer.status}`);
    assert.ok(!answer.body.includes('secret') && !answer.body.includes('root:'), target);
  }
  for (const range of ['bytes=0-18446744073709551615', 'bytes=-99999999999999999999', 'bytes=5-1', 'bytes=0-0,1-1,2-2', 'bytes=--1', 'bytes=9223372036854775807-', `bytes=${'0-0,'.repeat(3000)}`]) {
    const answer = await grant.fetch('/fine.txt', { headers: { Range: range } });
    assert.ok([200, 206, 416].includes(answer.status), range);
    assert.ok('fine'.includes(answer.body.toString()), range);
  }
  for (const method of ['PUT', 'POST', 'DELETE', 'PATCH', 'PROPFIND', 'MOVE']) {
    assert.equal((await grant.fetch('/fine.txt', { method, body: Buffer.from('x') })).status, 405, method);
  }
  assert.equal((await grant.fetch('/inside.txt')).status, 200, 'a link that stays inside is the owner\'s choice');
});

test('row 48: no session, ticket or code in the device\'s logs', async (t) => {
  const { readFileSync } = await import('node:fs');
  const { device, grant } = await served(t);
  const ticket = grant.ticket();
  await grant.post(ticket);
  await grant.fetch(`/x?ticket=${ticket}&cookie=${grant.cookie}`);
  await grant.fetch('/x"\r\n', {}).catch(() => {});
  await grant.fetch('/%0a%22x', { headers: { Origin: SITE } });
  const code = await device.openWindow();
  const logs = readFileSync(device.log, 'utf8') + device.program.errors + device.program.output;
  for (const secret of [ticket, grant.cookie.split('=')[1], code, grant.ticketKey.export({ format: 'jwk' }).d]) {
    assert.ok(!logs.includes(secret));
  }
  assert.match(logs, /"GET \/x HTTP\/1\.1" /);
});
