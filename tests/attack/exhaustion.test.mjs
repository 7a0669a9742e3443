// A neighbour who opens, holds and floods: row 43 of docs/threat-model.md. The attacker is 127.0.0.1,
// the household 127.0.0.2: the device tells them apart by address, as it would on a Wi-Fi.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { connect, exporter, MANAGE, PAIR, Prover } from './lib/channel.mjs';
import { bare, keyPem, newKey, now, pem } from './lib/der.mjs';
import { Device, House, upstream, within } from './lib/house.mjs';
import { readAnswer, request } from './lib/http.mjs';

const SITE = 'https://video.example';
const HOUSEHOLD = { localAddress: '127.0.0.2' };

async function served(t, answer) {
  const house = House.open(t);
  const service = await upstream(house, answer);
  const device = await Device.start(house, { upstream: service.url });
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await grant.open();
  return { house, service, device, person, grant };
}
const memory = (device) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${device.program.pid}/status`, 'utf8'))[1]);
const descriptors = async (device) => (await import('node:fs')).readdirSync(`/proc/${device.program.pid}/fd`).length;

/** The household's page asks, and is answered soon. */
async function household(grant, what) {
  const started = Date.now();
  const socket = await within(grant.connect(HOUSEHOLD), `${what}: a connection`, 5000);
  assert.equal((await within(grant.fetch('/', { socket }), `${what}: an answer`, 5000)).status, 200, what);
  socket.destroy();
  return Date.now() - started;
}

/** Sockets that were opened and are not closed yet. */
function hold(t, device, count, begin) {
  const sockets = Array.from({ length: count }, () => {
    const socket = connectPlain(device.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('connect', () => begin?.(socket));
    socket.resume();
    return socket;
  });
  t.after(() => sockets.forEach((one) => one.destroy()));
  const all = Promise.all(sockets.map((one) => new Promise((done) => { one.once('close', done); })));
  return { sockets, all };
}

test('row 43: connections that say nothing, or half a ClientHello', async (t) => {
  const { device, grant } = await served(t);
  const before = memory(device);
  const silent = hold(t, device, 600);
  const slow = hold(t, device, 100, (socket) => {
    socket.write(Buffer.from('16030100c8010000c40303', 'hex'));
    const drip = setInterval(() => (socket.destroyed ? clearInterval(drip) : socket.write(Buffer.from([0]))), 1000);
    socket.on('close', () => clearInterval(drip));
  });
  for (let i = 0; i < 5; ++i) await household(grant, 'beside silent connections');
  assert.ok(memory(device) - before < 50 * 1024, 'memory');
  assert.ok(await descriptors(device) < 400, 'descriptors');
  // A drip does not keep a handshake alive: it has a time of its own.
  await within(Promise.all([silent.all, slow.all]), 'the end of what never began', 25000);
  await household(grant, 'afterwards');
});

test('row 43: requests that never end, on a granted host', async (t) => {
  const { device, grant, service } = await served(t);
  const before = memory(device);
  const held = [];
  const heads = [`GET / HTTP/1.1\r\nHost: ${grant.host}\r\n`, 'G', `GET / HTTP/1.1\r\nX: ${'a'.repeat(16000)}`];
  for (let i = 0; i < 150; ++i) {
    const socket = await grant.connect().catch(() => null);
    if (!socket) break;
    socket.resume();
    socket.write(heads[i % heads.length]);
    held.push(socket);
  }
  t.after(() => held.forEach((one) => one.destroy()));
  assert.ok(held.length > 100);
  for (let i = 0; i < 5; ++i) await household(grant, 'beside slow heads');
  assert.ok(memory(device) - before < 60 * 1024, 'memory');
  const drip = setInterval(() => held.forEach((one) => !one.destroyed && one.write('a')), 1000);
  await within(Promise.all(held.map((one) => new Promise((done) => { if (one.destroyed) done(); one.once('close', done); }))), 'the end of slow heads', 25000).finally(() => clearInterval(drip));
  assert.equal(service.seen.length, 5);
});

test('row 43: a body that is larger than memory is passed on, not kept', async (t) => {
  const { device, grant } = await served(t, (incoming, response, one) => { one.body = ''; response.end('done'); });
  const socket = await grant.connect();
  const total = 192 << 20;
  const before = memory(device);
  let most = 0;
  socket.write(`POST /big HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${SITE}\r\nCookie: ${grant.cookie}\r\nContent-Length: ${total}\r\n\r\n`);
  const block = Buffer.alloc(1 << 20);
  for (let sent = 0; sent < total; sent += block.length) {
    if (!socket.write(block)) await new Promise((done) => { socket.once('drain', done); });
    most = Math.max(most, memory(device) - before);
  }
  assert.equal((await readAnswer(socket)).status, 200);
  assert.ok(most < 40 * 1024, `${most} KiB`);
  // Without a session nothing of it is taken at all.
  const refused = await grant.connect();
  refused.write(`POST /big HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${SITE}\r\nContent-Length: ${total}\r\n\r\n`);
  refused.on('error', () => {});
  const flood = () => { while (!refused.destroyed && refused.writable && refused.write(block)); };
  refused.on('drain', flood);
  flood();
  await within(new Promise((done) => { refused.once('close', done); }), 'the end of a refused body', 40000);
  await household(grant, 'afterwards');
});

test('row 43: a reader who does not read stops its own answer only', async (t) => {
  const { device, grant } = await served(t, (incoming, response) => {
    if (incoming.url !== '/endless') return response.end('x');
    const block = Buffer.alloc(1 << 20);
    const more = () => { while (!response.destroyed && response.write(block)); };
    response.on('drain', more);
    return more();
  });
  const before = memory(device);
  const deaf = [];
  for (let i = 0; i < 20; ++i) {
    const socket = await grant.connect();
    socket.pause();
    socket.write(`GET /endless HTTP/1.1\r\nHost: ${grant.host}\r\nOrigin: ${SITE}\r\nCookie: ${grant.cookie}\r\n\r\n`);
    deaf.push(socket);
  }
  t.after(() => deaf.forEach((one) => one.destroy()));
  for (let i = 0; i < 5; ++i) await household(grant, 'beside deaf readers');
  assert.ok(memory(device) - before < 60 * 1024, `${memory(device) - before} KiB`);
});

test('row 43: strangers on the management port do not keep the household\'s agent out', async (t) => {
  const { device, person } = await served(t);
  const key = newKey();
  const held = [];
  for (let i = 0; i < 100; ++i) {
    const socket = await connect(device.port, { ALPNProtocols: [MANAGE], cert: pem(bare(key)), key: keyPem(key) }).catch(() => null);
    if (socket) held.push(socket.resume());
  }
  t.after(() => held.forEach((one) => one.destroy()));
  const mine = await connect(device.port, { ALPNProtocols: [MANAGE], cert: pem(bare(person.management)), key: keyPem(person.management), ...HOUSEHOLD });
  const answer = await request(mine, { target: '/grants', headers: { Host: 'latchkey', 'Latchkey-Time': String(now()) } });
  assert.equal(answer.status, 200);
  // A management body is bounded, and so is its structure.
  for (const body of [Buffer.alloc(65536, 0x5f), Buffer.alloc(65536, 0x9f), Buffer.alloc(65537), Buffer.from('bbffffffffffffffff', 'hex')]) {
    const socket = await connect(device.port, { ALPNProtocols: [MANAGE], cert: pem(bare(person.management)), key: keyPem(person.management), ...HOUSEHOLD });
    const said = await request(socket, { method: 'POST', target: '/offer', headers: { Host: 'latchkey', 'Latchkey-Time': String(now()) }, body }).catch(() => ({ status: 'closed' }));
    assert.ok([400, 413, 'closed'].includes(said.status), String(said.status));
    socket.destroy();
  }
});

test('row 43: strangers in the pairing window do not keep the person with the code out', async (t) => {
  const { device } = await served(t);
  const code = await device.openWindow();
  const held = [];
  t.after(() => held.forEach((one) => one.close()));
  for (let i = 0; i < 24; ++i) {
    const prover = await Prover.connect(device.port).catch(() => null);
    if (!prover) continue;
    held.push(prover);
    if (i % 2) await prover.hello().catch(() => {});
  }
  const socket = await connect(device.port, { ALPNProtocols: [PAIR], ...HOUSEHOLD });
  const mine = new Prover(socket);
  mine.binding = exporter(socket, 'EXPORTER-latchkey-pair-v1');
  const told = await mine.hello();
  assert.equal(told?.left, 5);
  // More of them while the household's agent computes.
  for (let i = 0; i < 24; ++i) held.push(...[await Prover.connect(device.port).catch(() => null)].filter(Boolean));
  assert.equal((await mine.share(code)).right, true);
  mine.confirm();
  mine.send(new Person(device).plan().offer);
  assert.equal((await mine.receive()).t, 'csr');
});

test('row 2: grants of one agent are bounded', async (t) => {
  const { device, person } = await served(t);
  const management = await person.manage();
  let refused;
  for (let i = 0; i < 400 && !refused; ++i) {
    const answer = await management.ask('POST', '/offer', person.plan(`https://s${i}.example`).offer);
    if (answer.status !== 200) refused = answer;
  }
  assert.equal(refused?.map.code, 'locked');
  assert.equal((await management.ask('GET', '/grants')).status, 200);
  assert.ok((await device.status()).grants.length <= 300);
});
