// Whoever answers where a paired device used to be, and devices that misbehave once they are paired:
// rows 1, 3, 4, 9, 10, 11, 33, 39, 40, 44 and 49 of docs/threat-model.md, from the agent's side.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { AgentSocket } from './lib/agent-socket.mjs';
import { Person } from './lib/binding.mjs';
import { decode, encode } from './lib/cbor.mjs';
import { ecdsa, general, grantCa, greedyAttribute, keyPem, leaf, newKey, pem, request, sha256, spkiOf, userRoot } from './lib/der.mjs';
import { Agent, BIN, Device, execute, House, ROOT, until, upstream } from './lib/house.mjs';
import { respond, Rogue } from './lib/rogue.mjs';

const SITE = 'https://video.example';
const CODE = '12345678';

/** A real agent that is paired with a real device, which then goes away: its port is free. */
async function bereft(t) {
  const house = House.open(t);
  const device = await Device.start(house);
  const agent = await Agent.start(house, { devices: [{ port: device.port }] });
  const grant = await agent.grant(device, SITE);
  const { port } = device;
  await device.stop();
  return { house, device, agent, grant, port };
}

const fetchAt = (agent, grant, port, ...words) => agent.cli(['fetch', `https://${grant.host}/`, '--origin', SITE, '--resolve', `127.0.0.1:${port}`, ...words]);

/** What an agent does by itself and on request, with whatever answers at the device's address. */
async function pester(agent, grant, port) {
  const fetched = await fetchAt(agent, grant, port, '--data', 'a secret of the page');
  assert.notEqual(fetched.code, 0);
  const socket = await AgentSocket.open(agent.socket);
  await socket.hello();
  const renewed = await socket.call('certificate.renew', { id: grant.id });
  assert.equal(renewed.error.code, 'unreachable', JSON.stringify(renewed));
  const revoked = await socket.call('grants.revoke', { id: grant.id });
  assert.equal(revoked.result.delivered, false);
  socket.close();
}

test('rows 1, 40 and 49: an impostor with a key of its own gets no ticket, no data, no client certificate', async (t) => {
  const { house, agent, grant, port } = await bereft(t);
  const rogue = await Rogue.listen(house, { port });
  const root = userRoot();
  const key = newKey();
  const ca = grantCa(root, grant.host);
  rogue.install(grant.host, [leaf(ca, grant.host, key), ca.der], key);
  await pester(agent, grant, port);
  const reached = rogue.connections.length + rogue.failures.length;
  assert.ok(reached >= 3, `all three came by: ${JSON.stringify([rogue.connections, rogue.failures])}`);
  for (const one of rogue.connections) {
    assert.equal(one.bytes, 0, JSON.stringify(one));
    assert.equal(one.certificate, undefined);
  }
  assert.deepEqual(rogue.offers, []);
});

test('rows 1 and 40: another real device at the same address, with the same name', async (t) => {
  const { house, agent, grant, port } = await bereft(t);
  const other = await Device.start(house, { name: 'Shelf' });
  await other.stop();
  await other.run({ port });
  // It even serves the very host, for somebody else.
  const person = new Person(other);
  await person.pair(SITE, { changes: { host: grant.host } });
  await pester(agent, grant, port);
  assert.equal((await other.status()).agents.length, 1);
  assert.equal(readFileSync(other.log, 'utf8'), '', 'no request was made');
});

test('row 40: the impostor shows the right certificate without its key, or one for another name', async (t) => {
  const house = House.open(t);
  const rogue = await Rogue.listen(house, { code: CODE });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  assert.ok((await agent.pair(SITE, CODE)).grant);
  const [one] = await agent.grants();
  const { chain } = rogue.certs[0];
  // The rogue holds this grant by right. Under its CA it cannot make others: it never got that key.
  const other = await Rogue.listen(house, {});
  const key = newKey();
  const root = userRoot();
  const made = {
    'under the grant\'s leaf': [leaf({ key: rogue.leafKey }, one.host, key), ...chain],
    'under another root': (() => { const ca = grantCa(root, one.host); return [leaf(ca, one.host, key), ca.der]; })(),
    'self-signed': [leaf({ key }, one.host, key, { issuer: one.host })],
  };
  for (const [what, certificates] of Object.entries(made)) {
    other.install(one.host, certificates, key);
    const fetched = await fetchAt(agent, one, other.port);
    assert.equal(fetched.code, 1, what);
    assert.equal(fetched.json.error.code, 'not_granted', what);
  }
  assert.ok(other.connections.every((each) => each.bytes === 0));
});

