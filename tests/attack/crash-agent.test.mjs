// The power button at the worst moment, at the agent: row 38 of docs/threat-model.md. It is killed inside each
// call that changes a file while a permission is made, renewed and ended; started again, it goes on with the old
// state or with the new one, by itself.
// (What a power cut loses beyond this is the store's test: src/store/power_test.cc.)

import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { test } from 'node:test';
import { Agent, Device, hasProgram, House, Program, until, within } from './lib/house.mjs';
import { ended, everyPoint, order, Power, powerLibrary, quietPort, rooms, timeout } from './lib/power.mjs';

const SITE = 'https://video.example';
const OTHER = 'https://photos.example';

/** A device, and an agent with a power button. */
async function pair(house, library, name) {
  const device = await Device.start(house, { port: await quietPort() });
  const power = new Power(library, house.path(`power-${name}`));
  house.keep(() => power.close());
  return { device, power, agent: await Agent.start(house, { devices: [{ port: device.port }], power }) };
}

/** Starts the agent again where it died; nothing keeps it from coming up. */
async function again(agent, died, where) {
  if (!died) return;
  await agent.run();
  assert.equal(agent.program.exit, undefined, `${where}: ${agent.program.errors}`);
}

/** The key that the device shows for this host, as the agent names keys. */
async function keyServed(device, host) {
  const socket = connect({ port: device.port, host: '127.0.0.1', servername: host, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  try {
    await new Promise((done, fail) => { socket.once('secureConnect', done); socket.once('error', fail); });
    const { publicKey } = new X509Certificate(socket.getPeerCertificate().raw);
    return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64url');
  } finally {
    socket.destroy();
  }
}

const held = async (device) => (await device.status()).grants;
const works = async (agent, grant, device, where) => assert.equal((await agent.fetch(grant, device)).status, 404, `${where}: it is not served`);
const count = (ends, end) => { ends[end] = (ends[end] ?? 0) + 1; };

test('row 38: an agent killed at any moment of a pairing goes on with it, or anew', { timeout }, async (t) => {
  const house = House.open(t);
  const library = powerLibrary(house);
  const ends = {};
  let buttons = 0;
  const places = await rooms(async () => ({ device: await Device.start(house) }));
  await everyPoint(t, places, async ({ device }, n) => {
    const power = new Power(library, house.path(`power-${++buttons}`));
    const agent = await Agent.start(house, { devices: [{ port: device.port }], power });
    const code = await device.openWindow();
    power.arm(n);
    const first = await agent.pair(SITE, code).catch(() => null);
    const run = await ended(agent.program, power);
    const died = run.what;
    power.close();
    const where = `call ${n} (${died || 'none'})`;
    await device.command('close-window');
    await again(agent, died, where);
    const before = await agent.grants();
    assert.ok(before.length <= 1 && before.every((one) => ['pending', 'active', 'revoked'].includes(one.state)), `${where}: ${JSON.stringify(before)}`);
    if (first?.grant) assert.equal(before[0]?.state, 'active', `${where}: what was promised is kept`);
    count(ends, before[0]?.state ?? 'nothing');
    const made = await agent.pair(SITE, await device.openWindow());
    assert.ok(made.grant, `${where}: ${JSON.stringify(made)}`);
    const live = (await agent.grants()).filter((one) => one.state === 'active');
    assert.equal(live.length, 1, where);
    await works(agent, live[0], device, where);
    // So that the next one finds the device as this one did. Nothing of it stays there, half or whole.
    assert.equal((await order(agent, 'devices.forget', { id: live[0].device.id })).result?.delivered, true, where);
    await until(async () => (await held(device)).length === 0, `${where}: the device to be rid of it`);
    await agent.stop('SIGKILL');
    await device.command('close-window');
    return run;
  }, { few: true });
  t.diagnostic(JSON.stringify(ends));
});

test('row 38: an agent killed at any moment of a renewal has the old key or the new one, and ends it by itself', { timeout }, async (t) => {
  const house = House.open(t);
  const library = powerLibrary(house);
  const ends = {};
  const places = await rooms(async (name) => {
    const place = await pair(house, library, name);
    return { ...place, grant: await place.agent.grant(place.device, SITE) };
  });
  await everyPoint(t, places, async ({ device, agent, power, grant }, n) => {
    const { keys: [old] } = (await agent.grants())[0];
    power.arm(n);
    const answer = await order(agent, 'certificate.renew', { id: grant.id }).catch(() => null);
    const run = await ended(agent.program, power);
    const died = run.what;
    const where = `call ${n} (${died || 'none'}), answered ${JSON.stringify(answer)}`;
    if (!died) assert.ok(answer.result, where);
    await again(agent, died, where);
    // At once, whichever of the two the device has: pages go on, nobody is asked for anything.
    const [now, ...more] = await agent.grants();
    assert.equal(more.length, 0, where);
    assert.equal(now.state, 'active', where);
    // It may be at work on the next key already: what is served between two looks is known to one of them.
    const served = await keyServed(device, grant.host);
    const known = [...now.keys, ...(await agent.grants())[0].keys];
    assert.ok(known.includes(served), `${where}: the device has ${served}, and the agent knows ${known}`);
    await works(agent, now, device, where);
    // And by itself the two agree again.
    await until(async () => {
      const [{ keys }] = await agent.grants();
      return keys.length === 1 && keys[0] === await keyServed(device, grant.host);
    }, `${where}: agent and device to agree`);
    const [{ keys: [settled] }] = await agent.grants();
    if (answer?.result) assert.notEqual(settled, old, `${where}: what was promised is kept`);
    count(ends, settled === old ? 'the old key' : 'the new key');
    const next = await order(agent, 'certificate.renew', { id: grant.id });
    assert.ok(next.result, `${where}: ${JSON.stringify(next)}`);
    assert.notEqual((await agent.grants())[0].keys[0], settled, `${where}: the next renewal goes through`);
    assert.deepEqual((await held(device)).map((one) => one.state), ['active'], where);
    return run;
  });
  t.diagnostic(JSON.stringify(ends));
});

test('row 38: an agent killed at any moment of a revocation has the permission or has it not, and it never comes back', { timeout }, async (t) => {
  const house = House.open(t);
  const library = powerLibrary(house);
  const ends = {};
  const places = await rooms(async (name) => {
    const place = await pair(house, library, name);
    return { ...place, kept: await place.agent.grant(place.device, OTHER) };
  });
  await everyPoint(t, places, async ({ device, agent, power, kept }, n) => {
    const { grant } = await agent.pair(SITE);
    const state = async () => (await agent.grants()).find((one) => one.id === grant.id).state;
    power.arm(n);
    const answer = await order(agent, 'grants.revoke', { id: grant.id }).catch(() => null);
    const run = await ended(agent.program, power);
    const died = run.what;
    const where = `call ${n} (${died || 'none'}), answered ${JSON.stringify(answer)}`;
    await again(agent, died, where);
    const end = await state();
    count(ends, end);
    if (answer?.result) assert.equal(end, 'revoked', `${where}: what was promised is kept`);
    if (end !== 'revoked') {
      // The old state, as a whole: it works as before, and can be ended.
      assert.equal(end, 'active', where);
      await works(agent, grant, device, where);
      assert.equal((await order(agent, 'grants.revoke', { id: grant.id })).result?.delivered, true, where);
    }
    // The device is told by itself.
    await until(async () => (await held(device)).length === 1, `${where}: the device to be told`);
    await agent.restart('SIGKILL');
    assert.equal(await state(), 'revoked', `${where}: it came back`);
    assert.deepEqual((await held(device)).map((one) => [one.id, one.state]), [[kept.id, 'active']], where);
    assert.notEqual((await agent.fetch(grant, device)).status, 404, where);
    await works(agent, kept, device, where);
    return run;
  });
  t.diagnostic(JSON.stringify(ends));
});

test('the power button is inside every call that changes a file, as the kernel sees them', { skip: !hasProgram('strace') && 'needs strace' }, async (t) => {
  const house = House.open(t);
  const library = powerLibrary(house);
  const button = (name) => new Power(library, house.path(name));
  const device = await Device.start(house, { power: button('power-device') });
  const agent = await Agent.start(house, { devices: [{ port: device.port }], power: button('power-agent') });
  const watched = [await watch(house, device.program, device.options.power), await watch(house, agent.program, agent.power)];
  const grant = await agent.grant(device, SITE);
  assert.ok((await order(agent, 'certificate.renew', { id: grant.id })).result);
  assert.ok((await order(agent, 'grants.revoke', { id: grant.id })).result);
  await agent.stop();
  await device.stop();
  for (const { seen, counted } of watched) {
    const calls = await seen();
    assert.ok(calls.length > 100, `${calls.length} calls`);
    assert.equal(counted(), calls.length, calls.join('\n'));
  }
});

/** The calls of a program from now on: what the kernel sees of them, and what the power button does. */
async function watch(house, program, power) {
  const log = house.path(`calls-${program.pid}`);
  const calls = 'write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,ftruncate,truncate,fallocate,copy_file_range,sendfile,'
    + 'unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,rmdir,open,openat,creat,chmod,fchmod,fchmodat';
  const tracer = new Program(['strace', '-f', '-y', '-qq', '-s', '0', '-o', log, '-e', `trace=${calls}`, '-p', String(program.pid)], process.env);
  house.keep(() => tracer.end());
  const threads = `/proc/${program.pid}/task`;
  await until(() => readdirSync(threads).every((one) => !/^TracerPid:\s+0$/m.test(readFileSync(`${threads}/${one}/status`, 'utf8'))), 'the tracer');
  const from = power.calls;
  const changes = (line) => {
    const [, call, rest] = /^\d+ +(\w+)\((.*)/.exec(line) ?? [];
    if (!call) return false;
    if (/^open|creat/.test(call)) return /O_CREAT|O_TRUNC/.test(rest);
    return !/^p?write/.test(call) || /^\d+<\/(?!dev\/)/.test(rest);
  };
  return {
    counted: () => power.calls - from,
    seen: async () => {
      await within(tracer.ended, 'the tracer');
      return readFileSync(log, 'utf8').split('\n').filter(changes);
    },
  };
}
