// "Look nearby" in a browser that has no Bluetooth for pages: the agent looks by the computer's own, here
// with a stand-in for BlueZ on the system's bus (lab/bluez.py), joined to the radio socket of a real
// latchkey-device. Real BlueZ, with the same agent, is in tests/bluetooth.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plugIn } from '../../lab/bluetooth.mjs';
import { consentWindow, typeCode, waitState } from '../../lab/consent.mjs';
import { until } from '../../lab/process.mjs';
import { nearbyDevice, upToList } from '../nearby-device.mjs';
import { plays } from '../plays.mjs';
import { MEDIA, SITE, STORE } from '../stage.mjs';

const BLUEZ = fileURLToPath(new URL('../../lab/bluez.py', import.meta.url));
const PANTRY = 'Pantry cache';

/** A device nearby, and the stand-in for BlueZ that is started with `words`. */
async function pantry(stage, { words = [], ...options } = {}) {
  const { host, device, path } = await nearbyDevice(stage, 'pantry', PANTRY, options);
  const bluez = stage.house.pc.spawn('bluez', ['/usr/bin/python3', BLUEZ, '--radio', path, ...words], { root: true });
  stage.pantry.end = () => bluez.stop();
  await bluez.waitFor(/^ready$/m);
  return { host, device, bluez };
}

/** Once the list has its rows: each that comes moves the button below it. */
async function lookNearby(window, ...names) {
  for (const name of names) await window.locator('[data-testid="device"]', { hasText: name }).waitFor();
  await window.locator('#nearby:enabled').click();
}

const times = (bluez, word) => bluez.stdout.split('\n').filter((line) => line === word).length;
const nearRow = (window) => window.locator('[data-testid="device"]', { hasText: 'found by Bluetooth' });

async function picture(stage, window, name) {
  const folder = join(stage.out, 'nearby');
  mkdirSync(folder, { recursive: true });
  await window.screenshot({ path: join(folder, `${name}.png`) });
}

export function scenarios(scenario) {
  const nearby = (name, run) => scenario(`nearby by the agent: ${name}`, async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    return run(stage, await stage.visit(SITE));
  });

  nearby('from click to playing video, over a connection that breaks on the way', async (stage, page) => {
    const { host, device, bluez } = await pantry(stage, { words: ['--drop-at', '7'] });
    const code = await device.openWindow();
    const window = await upToList(stage, page);
    await picture(stage, window, 'before');
    assert.equal(times(bluez, 'search begins'), 0, 'it searched before it was asked to');
    await lookNearby(window, MEDIA.name);
    await nearRow(window).waitFor();
    await picture(stage, window, 'found');
    assert.ok(!(await window.locator('main').innerText()).includes('Pantry'), 'its name was told before its code was right');
    await nearRow(window).locator('label').click();
    await window.locator('#continue:enabled').click();
    await typeCode(window, code);
    await window.locator('#waiting').waitFor({ timeout: 40000 });
    await plugIn(host);
    await waitState(window, 'done', 60000);
    assert.match(await window.locator('h1').innerText(), /Pantry cache/);
    await window.click('#close').catch(() => {}); // It also closes by itself.
    const outcome = await stage.outcome(page);
    assert.equal(outcome.ok, true, JSON.stringify(outcome));
    assert.equal(times(bluez, 'dropped'), 1, 'the connection did not break');
    assert.equal(times(bluez, 'connected'), 2, 'the same session goes on, over one connection more');
    await plays(page, outcome.url);
    await until('the search to end with the window', () => times(bluez, 'search ends') === times(bluez, 'search begins'));
  });

  nearby('a device found in the network and nearby appears once', async (stage, page) => {
    const { device, bluez } = await pantry(stage, { network: true });
    const code = await device.openWindow();
    const window = await upToList(stage, page);
    await lookNearby(window, MEDIA.name, PANTRY);
    const row = window.locator('[data-testid="device"]', { hasText: 'Pantry cache' });
    await row.locator('.more', { hasText: 'found by Bluetooth' }).waitFor();
    assert.equal(await nearRow(window).count(), 1);
    await row.locator('label').click();
    await window.locator('#continue:enabled').click();
    await typeCode(window, code);
    await waitState(window, 'done', 30000);
    assert.equal(times(bluez, 'connected'), 0, 'it was paired over Bluetooth, though it is in the network');
    await window.click('#close').catch(() => {});
  });

  nearby('the command line tells a device a Wi-Fi, after one that it could not join', async (stage) => {
    const wifi = { name: 'Home of Ann', password: 'correct horse 5' };
    const grant = async (password) => {
      const { device } = await pantry(stage, { wifi });
      const code = await device.openWindow();
      // The connection of the stand-in is the device's own cable: the hook plugs it in.
      return stage.agent.cli([
        'grant', '--device', 'A device nearby', '--origin', SITE, '--nearby', '--type', MEDIA.type, '--code', code, '--wifi', wifi.name, '--wifi-password-fd', '0', '--json',
      ], { input: `${password}\n` });
    };
    const { device } = await pantry(stage, { wifi });
    const untold = await stage.agent.cli(['grant', '--device', 'A device nearby', '--origin', SITE, '--nearby', '--code', await device.openWindow()]);
    assert.deepEqual([untold.code, /Say it with --type/.test(untold.stderr)], [2, true], untold.stderr);
    const allowed = async () => (await stage.agent.json(['grants'])).grants.map((one) => one.id).sort();
    const before = await allowed();
    const refused = await grant('not that one');
    assert.notEqual(refused.code, 0, refused.stdout);
    assert.match(refused.stdout, /couldn't join that Wi-Fi/, refused.stderr);
    assert.deepEqual(await allowed(), before, 'something is allowed then');
    const done = await grant(wifi.password);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stderr, /Joining Home of Ann/);
    assert.ok(!(done.stdout + done.stderr).includes(wifi.password), 'the password was shown');
    const { url } = JSON.parse(done.stdout).grant;
    const asked = await stage.agent.cli(['fetch', '--origin', SITE, `${url}/`]);
    assert.equal(asked.code, 0, asked.stderr);
  });

  nearby('Bluetooth that is switched off is told', async (stage) => {
    await pantry(stage, { words: ['--off'] });
    // Nobody asks, so nobody is refused.
    await stage.home.click('#add');
    const window = await consentWindow(stage.context);
    await waitState(window, 'looking');
    await lookNearby(window, MEDIA.name, STORE.name);
    await window.locator('#nearby-said').locator('.note', { hasText: 'switched off' }).waitFor();
    await window.locator('#nearby:enabled').waitFor();
    await picture(stage, window, 'off');
    await window.click('#deny');
  });
}
