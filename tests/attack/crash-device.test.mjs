// The power button at the worst moment, at the device: row 38 of docs/threat-model.md. It is killed inside
// each call that changes a file while a permission is made, renewed and ended; afterwards the
// permission is there as a whole, or can be completed, or is not there.
// (What a power cut loses beyond this is the store's test: src/store/power_test.cc.)

import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { Person } from './lib/binding.mjs';
import { Prover } from './lib/channel.mjs';
import { Agent, Device, House, until } from './lib/house.mjs';
import { ended, everyPoint, order, Power, powerLibrary, quietPort, rooms, timeout } from './lib/power.mjs';

const SITE = 'https://video.example';

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
  assert.equal(again.status, 200, `${where}: ${JSON.stringify(again.map)}`);
  if (grant.csr) assert.deepEqual(again.map.csr, grant.csr.csr, where);
  grant.csr = again.map;
  const done = await person.ask('POST', '/certificate', grant.certificates());
  assert.equal(done.status, 200, `${where}: ${JSON.stringify(done.map)}`);
  await grant.open();
  return 'completed';
}

async function pairUntilItDies(device, person, grant) {
  let heard = 'nothing';
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

/** A device with a power button, on a port of its own. */
async function powered(house, library, name, options = {}) {
  const power = new Power(library, house.path(`power-${name}`));
  house.keep(() => power.close());
  return Device.start(house, { power, port: await quietPort(), ...options });
}

test('row 38: a device killed at any moment of an enrolment has no half a grant', { timeout }, async (t) => {
  const house = House.open(t);
  const library = powerLibrary(house);
  const ends = {};
  const places = await rooms(async (name) => {
    const device = await powered(house, library, name);
    await device.stop();
    const fresh = house.path(`fresh-${name}`);
    cpSync(device.state, fresh, { recursive: true });
    return { device, fresh };
  });
  await everyPoint(t, places, async ({ device, fresh }, n) => {
    rmSync(device.state, { recursive: true });
    cpSync(fresh, device.state, { recursive: true });
    await device.run();
    const { power } = device.options;
    power.arm(n);
    const person = new Person(device);
    const grant = person.plan(SITE);
    const heard = await pairUntilItDies(device, person, grant);
    const run = await ended(device.program, power);
    const died = run.what;
    if (!died) assert.equal(heard, 'done');
    await device.restart('SIGKILL');
    const where = `call ${n} (${died || 'none'}), heard ${heard}`;
    const end = await judge(device, person, grant, heard, where);
    ends[`${heard}, then ${end}`] = (ends[`${heard}, then ${end}`] ?? 0) + 1;
    // Whatever it was, the device goes on: with somebody it knows, or with a code.
    if (end === 'nothing') await new Person(device).pair('https://photos.example');
    else await person.grantOver('https://photos.example');
    await device.stop('SIGKILL');
    return run;
  }, { few: true });
  t.diagnostic(JSON.stringify(ends));
});

test('row 38: a device killed at any moment of a renewal serves the old certificate or the new one', { timeout }, async (t) => {
  const house = House.open(t);
  const library = powerLibrary(house);
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
  const places = await rooms(async (name) => {
    const device = await powered(house, library, name);
    const person = new Person(device);
    return { device, person, grant: await person.pair(SITE), power: device.options.power };
  });
  await everyPoint(t, places, async ({ device, person, grant, power }, n) => {
    power.arm(n);
    await renew(person, grant);
    const run = await ended(device.program, power);
    const died = run.what;
    if (died) await device.run({ port: device.port });
    const where = `call ${n} (${died || 'none'})`;
    await grant.open();
    assert.equal((await grant.fetch('/')).status, 404, where);
    await renew(person, grant);
    const page = await grant.connect();
    assert.deepEqual(page.getPeerCertificate().raw, grant.leaf, `${where}: the next renewal goes through`);
    page.destroy();
    return run;
  });
});

test('row 38: a device killed at any moment of a revocation has the permission or has it not, and in the end not', { timeout }, async (t) => {
  const house = House.open(t);
  const library = powerLibrary(house);
  const ends = {};
  const places = await rooms(async (name) => {
    const device = await powered(house, library, name);
    const agent = await Agent.start(house, { devices: [{ port: device.port }] });
    return { device, agent, kept: await agent.grant(device, 'https://photos.example'), power: device.options.power };
  });
  await everyPoint(t, places, async ({ device, agent, kept, power }, n) => {
    const { grant } = await agent.pair(SITE);
    power.arm(n);
    const answer = await order(agent, 'grants.revoke', { id: grant.id });
    const run = await ended(device.program, power);
    const died = run.what;
    const where = `call ${n} (${died || 'none'}), answered ${JSON.stringify(answer)}`;
    if (died) await device.run({ port: device.port });
    const held = async () => (await device.status()).grants.map((one) => `${one.id} ${one.state}`).sort();
    const only = [`${kept.id} active`];
    const before = await held();
    if (before.length > 1) assert.deepEqual(before, [...only, `${grant.id} active`].sort(), where);
    if (answer?.result?.delivered) assert.deepEqual(before, only, `${where}: what was promised is kept`);
    ends[before.length > 1 ? 'still there' : 'gone'] = (ends[before.length > 1 ? 'still there' : 'gone'] ?? 0) + 1;
    // The agent tells it again, by itself: now, and not half a minute later, because it is started anew.
    if (died) await agent.restart('SIGKILL');
    await until(async () => (await held()).length === 1, `${where}: the device to be told`);
    await device.restart('SIGKILL', { port: device.port });
    assert.deepEqual(await held(), only, `${where}: it came back`);
    assert.equal((await agent.fetch(kept, device)).status, 404, where);
    return run;
  });
  t.diagnostic(JSON.stringify(ends));
});