test('row 40: an address of one\'s own on a strange network leads to nobody', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const agent = await Agent.start(house, { devices: [{ port: device.port }] });
  writeFileSync(`${device.options.serve}/index.html`, 'mine');
  const added = await agent.cli(['add', 'Shelf', '--name', 'shelf', '--code', await device.openWindow()]);
  assert.equal(added.json?.grant?.host, 'shelf.local', added.stdout + added.stderr);
  const { grant } = added.json;
  const { port } = device;
  const open = (...words) => agent.cli(['fetch', `https://${grant.host}/`, '--resolve', `127.0.0.1:${port}`, ...words]);
  assert.equal((await open()).code, 0);
  await device.stop();

  // The same name and address, with keys of its own: a chain under another root, one that signs itself,
  // and the true chain, which it can see in every handshake, without its key.
  const rogue = await Rogue.listen(house, { port });
  const key = newKey();
  const ca = grantCa(userRoot(), grant.host);
  for (const chain of [[leaf(ca, grant.host, key), ca.der], [leaf({ key }, grant.host, key, { issuer: grant.host })]]) {
    rogue.install(grant.host, chain, key);
    const refused = await open('--data', 'a secret of the person');
    assert.equal(refused.code, 1, refused.stdout);
    assert.equal(refused.json.error.code, 'not_granted', refused.stdout);
  }
  const asked = rogue.connections.length + rogue.failures.length;
  assert.ok(asked >= 2, 'it was there to be asked');
  assert.ok(rogue.connections.every((one) => one.bytes === 0 && one.certificate === undefined), JSON.stringify(rogue.connections));
  await rogue.close();

  // Another real device that was given this very address, by somebody else.
  const other = await Device.start(house, { name: 'Shelf' });
  await other.stop();
  await other.run({ port });
  const stranger = new Person(other);
  await stranger.pair(null, { changes: { host: grant.host } });
  assert.notEqual((await open()).code, 0);
  assert.equal(readFileSync(other.log, 'utf8'), '', 'no request was made');
});

test('row 39: whoever has the key of one grant has that host for a week at most, and nothing else', async (t) => {
  const house = House.open(t);
  const rogue = await Rogue.listen(house, { code: CODE }); // the device it is stolen from
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  assert.ok((await agent.pair(SITE, CODE)).grant);
  const stolen = { key: rogue.leafKey, chain: rogue.certs[0].chain };
  const fresh = newKey();
  rogue.acts.manage = (asked, socket, self) => {
    if (asked.target === '/certificate') {
      const { chain } = decode(asked.body);
      self.install(decode(self.offer).host, chain, fresh);
      return respond(socket, 200, encode({ t: 'done', port: self.port }));
    }
    if (asked.target !== '/offer') return self.manage(asked, socket);
    self.offer = asked.body;
    const th = socket.exportKeyingMaterial(32, 'EXPORTER-latchkey-manage-v1', Buffer.alloc(0));
    return respond(socket, 200, encode(self.csrMessage(th, request(fresh))));
  };
  assert.ok((await agent.pair('https://photos.example', CODE)).grant);
  const grants = await agent.grants();
  const mine = grants.find((one) => one.origin === SITE);
  const other = grants.find((one) => one.origin === 'https://photos.example');
  assert.notEqual(mine.host, other.host);
  const certificate = new X509Certificate(stolen.chain[0]);
  assert.equal(certificate.subjectAltName, `DNS:${mine.host}`);
  assert.ok((new Date(certificate.validTo) - new Date(certificate.validFrom)) / 1000 <= 7 * 86400 + 3600);

  const thief = await Rogue.listen(house, {});
  const heard = () => thief.connections.reduce((sum, one) => sum + one.bytes, 0);
  thief.install(mine.host, stolen.chain, stolen.key);
  await fetchAt(agent, mine, thief.port);
  const taken = heard();
  assert.ok(taken > 0, 'this one host it can be: that is what was stolen');
  // The other web service's host: neither with that chain nor with one made with that key.
  const at = (origin, grant) => agent.cli(['fetch', `https://${grant.host}/`, '--origin', origin, '--resolve', `127.0.0.1:${thief.port}`]);
  for (const chain of [stolen.chain, [leaf({ key: stolen.key }, other.host, stolen.key), ...stolen.chain]]) {
    thief.install(other.host, chain, stolen.key);
    const refused = await at('https://photos.example', other);
    assert.equal(refused.json?.error?.code, 'not_granted', refused.stdout);
  }
  assert.equal(heard(), taken, 'not a byte of the other one');
  // It is not the device: no renewal, no new grant, no goodbye goes there.
  const { port } = rogue;
  await rogue.close();
  const there = await Rogue.listen(house, { port, key: stolen.key });
  there.install(mine.host, stolen.chain, stolen.key);
  const socket = await AgentSocket.open(agent.socket);
  await socket.hello();
  assert.equal((await socket.call('certificate.renew', { id: mine.id })).error?.code, 'unreachable');
  assert.ok(there.connections.every((one) => one.bytes === 0 && one.certificate === undefined));
  // Ended by the person, it is worth nothing, and the others stay.
  assert.ok((await socket.call('grants.revoke', { id: mine.id })).result);
  socket.close();
  assert.equal((await fetchAt(agent, mine, thief.port)).json.error.code, 'not_granted');
  assert.equal(heard(), taken);
  assert.equal((await agent.grants()).find((one) => one.id === other.id).state, 'active');
});

