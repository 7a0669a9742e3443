// Several people at one device: rows 16 and 36 of docs/threat-model.md. The second person holds a
// grant of his own, made with a code that he was told: he is no stranger to the device, only to the
// first person's things.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AgentSocket } from './lib/agent-socket.mjs';
import { Person } from './lib/binding.mjs';
import { Prover } from './lib/channel.mjs';
import { Agent, BIN, Device, execute, House, ROOT, until } from './lib/house.mjs';

const SITE = 'https://video.example';

test('row 16: a second person takes the id of the first one\'s grant for his own', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await grant.open();
  const thief = new Person(device);
  const same = await thief.pair(SITE, { changes: { grant: grant.id } });
  await same.open();
  assert.notEqual(same.host, grant.host);
  // A session, a ticket and a nonce of one are nothing on the other's host.
  assert.equal((await grant.fetch('/', { headers: { Cookie: same.cookie } })).status, 401);
  assert.equal((await same.fetch('/', { headers: { Cookie: grant.cookie } })).status, 401);
  assert.equal((await grant.post(same.ticket({ claims: { aud: grant.host, sub: grant.sub } }))).status, 401);
  const jti = Buffer.alloc(16, 7).toString('base64url');
  await device.restart();
  const { nonce } = JSON.parse((await same.post(same.ticket())).body);
  const stolen = JSON.parse((await grant.post(grant.ticket({ claims: { nonce } }))).body);
  assert.equal(stolen.error, 'nonce_required', 'a nonce that was given to the other');
  await grant.open();
  await same.open();
  assert.equal((await grant.post(grant.ticket({ claims: { jti, nonce: JSON.parse((await grant.post(grant.ticket())).body).nonce } }))).status, 204);
  // What he ends is his: the first one's session goes on, and her used ticket stays used.
  const live = await grant.connect();
  assert.equal((await grant.fetch('/', { socket: live })).status, 404);
  assert.equal((await thief.ask('POST', '/suspend', { grant: grant.id })).status, 204);
  assert.equal((await thief.ask('POST', '/resume', { grant: grant.id })).status, 204);
  assert.equal((await same.fetch('/', { headers: {} })).status, 401, 'his own session ended');
  assert.equal((await thief.ask('DELETE', `/grants/${grant.id.toString('hex')}`)).status, 204);
  assert.equal((await grant.fetch('/', { socket: live })).status, 404, 'the connection lives');
  assert.equal((await grant.fetch('/')).status, 404, 'and so does the session');
  live.destroy();
  assert.deepEqual((await person.ask('GET', '/grants')).map.grants.map((one) => one.host), [grant.host]);
  await assert.rejects(same.connect());
});

test('row 36: a second person pairs during the window only with the code, and both see that there are two', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const first = new Person(device);
  const mine = await first.pair(SITE);
  await mine.open();
  const second = new Person(device);
  const knows = async () => (await device.status()).agents.length;

  // The window is open, for the first one or for anybody: without the code nobody gets in.
  const code = await device.openWindow();
  const guess = code.replace(/\d$/, (digit) => (Number(digit) + 1) % 10);
  for (const wrong of [guess, '00000000']) {
    const channel = await Prover.connect(device.port);
    await channel.hello();
    const shared = await channel.share(wrong);
    assert.equal(shared.right, false, wrong);
    // He may confirm all the same, and send what he would send: it is not for him.
    channel.confirm();
    channel.send(second.plan('https://photos.example').offer);
    // What comes back, if anything, is not sealed with what he made of his code.
    const answer = await channel.receive().catch((error) => ({ t: error.message }));
    assert.notEqual(answer?.t, 'csr', `${wrong}: ${JSON.stringify(answer)}`);
    channel.close();
  }
  assert.equal(await knows(), 1);
  assert.equal((await second.ask('GET', '/grants')).map.code, 'not_granted');

  // Told the code, he is in, beside the first one. A code is for one person: it is used up.
  const theirs = await second.pair('https://photos.example');
  await theirs.open();
  assert.equal(await knows(), 2);
  await mine.open();

  // Each learns that there is another, when and what kind of thing was done, and no more.
  for (const [who, own, other, site] of [[first, mine, theirs, 'photos'], [second, theirs, mine, 'video']]) {
    const { events } = (await who.ask('GET', '/audit')).map;
    const foreign = events.filter((one) => !one.own && one.agent !== undefined);
    const kinds = foreign.map((one) => one.kind ?? one.event);
    assert.ok(kinds.includes('granted') || kinds.includes('paired'), JSON.stringify(events));
    assert.equal(new Set(foreign.map((one) => one.agent)).size, 1, 'one other person');
    const text = JSON.stringify(foreign);
    for (const secret of [other.host, site, other.sub, other.id.toString('hex')]) assert.ok(!text.includes(secret), `${secret}: ${text}`);
    assert.ok(JSON.stringify(events.filter((one) => one.own)).includes(own.host));
  }
  // And whoever stands at the device sees both.
  const seen = await until(async () => {
    const { json } = await device.command('audit');
    return JSON.stringify(json).includes(theirs.host) && json;
  }, 'the second person in the device\'s own audit');
  assert.ok(JSON.stringify(seen).includes(mine.host));
});

