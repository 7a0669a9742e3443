// docs/recipes/websocket.md: the page's application, with npm's ws, behind the device.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { symlinkSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { pem } from '../attack/lib/der.mjs';
import { ROOT, until, within } from '../attack/lib/house.mjs';
import { client, tunnel } from '../attack/lib/http2.mjs';
import { front, IN_ROOM, lay, LONG, nameForPage, openHouse, room, service, SITE } from './lib.mjs';

const MODULES = join(ROOT, 'tests/lab/node_modules');
const { WebSocket } = createRequire(join(MODULES, '.'))('ws');
const EVIL = 'https://evil.example';

let house;
let people;

before(async () => {
  if (!IN_ROOM) return;
  house = openHouse();
  lay('websocket');
  symlinkSync(MODULES, '/srv/chat/node_modules'); // npm install ws
  await service(house, [process.execPath, '/srv/chat/server.mjs'], { port: 8080 });
  people = await front(house);
});
after(() => house?.close());

/** As a browser would open it: `headers` replace what it says of itself. */
function dial(grant, headers = {}) {
  const own = grant.origin === null ? { Origin: `https://${grant.host}:${grant.port}`, 'Sec-Fetch-Site': 'same-origin' } : { Origin: grant.origin };
  const socket = new WebSocket(`wss://${grant.host}:${grant.port}/chat`, {
    ca: pem(grant.person.root.der), lookup: (name, options, done) => (options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)),
    headers: { Cookie: grant.cookie, ...own, ...headers },
  });
  socket.heard = [];
  socket.on('message', (data, binary) => socket.heard.push(binary ? data : JSON.parse(data)));
  socket.on('error', (error) => { socket.fault = error.message; });
  socket.over = new Promise((done) => { socket.on('close', (code, reason) => done([code, String(reason)])); });
  return socket;
}
async function opened(grant, headers) {
  const socket = dial(grant, headers);
  await within(new Promise((done, fail) => { socket.on('open', done); socket.on('close', () => fail(new Error(socket.fault))); }), 'a WebSocket');
  return socket;
}

test('recipe websocket: a page and the person talk to each other, and each is known', room, async () => {
  const { page, own } = people;
  const [a, b] = [await opened(page), await opened(own)];
  assert.match(a.extensions, /permessage-deflate/);
  a.send('hello');
  b.send('こんにちは');
  const expected = [{ who: page.sub, site: SITE, text: 'hello' }, { who: own.sub, site: 'here', text: 'こんにちは' }];
  for (const one of [a, b]) {
    await until(() => one.heard.length === 2, 'both lines');
    assert.deepEqual(one.heard.sort((x, y) => (x.text > y.text ? 1 : -1)), expected);
    one.heard.length = 0;
  }
  // What a client says of who it is is not what the application hears.
  const liar = await opened(page, { 'X-Latchkey-Sub': own.sub, 'X-Latchkey-Origin': EVIL, X_Latchkey_Sub: own.sub });
  liar.send('me');
  await until(() => b.heard.length === 1, 'the liar\'s line');
  assert.deepEqual(b.heard[0], { who: page.sub, site: SITE, text: 'me' });
  for (const one of [a, b, liar]) one.close();
});

test('recipe websocket: bytes, large ones, many small ones, pings', room, async () => {
  for (const grant of [people.page, people.own]) {
    const socket = await opened(grant);
    const sent = [randomBytes(1), randomBytes(70_000), randomBytes(3 << 20), Buffer.alloc(LONG ? 60 << 20 : 8 << 20, 'x')];
    for (const one of sent) socket.send(one);
    // In pieces of its own.
    socket.send(sent[1].subarray(0, 1000), { binary: true, fin: false });
    socket.send(sent[1].subarray(1000), { binary: true, fin: true });
    await until(() => socket.heard.length === 5, 'the bytes');
    [...sent, sent[1]].forEach((one, i) => assert.ok(socket.heard[i].equals(one), `${i}`));
    socket.heard.length = 0;
    for (let i = 0; i < 5000; i += 1) socket.send(Buffer.from([i & 0xff]));
    await until(() => socket.heard.length === 5000, 'the small ones');
    assert.ok(socket.heard.every((one, i) => one.length === 1 && one[0] === (i & 0xff)), 'in their order');
    const pong = new Promise((done) => { socket.on('pong', (data) => done(String(data))); });
    socket.ping('still there');
    assert.equal(await within(pong, 'a pong'), 'still there');
    // Nobody's close is lost on the way: the application answers with the same code.
    socket.close(4001, 'enough');
    assert.deepEqual(await within(socket.over, 'the end'), [4001, 'enough']);
  }
});

test('recipe websocket: the application\'s own close comes through, and so does its end', room, async () => {
  // ws closes by itself what sends bytes that are no UTF-8.
  const socket = await opened(people.page);
  socket._socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]));
  assert.deepEqual(await within(socket.over, 'the end'), [1007, '']);
});

test('recipe websocket: from another page, without a session, or without a permission it is refused', room, async () => {
  const { page, own, person, device } = people;
  const refused = async (grant, headers) => {
    const socket = dial(grant, headers);
    await within(socket.over, 'a refusal');
    return /(\d{3})$/.exec(socket.fault)?.[1];
  };
  assert.equal(await refused(page, { Origin: EVIL }), '403');
  assert.equal(await refused(own, { Origin: SITE, 'Sec-Fetch-Site': 'cross-site' }), '403');
  assert.equal(await refused(page, { Cookie: '' }), '401');
  const other = await person.grantOver(EVIL, { host: nameForPage() });
  await other.open();
  const socket = await opened(other);
  await device.status();
  await person.ask('DELETE', `/grants/${other.id.toString('hex')}`);
  assert.deepEqual(await within(socket.over, 'the end of the permission'), [1006, ''], 'cut, at once');
});

test('recipe websocket: inside HTTP/2 too, over the connection that the page has', room, async () => {
  const { page } = people;
  const session = await client(page);
  const opened = await tunnel(session, page, '/chat');
  assert.equal(opened.status, 200);
  // A text of a client (RFC 6455 section 5.2), masked with zeros.
  const text = Buffer.from('hello from a stream');
  opened.stream.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
  await until(() => opened.bytes.includes(text), 'the application to say it to everybody');
  opened.stream.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
  assert.equal(await within(opened.over, 'the close of both'), 0);
  assert.ok(opened.ended);
  assert.equal((await tunnel(session, page, '/chat', { headers: { origin: EVIL } })).status, 403);
  session.destroy();
});