test('row 4: an address that is not of a home network is no candidate', async (t) => {
  const house = House.open(t);
  const rogue = await Rogue.listen(house, {});
  const addresses = ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '0.0.0.0', '::', '::ffff:0.0.0.0', '8.8.8.8', '2606:4700::1', '::ffff:8.8.8.8', '224.0.0.251', '255.255.255.255', 'ff02::fb', '100.64.0.1'];
  for (const address of addresses) {
    const started = await Agent.start(house, { devices: [{ port: rogue.port, address }], loopback: false }).catch((error) => error);
    assert.match(started.message ?? 'it started', /not an address of a home network/, address);
  }
  assert.deepEqual([rogue.connections, rogue.failures], [[], []]);
});

test('row 10: a request that asks for more gets the template', async (t) => {
  const house = House.open(t);
  const names = [general.dns('evil.example'), general.dns('*.local'), general.ip([127, 0, 0, 1]), general.uri('https://evil.example/')];
  const rogue = await Rogue.listen(house, { code: CODE, csr: (key) => request(key, { subject: 'evil.example', attributes: [greedyAttribute(names)] }) });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  const made = await agent.pair(SITE, CODE);
  assert.ok(made.grant, JSON.stringify(made));
  const [one, ca] = rogue.certs[0].chain.map((der) => new X509Certificate(der));
  assert.equal(one.subjectAltName, `DNS:${rogue.offers[0].host}`);
  assert.equal(one.subject, `CN=${rogue.offers[0].host}`);
  assert.equal(one.ca, false);
  assert.deepEqual(one.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'serverAuth alone');
  assert.ok(one.checkIssued(ca) && one.verify(ca.publicKey));
  const life = (new Date(one.validTo) - new Date(one.validFrom)) / 1000;
  assert.ok(life <= 7 * 86400 + 3600);
  assert.ok(!rogue.certs[0].chain[0].includes('evil.example'));
});

