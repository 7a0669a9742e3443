// Selling a device: rows 35 and 55 of docs/threat-model.md. What the buyer finds, what is left on the
// disk, what the old agent is told, and the power button in the middle of it.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { Agent, Device, execute, BIN, environment, hasProgram, House, LONG, until, within } from './lib/house.mjs';

const SITE = 'https://video.example';
const CALLS = 'pwrite64,fsync,fdatasync,syncfs,ftruncate,unlink,unlinkat,rename,renameat2,openat,openat2,open,write';

const files = (folder) => readdirSync(folder).flatMap((name) => {
  const path = join(folder, name);
  return statSync(path).isDirectory() ? files(path) : statSync(path).isFile() ? [path] : [];
});
const whereIs = (folder, bytes) => files(folder).filter((path) => readFileSync(path).includes(bytes));

/** A device with a service's folder that a reset empties, and a film in it. */
async function used(t, options = {}) {
  const house = House.open(t);
  const content = house.path('content');
  const fill = () => {
    mkdirSync(join(content, 'films/old'), { recursive: true });
    for (const name of ['a.mp4', 'films/b.mp4', 'films/old/c.mp4']) writeFileSync(join(content, name), `the old owner's ${name}`);
  };
  fill();
  writeFileSync(house.path('outside.txt'), 'not the device\'s');
  symlinkSync(house.path('outside.txt'), join(content, 'films/link'));
  const device = await Device.start(house, { serve: content, erases: [content], ...options });
  const person = new Person(device);
  const grant = await person.pair(SITE);
  await grant.open();
  return { house, device, person, grant, content, fill };
}

test('row 35: the buyer finds nothing, on the network or on the disk', async (t) => {
  const { house, device, person, grant, content } = await used(t, { name: 'Anna\'s cache' });
  assert.equal((await grant.fetch('/a.mp4')).status, 200);
  const renewal = await person.ask('POST', '/renew', { grant: grant.id });
  assert.equal(renewal.status, 200);
  const secrets = {
    host: grant.host, origin: SITE, sub: grant.sub, id: grant.id, 'a certificate': grant.leaf,
    'the bootstrap key': person.boot.subarray(-300, -100), 'the agent\'s key': person.device && grant.offer.agent,
  };
  for (const [what, bytes] of Object.entries(secrets)) {
    if (what !== 'the bootstrap key') assert.notDeepEqual(whereIs(device.state, bytes), [], `${what} is not looked for in the right way`);
  }
  assert.match(readFileSync(device.log, 'utf8'), /video\.example/);
  const live = await grant.connect();
  const gone = new Promise((done) => { live.once('close', done); live.resume(); });
  const answer = await device.command('factory-reset', '--yes');
  assert.equal(answer.code, 0, answer.stdout);
  // At once: by the time the person reads that it is done, nobody is served any more.
  await within(gone, 'the end of the old session', 2000);
  await until(async () => (await device.status())?.agents?.length === 0, 'the new life');
  await device.stop();
  for (const [what, bytes] of Object.entries(secrets)) assert.deepEqual(whereIs(device.state, bytes), [], what);
  assert.deepEqual(readdirSync(content), []);
  assert.equal(readFileSync(house.path('outside.txt'), 'utf8'), 'not the device\'s');
  assert.doesNotMatch(readFileSync(device.log, 'utf8'), /video\.example|media-cache-/);
  device.options.name = undefined;
  await device.run();
  const buyer = new Person(device);
  const fresh = await buyer.pair('https://photos.example');
  const seen = JSON.stringify([await device.status(), (await device.command('audit')).json, (await buyer.ask('GET', '/audit')).map]);
  for (const word of [grant.host, 'video.example', 'Anna', grant.id.toString('hex')]) assert.ok(!seen.includes(word), word);
  assert.equal((await device.status()).agents[0].person, 1, 'nobody was here before');
  assert.notDeepEqual(fresh.csr.disc, grant.csr.disc, 'row 55: the old agent cannot follow its beacon');
});

test('row 35: the old owner\'s agent fails closed and says why', async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const agent = await Agent.start(house, { devices: [{ port: device.port }] });
  const grant = await agent.grant(device, SITE);
  const own = async () => (await agent.grants()).find((one) => one.id === grant.id).device;
  assert.equal((await own()).other_key, false);
  await device.command('factory-reset', '--yes');
  await until(async () => (await device.status())?.agents?.length === 0, 'the new life');
  const fetched = await agent.cli(['fetch', `https://${grant.host}/`, '--resolve', `127.0.0.1:${device.port}`]);
  assert.notEqual(fetched.code, 0);
  assert.equal((await agent.cli(['renew', grant.id])).code, 3);
  // Whatever answers there could be anybody: it is said, and the permission is not ended by it.
  const [held] = await agent.grants();
  assert.equal(held.device.other_key, true);
  assert.equal(held.state, 'active');
  const said = await execute([join(BIN, 'latchkey'), '--socket', agent.socket, 'grants'], { env: agent.env });
  assert.match(said.stdout, /Another device answers where Shelf was/);
  assert.ok(said.stdout.split('\n').every((line) => line.length <= 80), said.stdout);
  // A stranger: it was told nothing, and knows nobody.
  assert.equal(readFileSync(device.log, 'utf8'), '');
  assert.deepEqual((await device.command('audit')).json.events, []);
  // As the text says: removed here, and added again.
  await agent.cli(['revoke', grant.id]);
  const again = await agent.grant(device, SITE);
  assert.notEqual(again.host, grant.host);
  assert.equal((await agent.grants()).find((one) => one.id === again.id).device.other_key, false);
});

