// The power button at the worst moment: row 38 of docs/threat-model.md. The programs are killed inside
// the Nth call that changes a file, while a pairing or a renewal goes on; afterwards a grant is there
// as a whole, or can be completed, or is not there. ATTACK_LONG=1: at every such call.
// (What a power cut loses beyond this is the store's test: src/store/power_test.cc.)

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { Agent, Device, hasProgram, House, LONG } from './lib/house.mjs';

const SITE = 'https://video.example';
const CALLS = 'pwrite64,fsync,fdatasync,ftruncate,unlink,unlinkat,rename,renameat2,openat';
const skip = !hasProgram('strace') && 'needs strace';

/** Runs under strace; killed at the Nth call where N is given. The calls go to a log. */
const traced = (log, n) => ['strace', '-f', '-qq', '-o', log, '-e', `trace=${CALLS}`, ...(n ? ['-e', `inject=${CALLS}:signal=SIGKILL:when=${n}`] : [])];
const count = (log) => readFileSync(log, 'utf8').split('\n').filter((line) => /\(/.test(line) && !/resumed/.test(line)).length;

/** strace passes no signal on: what it runs is ended, by its pid. */
async function endTraced(program) {
  if (program.exit) return;
  const children = readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  for (const child of children) {
    try {
      process.kill(Number(child), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  await program.ended;
}

function points(first, last, few) {
  const all = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
  return LONG ? all : all.filter((_, i) => i % Math.ceil(all.length / few) === 0);
}

/** What must be true of a device after any crash, whatever the agent had heard before it. */
async function judge(device, person, grant, heard, where) {
  const status = await device.status();
  const [held] = status.grants;
  assert.ok(status.grants.length <= 1, where);
  assert.equal(status.window.open, false, `${where}: a restart closes the window`);
  if (heard === 'done') assert.equal(held?.state, 'active', `${where}: what was promised is kept`);
  if (!held) {
    const answer = await person.ask('GET', '/grants').catch(() => null);
    if (answer) assert.ok(answer.map.code === 'not_granted' || answer.map.grants?.length === 0, where);
    return 'nothing';
  }
  if (held.state === 'active') {
    await grant.open();
    assert.equal((await grant.fetch('/')).status, 404, `${where}: served, with its own certificate`);
    return 'active';
  }
  assert.equal(held.state, 'pending', where);
  await assert.rejects(grant.connect(), `${where}: half a grant is not served`);
  // The same offer again gets the same request, and can be completed.
  const again = await person.ask('POST', '/offer', grant.offer);
  assert.equal(again.status, 200, where);
  if (grant.csr) assert.deepEqual(again.map.csr, grant.csr.csr, where);
  grant.csr = again.map;
  assert.equal((await person.ask('POST', '/certificate', grant.certificates())).status, 200, where);
  await grant.open();
  return 'completed';
}

async function pairUntilItDies(device, person, grant) {
  let heard = 'nothing';
  const { Prover } = await import('./lib/channel.mjs');
  try {
    const code = await device.openWindow();
    const channel = await Prover.connect(device.port);
    await channel.hello();
    if (!(await channel.share(code)).right) return heard;
    channel.confirm();
    channel.send(grant.offer);
    const csr = await channel.receive();
    if (csr?.t !== 'csr') return heard;
    grant.csr = csr;
    heard = 'csr';
    channel.send(grant.certificates());
    if ((await channel.receive())?.t === 'done') heard = 'done';
    channel.close();
  } catch {
    // That is what happens.
  }
  return heard;
}

test('row 38: a device killed at any moment of an enrolment has no half a grant', { skip, timeout: LONG ? 3600000 : 120000 }, async (t) => {
  const house = House.open(t);
  const log = house.path('calls');
  const dry = await Device.start(house);
  await dry.restart('SIGTERM', { wrap: traced(log) });
  const first = count(log);
  const planned = (who) => who.plan(SITE);
  const person = new Person(dry);
  assert.equal(await pairUntilItDies(dry, person, planned(person)), 'done');
  const last = count(log);
  await endTraced(dry.program);
  assert.ok(last - first > 10, `${last - first} calls`);
  const ends = {};
  for (const n of points(first + 1, last + 1, 10)) {
    const device = await Device.start(house);
    await device.stop();
    const somebody = new Person(device);
    const grant = planned(somebody);
    await device.run({ wrap: traced(house.path('calls-n'), n) }).catch(() => {});
    const heard = device.program.exit ? 'nothing' : await pairUntilItDies(device, somebody, grant);
    await endTraced(device.program);
    await device.run();
    const end = await judge(device, somebody, grant, heard, `call ${n} of ${first} to ${last}, heard ${heard}`);
    ends[`${heard}, then ${end}`] = (ends[`${heard}, then ${end}`] ?? 0) + 1;
    // Whatever it was, the device pairs again.
    await new Person(device).pair('https://photos.example');
    await device.stop();
  }
  t.diagnostic(JSON.stringify(ends));
});

test('row 38: a device killed at any moment of a renewal serves the old certificate or the new one', { skip, timeout: LONG ? 3600000 : 120000 }, async (t) => {
  const house = House.open(t);
  const renew = async (person, grant) => {
    try {
      const management = await person.manage();
      const renewal = await management.ask('POST', '/renew', { grant: grant.id });
      if (renewal.status !== 200) return;
      grant.csr = renewal.map;
      await management.ask('POST', '/certificate', grant.certificates());
      management.socket.destroy();
    } catch {
      // That is what happens.
    }
  };
  const device = await Device.start(house);
  const person = new Person(device);
  const grant = await person.pair(SITE);
  const log = house.path('calls');
  await device.restart('SIGTERM', { wrap: traced(log) });
  const first = count(log);
  await renew(person, grant);
  const last = count(log);
  await endTraced(device.program);
  for (const n of points(first + 1, last + 1, 5)) {
    await device.run({ wrap: traced(log, n) }).catch(() => {});
    if (!device.program.exit) await renew(person, grant);
    await endTraced(device.program);
    await device.run();
    const where = `call ${n} of ${first} to ${last}`;
    await grant.open();
    assert.equal((await grant.fetch('/')).status, 404, where);
    await renew(person, grant);
    const page = await grant.connect();
    assert.deepEqual(page.getPeerCertificate().raw, grant.leaf, `${where}: the next renewal goes through`);
    page.destroy();
    await device.stop();
  }
});

test('row 38: an agent killed at any moment of a pairing goes on with it, or anew', { skip, timeout: LONG ? 3600000 : 120000 }, async (t) => {
  const house = House.open(t);
  const device = await Device.start(house);
  const run = async (agent, wrap) => {
    agent.wrap = wrap;
    await agent.run().catch(() => {});
  };
  const log = house.path('calls');
  const dry = await Agent.start(house, { devices: [{ port: device.port }] });
  await dry.stop();
  await run(dry, traced(log));
  const first = count(log);
  assert.ok((await dry.pair(SITE, await device.openWindow())).grant);
  const last = count(log);
  await endTraced(dry.program);
  // So close that none of the writes between two steps is jumped over.
  for (const n of points(first + 1, last + 1, 20)) {
    const where = `call ${n} of ${first} to ${last}`;
    const agent = await Agent.start(house, { devices: [{ port: device.port }] });
    await agent.stop();
    await run(agent, traced(house.path('calls-n'), n));
    if (!agent.program.exit) await agent.pair(SITE, await device.openWindow()).catch(() => null);
    await endTraced(agent.program);
    await device.command('close-window');
    await run(agent, []);
    assert.equal(agent.program.exit, undefined, `${where}: ${agent.program.errors}`);
    const before = await agent.grants();
    assert.ok(before.length <= 1 && before.every((one) => ['pending', 'active', 'revoked'].includes(one.state)), `${where}: ${JSON.stringify(before)}`);
    const made = await agent.pair(SITE, await device.openWindow());
    assert.ok(made.grant, `${where}: ${JSON.stringify(made)}`);
    const live = (await agent.grants()).filter((one) => one.state === 'active');
    assert.equal(live.length, 1, where);
    const fetched = await agent.cli(['fetch', `https://${live[0].host}/`, '--resolve', `127.0.0.1:${device.port}`]);
    assert.match(fetched.stdout + fetched.stderr, /404|not_found/, where);
    await agent.stop();
    await device.command('close-window');
  }
});

test('the tracer does what these tests rely on', { skip }, () => {
  const { signal } = spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'inject=openat:signal=SIGKILL:when=1', 'true']);
  assert.equal(signal, 'SIGKILL');
});