test('rows 9 and 11: a request without proof, with a weak or used key, or that the device did not sign', async (t) => {
  const house = House.open(t);
  const other = newKey();
  const weak = newKey('P-384');
  const wrong = {
    'another key\'s signature': { csr: (key) => request(key, { signer: other }) },
    'a P-384 key': { csr: () => request(weak) },
    'the bootstrap key': { csr: (_, rogue) => request(rogue.key) },
    'cut off': { csr: (key) => request(key).subarray(0, -9) },
    'with more behind it': { csr: (key) => Buffer.concat([request(key), Buffer.from([0])]) },
    'not DER at all': { csr: () => Buffer.alloc(300, 0x30) },
    '8 KiB': { csr: (key) => Buffer.concat([request(key), Buffer.alloc(8000)]) },
    'signed by another bootstrap key': { message: (map, channel) => ({ ...map, bsig: ecdsa(other, Buffer.from('latchkey-boot-v1'), channel.th, sha256(map.csr)) }) },
    'another bootstrap key': { message: (map, channel) => ({ ...map, boot: spkiOf(other), bsig: ecdsa(other, Buffer.from('latchkey-boot-v1'), channel.th, sha256(map.csr)) }) },
    'of another channel': { message: (map, _, rogue) => ({ ...map, bsig: ecdsa(rogue.key, Buffer.from('latchkey-boot-v1'), Buffer.alloc(32), sha256(map.csr)) }) },
    'replaced after it was signed': { message: (map) => ({ ...map, csr: request(newKey()) }) },
    'of another type of device': { message: (map) => ({ ...map, type: 'nas' }) },
    'an attestation of nonsense': { message: (map) => ({ ...map, att: { fmt: 'packed', alg: -257, sig: Buffer.alloc(9), x5c: [] } }) },
  };
  const rogue = await Rogue.listen(house, { code: CODE });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  for (const [what, acts] of Object.entries(wrong)) {
    rogue.acts = { code: CODE, ...acts };
    rogue.certs.length = 0;
    const end = await agent.pair(SITE, CODE);
    assert.equal(end.grant, undefined, what);
    await until(() => rogue.certs.length > 0, `${what}: what follows the request, after ${JSON.stringify(end)}`);
    assert.ok(rogue.certs.every((one) => one?.t !== 'cert'), `${what}: no certificate`);
    assert.ok((await agent.grants()).every((one) => one.state === 'revoked'), what);
  }
});

test('row 11: the key of another grant', async (t) => {
  const house = House.open(t);
  const key = newKey();
  const rogue = await Rogue.listen(house, { code: CODE });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  rogue.acts.csr = (_, self) => { self.leafKey = key; return request(key); };
  assert.ok((await agent.pair(SITE, CODE)).grant);
  // The next grant goes over the binding. The device answers the offer with the key it has.
  const given = [];
  const answerWith = (used) => {
    rogue.acts.manage = (asked, socket, self) => {
      if (asked.target === '/certificate') {
        const { chain } = decode(asked.body);
        given.push(chain);
        self.install(decode(self.offer).host, chain, used);
        return respond(socket, 200, encode({ t: 'done', port: self.port }));
      }
      if (asked.target !== '/offer') return self.manage(asked, socket);
      self.offer = asked.body;
      const th = socket.exportKeyingMaterial(32, 'EXPORTER-latchkey-manage-v1', Buffer.alloc(0));
      return respond(socket, 200, encode(self.csrMessage(th, request(used))));
    };
  };
  answerWith(key);
  assert.equal((await agent.pair('https://photos.example', CODE)).grant, undefined);
  assert.ok(rogue.offer, 'it was asked');
  assert.deepEqual(given, []);
  answerWith(newKey());
  const honest = await agent.pair('https://music.example', CODE);
  assert.ok(honest.grant, JSON.stringify(honest));
  assert.equal(given.length, 1);
});

test('row 32: a device that answers with a weaker hello', async (t) => {
  const house = House.open(t);
  const rogue = await Rogue.listen(house, { code: CODE });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  for (const hello of [
    { v: 0 }, { v: 2 }, { suite: 'none' }, { suite: 'spake2p-p256 ' }, { kdf: { alg: 'pbkdf2-sha256', salt: Buffer.alloc(16), iter: 1 } }, { kdf: { alg: 'pbkdf2-sha256', salt: Buffer.alloc(16), iter: 2 ** 31 } },
    { kdf: { alg: 'none', salt: Buffer.alloc(16), iter: 10000 } }, { kdf: { alg: 'pbkdf2-sha256', salt: Buffer.alloc(0), iter: 10000 } }, { kdf: { alg: 'pbkdf2-sha256', salt: Buffer.alloc(4096), iter: 10000 } },
    { code: 'none' }, { code: 'digits1' }, { id: Buffer.alloc(32) }, { nonce: Buffer.alloc(0) }, { left: -1 },
  ]) {
    rogue.acts.hello = hello;
    assert.equal((await agent.pair(SITE, CODE)).grant, undefined, JSON.stringify(hello));
  }
  assert.deepEqual(rogue.offers, []);
});