test('row 35: a reset while the device does not run knows what to erase', async (t) => {
  const { device, grant, content } = await used(t);
  await device.stop();
  const answer = await device.command('factory-reset', '--yes');
  assert.equal(answer.code, 0, answer.stdout);
  assert.deepEqual(readdirSync(content), []);
  assert.deepEqual(whereIs(device.state, grant.host), []);
  assert.equal(readFileSync(device.log, 'utf8'), '');
  assert.ok(!existsSync(join(device.state, 'reset.pending')));
});

test('row 35: what cannot be erased is no reset', async (t) => {
  const { house, device, grant, content } = await used(t);
  const before = (await device.status()).id;
  // A plan that cannot be read says nothing of what there is.
  await device.stop();
  writeFileSync(join(device.state, 'reset-erases.json'), '{');
  assert.equal((await device.command('factory-reset', '--yes')).code, 1);
  await device.run();
  assert.equal((await device.status()).id, before);
  await grant.open();
  assert.equal((await grant.fetch('/a.mp4')).status, 200);
  await device.stop();
  // Nor may the state, or what is around it, be named as content.
  for (const folder of ['/', device.state, house.folder, 'content', join(content, 'a.mp4')]) {
    const { code, stderr } = await execute([join(BIN, 'latchkey-device'), 'run', '--state', device.state, '--listen', '127.0.0.1', '--port', '0', '--mdns', 'off', '--serve', content, '--reset-erases', folder], { env: environment(house.path('device-home')) });
    assert.equal(code, 2, `${folder}: ${stderr}`);
  }
});

test('row 35: the power button at any moment of a reset', { skip: !hasProgram('strace') && 'needs strace', timeout: LONG ? 3600000 : 180000 }, async (t) => {
  const { house, device, fill, content } = await used(t);
  const log = house.path('calls');
  const traced = (n) => ['strace', '-f', '-qq', '-o', log, '-e', `trace=${CALLS}`, ...(n ? ['-e', `inject=${CALLS}:signal=SIGKILL:when=${n}`] : [])];
  const count = () => readFileSync(log, 'utf8').split('\n').filter((line) => /\(/.test(line) && !/resumed/.test(line)).length;
  const reset = (wrap) => execute([...wrap, join(BIN, 'latchkey-device'), 'factory-reset', '--yes', '--state', device.state, '--json'], { env: environment(house.path('device-home')) });
  await device.stop();
  assert.equal((await reset(traced())).code, 0);
  const last = count();
  const lines = readFileSync(log, 'utf8').split('\n').filter((line) => /\(/.test(line) && !/resumed/.test(line));
  const first = lines.findIndex((line) => line.includes('reset.pending'));
  assert.ok(first > 0 && last - first > 15, `${first} to ${last}`);
  const all = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const points = LONG ? all : all.filter((_, i) => i % Math.ceil(all.length / 14) === 0);
  const ends = { old: 0, new: 0 };
  for (const n of points) {
    const where = `call ${n} of ${first} to ${last}`;
    fill();
    await device.run();
    const person = new Person(device);
    const grant = await person.pair(SITE);
    const { id } = await device.status();
    await device.stop();
    await reset(traced(n));
    await device.run();
    const after = await device.status();
    assert.ok(!existsSync(join(device.state, 'reset.pending')), where);
    if (after.id === id) {
      ends.old += 1;
      assert.ok(existsSync(join(content, 'films/old/c.mp4')), `${where}: an old device has its content`);
      await grant.open();
      assert.equal((await grant.fetch('/a.mp4')).status, 200, where);
      assert.equal(after.agents.length, 1, where);
    } else {
      ends.new += 1;
      assert.deepEqual(readdirSync(content), [], `${where}: a new device has no old content`);
      assert.deepEqual(after.agents, [], where);
      assert.deepEqual((await person.ask('GET', '/grants')).map.code, 'not_granted', where);
      assert.doesNotMatch(readFileSync(device.log, 'utf8'), /video\.example/, where);
    }
    await device.stop();
    assert.equal((await reset([])).code, 0);
    assert.deepEqual(whereIs(device.state, grant.host), [], where);
  }
  t.diagnostic(JSON.stringify(ends));
  assert.ok(ends.new > 0 && ends.old > 0, JSON.stringify(ends));
});
