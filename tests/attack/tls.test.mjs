// TLS at the device's one port: rows 13, 14, 32, 33, 47, 49, 51 and 55 of docs/threat-model.md.

import assert from 'node:assert/strict';
import { connect as connectPlain } from 'node:net';
import { createServer } from 'node:tls';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { connect, MANAGE, PAIR, Prover } from './lib/channel.mjs';
import { bare, general, grantCa, keyOfRequest, keyPem, leaf, newKey, now, pem, userRoot } from './lib/der.mjs';
import { Device, House, until, upstream, within } from './lib/house.mjs';
import { readAnswer, request } from './lib/http.mjs';

const SITE = 'https://video.example';

async function paired(t, options) {
  const house = House.open(t);
  const device = await Device.start(house, options);
  const person = new Person(device);
  const grant = await person.pair(SITE);
  return { house, device, person, grant };
}

/** The session tickets that a connection is given, once it has answered something. */
async function tickets(socket, what) {
  const given = [];
  socket.on('session', (one) => given.push(one));
  await request(socket, what).catch(() => {});
  return given;
}

test('row 32: nothing below TLS 1.3, nothing in plain text, no other protocol', async (t) => {
  const { device, grant } = await paired(t);
  for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2']) {
    await assert.rejects(grant.connect({ minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' }), version);
    await assert.rejects(connect(device.port, { ALPNProtocols: [MANAGE], minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' }), version);
  }
  for (const ALPNProtocols of [['h2c'], ['http/1.0'], ['h3', 'acme-tls/1'], [MANAGE], [PAIR], ['latchkey-pair/2'], ['HTTP/1.1']]) {
    await assert.rejects(grant.connect({ ALPNProtocols }), /no application protocol/i, ALPNProtocols.join());
  }
  for (const ALPNProtocols of [undefined, ['http/1.1'], [MANAGE, 'http/1.1'], [PAIR, MANAGE], [PAIR]]) {
    await assert.rejects(connect(device.port, { ALPNProtocols }), `no name, ${ALPNProtocols}`);
  }
  for (const bytes of [`GET / HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${SITE}\r\n\r\n`, 'SSH-2.0-x\r\n', '\0'.repeat(600), '\x16\x03\x01\xff\xff']) {
    const plain = connectPlain(device.port, '127.0.0.1');
    plain.write(bytes);
    const got = await new Promise((done) => {
      const pieces = [];
      plain.on('data', (data) => pieces.push(data));
      plain.on('close', () => done(Buffer.concat(pieces)));
      plain.on('error', () => {});
      plain.end();
    });
    assert.doesNotMatch(got.toString('latin1'), /HTTP|latchkey|certificate/i);
  }
});

test('row 47: nothing of a session outlives its grant, and there is no early data', async (t) => {
  const house = House.open(t);
  const service = await upstream(house, (_, response) => { response.write('first'); });
  const device = await Device.start(house, { upstream: service.url });
  const person = new Person(device);
  const grant = await person.pair(SITE);
  const other = await person.grantOver('https://photos.example');
  await grant.open();
  await other.open();
  const held = await grant.connect();
  const given = await tickets(held, { target: '/.well-known/latchkey', headers: { Host: grant.host } });
  const session = await until(() => given.at(-1), 'a ticket for a granted host');
  // max_early_data would be field 15 of OpenSSL's SSL_SESSION; nothing there means none.
  // Some releases of Node put a mark and the server's name before OpenSSL's session.
  const mark = session.indexOf(0, 1);
  const der = session[0] === 0x30 ? session : session.subarray(mark + 3 + session.readUInt16BE(mark + 1));
  const head = (at) => 2 + (der[at + 1] & 0x80 ? der[at + 1] & 0x7f : 0);
  const body = (at) => (head(at) > 2 ? der.readUIntBE(at + 2, head(at) - 2) : der[at + 1]);
  assert.equal(head(0) + body(0), der.length, 'the session is one whole structure');
  for (let at = head(0); at < der.length; at += head(at) + body(at)) {
    assert.notEqual(der[at], 0xaf, 'no early data is offered');
  }
  const resumed = await grant.connect({ session });
  assert.ok(resumed.isSessionReused(), 'while the grant lives');
  // An answer that is still coming in, and a WebSocket, of this grant and of another.
  const open = async (one) => {
    const socket = await one.connect();
    socket.write(`GET /slow HTTP/1.1\r\nHost: ${one.host}\r\nOrigin: ${one.origin}\r\nCookie: ${one.cookie}\r\n\r\n`);
    await within(new Promise((done) => { socket.once('data', done); }), 'the answer\'s begin');
    const tunnel = await one.connect();
    await request(tunnel, { target: '/ws', headers: one.headers({ Cookie: one.cookie, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' }) });
    return [socket, tunnel];
  };
  const mine = await open(grant);
  const theirs = await open(other);
  const ended = [held, resumed, ...mine].map((socket) => new Promise((done) => { socket.once('close', done); socket.resume(); }));
  assert.equal((await person.ask('DELETE', `/grants/${grant.id.toString('hex')}`)).status, 204);
  await within(Promise.all(ended), 'the end of every connection of the grant');
  assert.ok(theirs.every((socket) => !socket.destroyed), 'those of another grant go on');

  await assert.rejects(grant.connect({ session }), /unrecognized name/i);
  // The same host, granted anew: neither the old TLS session nor the old cookie is worth anything.
  const again = await person.grantOver(SITE, { host: grant.host });
  const fresh = await again.connect({ session });
  assert.equal(fresh.isSessionReused(), false);
  again.cookie = grant.cookie;
  assert.equal((await again.fetch('/', { socket: fresh })).status, 401);
  assert.equal((await again.post(grant.ticket())).status, 401);
});

test('row 47: an agent that is removed at the device loses everything at once', async (t) => {
  const { device, person, grant } = await paired(t);
  await grant.open();
  const page = await grant.connect();
  const management = await person.manage();
  assert.equal((await management.ask('GET', '/grants')).status, 200);
  const [{ id }] = (await device.status()).agents;
  const gone = new Promise((done) => { page.once('close', done); page.resume(); });
  assert.equal((await device.command('remove-agent', id)).code, 0);
  await within(gone, 'the end of the page\'s connection');
  assert.equal((await management.ask('GET', '/grants')).map.code, 'not_granted', 'the key is judged at each request');
  await assert.rejects(grant.connect());
  for (const [method, target, body] of [['POST', '/renew', { grant: grant.id }], ['POST', '/offer', person.plan().offer], ['POST', '/certificate', grant.certificates()], ['GET', '/audit']]) {
    assert.equal((await person.ask(method, target, body)).map.code, 'not_granted', target);
  }
});

test('row 51: a TLS session of one host or protocol is no good on another', async (t) => {
  const { device, person, grant } = await paired(t);
  const other = await person.grantOver('https://photos.example');
  const held = await grant.connect();
  const given = await tickets(held, { target: '/.well-known/latchkey', headers: { Host: grant.host } });
  const session = await until(() => given.at(-1), 'a ticket');
  const crossed = await other.connect({ session, servername: other.host });
  assert.equal(crossed.isSessionReused(), false);
  assert.deepEqual(crossed.getPeerCertificate().raw, other.leaf);
  // On the management protocol, without a client certificate: the handshake is a full one, and fails.
  const skipped = await connect(device.port, { ALPNProtocols: [MANAGE], session }).catch(() => null);
  if (skipped) {
    assert.equal(skipped.isSessionReused(), false);
    await assert.rejects(request(skipped, { target: '/grants', headers: { Host: 'latchkey', 'Latchkey-Time': String(now()) } }));
  }
  // Sessions are not handed out there, and none is taken.
  const management = await person.manage();
  assert.deepEqual(await tickets(management.socket, { target: '/grants', headers: { Host: 'latchkey', 'Latchkey-Time': String(now()) } }), []);
  await device.openWindow();
  const prover = await Prover.connect(device.port);
  const got = [];
  prover.socket.on('session', (one) => got.push(one));
  await prover.hello();
  assert.deepEqual(got, []);
  const pairing = await connect(device.port, { ALPNProtocols: [PAIR], session });
  assert.equal(pairing.isSessionReused(), false);
});

test('row 49: the management port takes no strangers, and no words without the key', async (t) => {
  const { device, person, grant } = await paired(t);
  const bareless = await connect(device.port, { ALPNProtocols: [MANAGE] });
  await assert.rejects(request(bareless, { target: '/grants', headers: { Host: 'latchkey' } }), 'without a client certificate');
  const stranger = newKey();
  for (const [method, target, body] of [['GET', '/grants'], ['GET', '/audit'], ['DELETE', `/grants/${grant.id.toString('hex')}`], ['DELETE', '/agent'], ['POST', '/renew', { grant: grant.id }], ['POST', '/offer', person.plan('https://x.example', {}).offer]]) {
    const answer = await person.ask(method, target, body, stranger);
    assert.deepEqual([answer.status, answer.map.code], [403, 'not_granted'], target);
  }
  // The bound certificate without its key cannot be shown.
  const theirs = pem(bare(person.management));
  await assert.rejects((async () => {
    const socket = await connect(device.port, { ALPNProtocols: [MANAGE], cert: theirs, key: keyPem(stranger) });
    return request(socket, { target: '/grants', headers: { Host: 'latchkey' } });
  })());
  // Odd requests of a bound agent: refused, no effect.
  const odd = await person.manage();
  for (const [method, target, headers] of [['GET', '/grants', { 'Latchkey-Time': '' }], ['GET', '/grants', { 'Latchkey-Time': '-1' }], ['GET', '/grants', { 'Latchkey-Time': '9'.repeat(30) }], ['GET', '/nothing'], ['PUT', '/grants'], ['DELETE', '/grants/../agent'], ['DELETE', '/grants/'], ['DELETE', `/grants/${'A'.repeat(32)}`]]) {
    const answer = await odd.ask(method, target, undefined, headers);
    assert.ok(answer.status >= 400, `${method} ${target}: ${answer.status}`);
  }
  assert.equal((await person.ask('GET', '/grants')).map.grants.length, 1);
});

test('rows 13 and 14: the device takes no certificate that is not the template\'s', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const person = new Person(device);
  await person.pair(SITE);
  const plan = person.plan('https://other.example');
  plan.csr = (await person.ask('POST', '/offer', plan.offer)).map;
  const key = keyOfRequest(plan.csr.csr);
  const ca = grantCa(person.root, plan.host);
  const elsewhere = 'media-cache-aaaaaaaaaaaa.local';
  const day = 86400;
  const wrong = {
    'a CA as the leaf': [leaf(ca, plan.host, key, { ca: 0 }), ca.der],
    'a leaf as the CA': (() => { const not = { key: newKey() }; not.der = leaf(ca, plan.host, not.key); return [leaf(not, plan.host, key), not.der]; })(),
    'for another key': [leaf(ca, plan.host, newKey()), ca.der],
    'for another host': [leaf(ca, elsewhere, key), ca.der],
    'for two hosts': [leaf(ca, plan.host, key, { names: [general.dns(plan.host), general.dns(elsewhere)] }), ca.der],
    'for a wildcard': [leaf(ca, plan.host, key, { names: [general.dns('*.local')] }), ca.der],
    'for an address': [leaf(ca, plan.host, key, { names: [general.ip([127, 0, 0, 1])] }), ca.der],
    'for a URI': [leaf(ca, plan.host, key, { names: [general.uri(`https://${plan.host}/`)] }), ca.der],
    'without constraints on use': [leaf(ca, plan.host, key, { omit: ['basic'] }), ca.der],
    'with more usages': [leaf(ca, plan.host, key, { keyUsage: [1, 0x86] }), ca.der],
    'a CA without name constraints': (() => { const free = grantCa(person.root, plan.host, { omit: ['constraints'] }); return [leaf(free, plan.host, key), free.der]; })(),
    'a CA for all of local': (() => { const wide = grantCa(person.root, plan.host, { permitted: ['local'] }); return [leaf(wide, plan.host, key), wide.der]; })(),
    'a CA with a path': (() => { const deep = grantCa(person.root, plan.host, { ca: 1 }); return [leaf(deep, plan.host, key), deep.der]; })(),
    'under another CA': [leaf(grantCa(person.root, plan.host), plan.host, key), ca.der],
    expired: [leaf(ca, plan.host, key, { notBefore: now() - 8 * day, notAfter: now() - day }), ca.der],
    'not yet valid': [leaf(ca, plan.host, key, { notBefore: now() + day, notAfter: now() + 2 * day }), ca.der],
    'for a year': [leaf(ca, plan.host, key, { notAfter: now() + 365 * day }), ca.der],
    'the key of its CA': [leaf(ca, plan.host, ca.key), ca.der],
    'more behind it': [Buffer.concat([leaf(ca, plan.host, key), Buffer.from([0])]), ca.der],
    swapped: [ca.der, leaf(ca, plan.host, key)],
    nothing: [Buffer.alloc(1), Buffer.alloc(1)],
    'a bomb': [Buffer.alloc(8000, 0x30), Buffer.alloc(8000, 0x30)],
  };
  for (const [what, chain] of Object.entries(wrong)) {
    const answer = await person.ask('POST', '/certificate', { t: 'cert', grant: plan.id, chain, renew: now() + day });
    assert.ok(answer.status >= 400, `${what}: ${answer.status}`);
    await assert.rejects(connect(device.port, { servername: plan.host }), `${what}: not served`);
  }
  assert.equal((await person.ask('POST', '/certificate', plan.certificates())).status, 200, 'the right one is taken');
});

test('rows 13 and 14: what a user root or a grant CA signs beyond its names, a verifier refuses', async () => {
  const root = userRoot();
  const host = 'media-cache-aaaaaaaaaaaa.local';
  const ca = grantCa(root, host);
  const key = newKey();
  const last = newKey();
  const end = leaf(ca, host, key);
  const under = (issuer, name, extra) => leaf(issuer, name, key, extra);
  const tries = {
    'the host itself': [host, [end, ca.der], true],
    'a public host under the grant CA': ['evil.example', [under(ca, 'evil.example'), ca.der]],
    'another device under the grant CA': ['nas-bbbbbbbbbbbb.local', [under(ca, 'nas-bbbbbbbbbbbb.local'), ca.der]],
    'an address under the grant CA': ['127.0.0.1', [under(ca, host, { names: [general.ip([127, 0, 0, 1])] }), ca.der]],
    'a public host under the root': ['evil.example', [under({ key: root.key }, 'evil.example', { issuer: 'Latchkey user root' })]],
    'a public host under a wide CA of the root': (() => { const wide = grantCa(root, 'evil.example'); return ['evil.example', [under(wide, 'evil.example'), wide.der]]; })(),
    'a leaf used as a CA': [host, [leaf({ key }, host, last, { issuer: host }), end, ca.der], false, last],
    'a CA under the grant CA': (() => { const deep = grantCa(ca, host, { subject: 'Another CA', issuer: 'Latchkey grant CA' }); return [host, [under(deep, host, { issuer: 'Another CA' }), deep.der, ca.der]]; })(),
    // Names are the same there: such a step is not counted by RFC 5280, but the constraints hold on.
    'a grant CA under the grant CA': (() => { const deep = grantCa(ca, 'evil.local', { issuer: 'Latchkey grant CA' }); return ['evil.local', [under(deep, 'evil.local'), deep.der, ca.der]]; })(),
  };
  for (const [what, [name, chain, good, signer = key]] of Object.entries(tries)) {
    const server = createServer({ key: keyPem(signer), cert: chain.map(pem).join('') }, (socket) => { socket.on('error', () => {}); });
    server.on('tlsClientError', () => {});
    await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
    const dialled = connect(server.address().port, { servername: /^[\d.]+$/.test(name) ? '' : name, ca: pem(root.der), rejectUnauthorized: true, checkServerIdentity: () => undefined });
    if (good) (await dialled).destroy();
    else await assert.rejects(dialled, what);
    server.close();
  }
});

test('row 33: a host ends with its certificate, and no clock brings it back', async (t) => {
  const { device, person, grant } = await paired(t);
  await grant.open();
  const page = await grant.connect();
  assert.equal((await grant.fetch('/', { socket: page })).status, 404);
  const later = now() + 8 * 86400;
  const management = await person.manage();
  assert.equal((await management.ask('GET', '/grants', undefined, { 'Latchkey-Time': String(later) })).status, 200);
  await assert.rejects(grant.fetch('/', { socket: page }), 'an open connection is not served on');
  await assert.rejects(grant.connect(), /unrecognized name/i);
  // The agent's clock turned back: the last time seen is the floor.
  assert.equal((await person.ask('GET', '/grants')).status, 200);
  await assert.rejects(grant.connect(), /unrecognized name/i);
  await device.restart('SIGKILL');
  assert.equal((await person.ask('GET', '/grants')).status, 200);
  await assert.rejects(grant.connect(), /unrecognized name/i);
});

test('row 33: a renewal needs the bound key and a live grant', async (t) => {
  const { device, person, grant } = await paired(t);
  const before = grant.leaf;
  const management = await person.manage();
  const renewal = await management.ask('POST', '/renew', { grant: grant.id });
  assert.equal(renewal.status, 200);
  assert.notDeepEqual(keyOfRequest(renewal.map.csr).export({ type: 'spki', format: 'der' }), keyOfRequest(grant.csr.csr).export({ type: 'spki', format: 'der' }), 'a new key');
  assert.equal((await management.ask('POST', '/renew', { grant: grant.id })).map.csr.compare(renewal.map.csr), 0, 'asking twice makes no second key');
  const old = grant.csr;
  assert.equal((await management.ask('POST', '/certificate', grant.certificates())).status, 400, 'a certificate for the old key, after it was confirmed');
  grant.csr = renewal.map;
  assert.equal((await management.ask('POST', '/certificate', grant.certificates())).status, 200);
  const page = await grant.connect();
  assert.notDeepEqual(page.getPeerCertificate().raw, before);
  grant.csr = old;
  assert.equal((await person.ask('DELETE', `/grants/${grant.id.toString('hex')}`)).status, 204);
  assert.equal((await person.ask('POST', '/renew', { grant: grant.id })).map.code, 'not_granted');
  assert.equal((await person.ask('POST', '/certificate', grant.certificates())).map.code, 'not_granted');
  assert.equal((await device.status()).grants.length, 0);
});

test('row 55: the discovery key is another one after a binding ended', async (t) => {
  const { device, person, grant } = await paired(t);
  const other = new Person(device);
  const theirs = await other.pair('https://photos.example');
  assert.deepEqual(theirs.csr.disc, grant.csr.disc, 'the same while both are bound');
  assert.equal((await person.ask('DELETE', '/agent')).status, 204);
  const renewed = await other.ask('POST', '/renew', { grant: theirs.id });
  assert.notDeepEqual(renewed.map.disc, grant.csr.disc);
  assert.equal((await person.ask('POST', '/renew', { grant: grant.id })).map.code, 'not_granted');
  const [{ id }] = (await device.status()).agents;
  await device.command('remove-agent', id);
  const third = new Person(device);
  const fresh = await third.pair();
  assert.notDeepEqual(fresh.csr.disc, renewed.map.disc);
  await device.restart('SIGKILL');
  assert.deepEqual((await third.ask('POST', '/renew', { grant: fresh.id })).map.disc, fresh.csr.disc, 'and it is durable');
});

test('row 35: after a factory reset nothing of before is left', async (t) => {
  const { device, person, grant } = await paired(t);
  await grant.open();
  const boot = person.boot;
  const page = await grant.connect();
  const gone = new Promise((done) => { page.once('close', done); page.resume(); });
  assert.equal((await device.command('factory-reset', '--yes')).code, 0);
  await within(gone, 'the end of open connections');
  await until(async () => (await device.status())?.agents?.length === 0, 'the new life');
  await assert.rejects(grant.connect(), /unrecognized name/i);
  const management = await person.manage();
  assert.notDeepEqual(management.socket.getPeerCertificate().raw, boot, 'another bootstrap key');
  assert.equal((await management.ask('GET', '/grants')).map.code, 'not_granted');
  const buyer = new Person(device);
  const fresh = await buyer.pair();
  assert.notDeepEqual(fresh.csr.disc, grant.csr.disc);
  const audit = JSON.stringify((await buyer.ask('GET', '/audit')).map);
  assert.ok(!audit.includes(grant.host) && !audit.includes(grant.id.toString('hex')));
});