const EXTENSION = readFileSync(join(ROOT, 'extension/extension-id.txt'), 'utf8').trim();

test('row 16: two people with nothing but web services are told that the other is there, and nothing of theirs', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const devices = [{ port: device.port }];
  const [ann, ben] = [await Agent.start(house, { devices }), await Agent.start(house, { devices })];
  const profile = randomBytes(16).toString('hex');
  const browser = { client: 'extension', extension: EXTENSION, profile };
  const films = (await ann.pair(SITE, await device.openWindow(), browser)).grant;
  const news = (await ann.pair('https://news.example')).grant; // on the command line: no browser's
  const photos = (await ben.pair('https://photos.example', await device.openWindow())).grant;
  assert.ok(films && news && photos, 'control: all three are there');
  const { id } = (await ann.cli(['devices', '--mine'])).json.devices[0];

  for (const [who, own, others] of [[ann, [films, news], [photos]], [ben, [photos], [films, news]]]) {
    const { code, json } = await who.cli(['people', id]);
    assert.equal(code, 0);
    assert.deepEqual(json.people.map((one) => [one.you, one.services]).sort(), [[true, own.length], [false, others.length]].sort());
    const foreign = json.events.filter((one) => !one.you);
    assert.ok(foreign.some((one) => one.kind === 'paired' && one.person !== null), JSON.stringify(foreign));
    const text = JSON.stringify(json);
    for (const grant of others) for (const secret of [grant.host, new URL(grant.origin).hostname, grant.id]) assert.ok(!text.includes(secret), secret);
    for (const grant of own) assert.ok(text.includes(new URL(grant.origin).hostname) || text.includes(grant.host), `control: ${grant.origin} is one's own`);
    // For people, in lines that fit a terminal.
    const said = await execute([join(BIN, 'latchkey'), '--socket', who.socket, 'people', id], { env: who.env });
    assert.match(said.stdout, /^You and one other person use /);
    assert.ok(said.stdout.split('\n').every((line) => line.length <= 80), said.stdout);
  }

  // Nobody can ask for, use or end what is the other's: it is as if it had never been.
  const socket = await AgentSocket.open(ben.socket);
  await socket.hello();
  for (const [method, more] of [['grants.get', {}], ['grants.revoke', {}], ['grants.pause', {}], ['ticket.mint', { origin: SITE }]]) {
    const real = await socket.call(method, { id: films.id, ...more });
    assert.deepEqual(real.error, (await socket.call(method, { id: randomBytes(16).toString('hex'), ...more })).error, method);
    assert.equal(real.error?.code, 'not_granted', method);
  }
  socket.close();

  // A browser is told of the others, too; but of the person's own only what goes with its profile.
  const mine = await AgentSocket.open(ann.socket);
  await mine.hello(browser);
  const { result } = await mine.call('devices.people', { id });
  assert.equal(result.people.length, 2);
  assert.equal(result.people.find((one) => one.you).services, null);
  assert.ok(JSON.stringify(result).includes('video.example') || JSON.stringify(result).includes(films.host));
  for (const secret of ['news.example', news.host]) assert.ok(!JSON.stringify(result).includes(secret), secret);
  mine.close();
  const other = await AgentSocket.open(ann.socket);
  await other.hello({ ...browser, profile: randomBytes(16).toString('hex') });
  const hidden = await other.call('devices.people', { id });
  assert.deepEqual(hidden.error, (await other.call('devices.people', { id: randomBytes(32).toString('hex') })).error);
  assert.equal(hidden.error.code, 'not_granted');
  other.close();

  // One leaves, and the other's is as it was.
  assert.equal((await ben.cli(['forget', id])).code, 0);
  assert.equal((await device.status()).grants.length, 2);
  assert.deepEqual((await ann.cli(['people', id])).json.people.map((one) => one.you), [true]);
  await device.stop();
  assert.equal((await ann.cli(['people', id])).code, 3);
});
