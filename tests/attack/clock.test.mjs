// Clocks that are wrong: row 34 of docs/threat-model.md, and row 33 after weeks of sleep. Real programs;
// the agent and the command line are shown another time of day (lib/clock.c).

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { AgentSocket } from './lib/agent-socket.mjs';
import { Agent, Device, execute, House, ROOT, until } from './lib/house.mjs';

const SITE = 'https://video.example';
const DAY = 86400;

const now = () => Math.floor(Date.now() / 1000);

/** A pair that knows each other, and an agent that can be started at another time. */
async function paired(t) {
  const house = House.open(t);
  const clock = house.path('clock.so');
  const built = await execute(['cc', '-shared', '-fPIC', '-o', clock, `${ROOT}/tests/attack/lib/clock.c`], { env: process.env });
  assert.equal(built.code, 0, built.stderr);
  const device = await Device.start(house);
  writeFileSync(`${device.options.serve}/film.txt`, 'a film');
  const agent = await Agent.start(house, { devices: [{ port: device.port }] });
  const grant = await agent.grant(device, SITE);
  const { port } = device;
  const at = async (days, signal = 'SIGKILL') => {
    await agent.stop(signal);
    agent.env = { ...agent.env, LD_PRELOAD: clock, LK_SHIFT: String(days * DAY), ASAN_OPTIONS: 'verify_asan_link_order=0' };
    await agent.run();
  };
  const ask = async (method, params = {}) => {
    const socket = await AgentSocket.open(agent.socket);
    try {
      await socket.hello();
      return await socket.call(method, { id: grant.id, ...params });
    } finally {
      socket.close();
    }
  };
  const mint = async () => (await ask('ticket.mint', { origin: SITE })).error?.code ?? 'minted';
  const renew = async () => (await ask('certificate.renew')).error?.code ?? 'renewed';
  const fetched = async () => (await agent.cli(['fetch', `https://${grant.host}/film.txt`, '--origin', SITE, '--resolve', `127.0.0.1:${port}`])).code;
  const notAfter = async () => (await agent.grants())[0].not_after;
  return { device, port, agent, at, mint, renew, fetched, notAfter };
}

test('row 34: what has expired stays expired when the agent\'s clock is turned back', async (t) => {
  const { device, port, at, mint, renew, fetched, notAfter } = await paired(t);
  assert.equal(await mint(), 'minted');
  await device.stop();
  await at(8);
  assert.equal(await mint(), 'expired', 'a week has passed');
  for (const [days, signal] of [[0, 'SIGKILL'], [-300, 'SIGTERM'], [0, 'SIGTERM']]) {
    await at(days, signal);
    assert.equal(await mint(), 'expired', `turned back to ${days}`);
  }
  // Nor does it keep from renewing: dates are the system's, as the browser's are.
  await device.run({ port });
  await at(8);
  await until(async () => await renew() === 'renewed', 'it is renewed');
  await at(3);
  assert.equal(await renew(), 'renewed', 'with a clock that is five days behind');
  assert.ok(Math.abs(await notAfter() - (now() + 15 * DAY)) < 3600, 'the later end counts for the host');
  assert.equal(await mint(), 'minted');
  await at(8);
  assert.equal(await fetched(), 0);
});

test('row 34: a clock far ahead leaves nothing behind when it is right again', async (t) => {
  const { at, mint, renew, fetched } = await paired(t);
  await at(4000);
  assert.equal(await mint(), 'expired');
  assert.equal(await renew(), 'unreachable', 'no device hears of it');
  await at(0);
  assert.equal(await mint(), 'minted');
  assert.equal(await renew(), 'renewed');
  assert.equal(await fetched(), 0);
});

test('row 33: after weeks of sleep the agent renews what has expired at the device, by itself', async (t) => {
  const { at, fetched, notAfter } = await paired(t);
  const before = await notAfter();
  await at(40);
  await until(async () => await notAfter() > before, 'the agent renews');
  assert.ok(await notAfter() > now() + 43 * DAY);
  assert.equal(await fetched(), 0);
});