test('row 3: a device\'s own name comes out clean', async (t) => {
  const house = House.open(t);
  const rogue = await Rogue.listen(house, { code: CODE, message: (map) => ({ ...map, name: 'She\u202elf\u0000\u0007\u200b\u001b[31m', model: 'M\u2066\n\r1' }) });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port, name: 'She\u202elf' }] });
  const made = await agent.pair(SITE, CODE);
  assert.ok(made.grant, JSON.stringify(made));
  const [{ device }] = await agent.grants();
  assert.doesNotMatch(`${device.name}${device.model}`, /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069]/);
  const listed = await agent.cli(['devices', '--timeout', '1']);
  assert.doesNotMatch(listed.stdout, /[\u200b-\u200f\u202a-\u202e\u2066-\u2069]|\\u00[01]/);
});

test('row 44: a device that redirects a request is not followed', async (t) => {
  const house = House.open(t);
  const elsewhere = await upstream(house);
  const service = await upstream(house, (_, response) => { response.writeHead(307, { Location: `${elsewhere.url}/take` }); response.end(); });
  const device = await Device.start(house, { upstream: service.url });
  const agent = await Agent.start(house, { devices: [{ port: device.port }] });
  const grant = await agent.grant(device, SITE);
  const fetched = await fetchAt(agent, grant, device.port);
  assert.equal(fetched.code, 1);
  assert.equal(service.seen.length, 1);
  assert.deepEqual(elsewhere.seen, []);
});

test('row 44: a device that redirects the ticket itself, or asks for nonces for ever', async (t) => {
  const house = House.open(t);
  const elsewhere = await upstream(house);
  const seen = [];
  const rogue = await Rogue.listen(house, { code: CODE });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  assert.ok((await agent.pair(SITE, CODE)).grant);
  const [grant] = await agent.grants();
  const ways = [
    (socket) => respond(socket, 307, '', `Location: ${elsewhere.url}/take\r\n`),
    (socket) => respond(socket, 308, '', `Location: https://${grant.host}:${rogue.port}/again\r\n`),
    (socket) => respond(socket, 401, '{"error":"nonce_required","nonce":"AAAAAAAAAAAAAAAAAAAAAA"}'),
    (socket) => respond(socket, 401, '{"error":"nonce_required","nonce":7}'),
    (socket) => respond(socket, 401, `{"error":"nonce_required","nonce":"${'A'.repeat(4000)}"}`),
    (socket) => respond(socket, 200, '', 'Set-Cookie: __Host-latchkey=x\r\n'),
    (socket) => respond(socket, 204, '', 'Set-Cookie: other=x\r\n'),
    (socket) => respond(socket, 401, Buffer.alloc(60000, '[')),
  ];
  for (const way of ways) {
    seen.length = 0;
    rogue.acts.http = (asked, socket) => { seen.push(asked); return way(socket); };
    const fetched = await fetchAt(agent, grant, rogue.port);
    assert.equal(fetched.code, 1, `${way}: ${fetched.stdout}`);
    assert.ok(seen.length >= 1 && seen.length <= 2 && seen.every((one) => one.target === '/.well-known/latchkey/session'), `${way}: ${seen.length}`);
  }
  assert.deepEqual(elsewhere.seen, []);
});

test('rows 33 and 49: a renewal whose new key the old one did not sign', async (t) => {
  const house = House.open(t);
  const rogue = await Rogue.listen(house, { code: CODE });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  assert.ok((await agent.pair(SITE, CODE)).grant);
  const [grant] = await agent.grants();
  const id = Buffer.from(grant.id, 'hex');
  const old = rogue.leafKey;
  const given = [];
  const renewWith = (make) => {
    rogue.acts.manage = (asked, socket, self) => {
      if (asked.target === '/certificate') {
        given.push(decode(asked.body));
        return respond(socket, 200, encode({ t: 'done', port: self.port }));
      }
      if (asked.target !== '/renew') return self.manage(asked, socket);
      const exported = socket.exportKeyingMaterial(32, 'EXPORTER-latchkey-manage-v1', Buffer.alloc(0));
      const fresh = newKey();
      const { csr = request(fresh), by = old, over = exported, about = id } = make(fresh);
      const proof = ecdsa(by, Buffer.from('latchkey-renew-v1'), about, sha256(csr), over);
      return respond(socket, 200, encode({ csr, proof, disc: Buffer.alloc(32) }));
    };
  };
  const socket = await AgentSocket.open(agent.socket);
  await socket.hello();
  const bad = { 'by the new key': (fresh) => ({ by: fresh }), 'for another connection': () => ({ over: Buffer.alloc(32) }), 'for another grant': () => ({ about: Buffer.alloc(16) }), 'the old key again': () => ({ csr: request(old) }), 'the bootstrap key': () => ({ csr: request(rogue.key) }) };
  for (const [what, make] of Object.entries(bad)) {
    given.length = 0;
    renewWith(make);
    const answer = await socket.call('certificate.renew', { id: grant.id });
    assert.ok(answer.error, `${what}: ${JSON.stringify(answer)}`);
    // At most the old key's own certificate is sent once more.
    for (const one of given) assert.deepEqual(new X509Certificate(one.chain[0]).publicKey.export({ type: 'spki', format: 'der' }), spkiOf(old), what);
  }
  renewWith(() => ({}));
  assert.ok((await socket.call('certificate.renew', { id: grant.id })).result.not_after > 0, 'an honest one works');
  socket.close();
});

test('row 33: the command line refuses a certificate that has expired, or is not yet valid', async (t) => {
  const house = House.open(t);
  const clock = house.path('clock.so');
  const built = await execute(['cc', '-shared', '-fPIC', '-o', clock, `${ROOT}/tests/attack/lib/clock.c`], { env: process.env });
  assert.equal(built.code, 0, built.stderr);
  const rogue = await Rogue.listen(house, { code: CODE });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  assert.ok((await agent.pair(SITE, CODE)).grant);
  const [grant] = await agent.grants();
  const words = [`${BIN}/latchkey`, '--socket', agent.socket, 'fetch', `https://${grant.host}/`, '--resolve', `127.0.0.1:${rogue.port}`, '--json'];
  const at = (shift) => execute(words, { env: { ...agent.env, LD_PRELOAD: clock, LK_SHIFT: String(shift), ASAN_OPTIONS: 'verify_asan_link_order=0' } });
  const bytes = () => rogue.connections.filter((one) => one.alpn === 'http/1.1').reduce((sum, one) => sum + one.bytes, 0);
  for (const shift of [8 * 86400, -2 * 3600]) {
    const fetched = await at(shift);
    assert.equal(fetched.json?.error?.code, 'not_granted', fetched.stdout);
    assert.equal(bytes(), 0);
  }
  await at(0);
  assert.ok(bytes() > 0, 'at the right time it asks');
});

test('row 43: a device that answers the agent with bombs', async (t) => {
  const house = House.open(t);
  const rogue = await Rogue.listen(house, { code: CODE });
  const agent = await Agent.start(house, { devices: [{ port: rogue.port }] });
  assert.ok((await agent.pair(SITE, CODE)).grant);
  const [grant] = await agent.grants();
  const socket = await AgentSocket.open(agent.socket);
  await socket.hello();
  const endless = (lines) => (_, to) => {
    to.write(`HTTP/1.1 200 OK\r\n${lines}\r\n`);
    const flood = Buffer.alloc(65536, 'A');
    const more = () => { while (!to.destroyed && to.write(flood)); };
    to.on('drain', more);
    more();
  };
  const ways = [
    (_, to) => respond(to, 200, Buffer.alloc(65536, 0x5f)), (_, to) => respond(to, 200, Buffer.alloc(60000, 0x81)), (_, to) => respond(to, 200, ''), (_, to) => respond(to, 500, Buffer.alloc(9, 0xff)),
    endless('Content-Length: 99999999999\r\n'), endless(''), (_, to) => to.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70000)}\r\n\r\n`), (_, to) => to.end('\r\n\r\n'), (_, to) => to.destroy(),
    (_, to) => { for (let i = 0; i < 2000; ++i) to.write('HTTP/1.1 100 Continue\r\n\r\n'); to.end(); },
  ];
  for (const way of ways) {
    rogue.acts.manage = way;
    const answer = await socket.call('certificate.renew', { id: grant.id });
    assert.ok(answer?.error, String(way));
  }
  assert.equal(agent.program.exit, undefined, 'the agent lives');
  const status = await execute(['cat', `/proc/${agent.program.pid}/status`], { env: process.env });
  assert.ok(Number(/VmRSS:\s+(\d+)/.exec(status.stdout)[1]) < 400 * 1024, 'and did not grow');
  socket.close();
});
