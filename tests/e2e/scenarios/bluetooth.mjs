// "Look nearby": real Chromium with Bluetooth emulated, joined to the radio socket of a real
// latchkey-device that is in no network until the scenario says so.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Air, Radio, plugIn } from '../../lab/bluetooth.mjs';
import { typeCode, waitState } from '../../lab/consent.mjs';
import { until } from '../../lab/process.mjs';
import { nearbyDevice, upToList } from '../nearby-device.mjs';
import { plays } from '../plays.mjs';
import { SITE } from '../stage.mjs';

const GARDEN = 'Garden cache';

/** A device nearby, in the air of this browser. */
async function garden(stage, options) {
  const place = await nearbyDevice(stage, 'garden', GARDEN, options);
  // One for each browser: scenarios before may have started another.
  if (place.air?.context !== stage.context) place.air = await Air.over(stage.context);
  place.radio = await Radio.start(place.air, { path: place.path });
  place.end = () => place.radio.close();
  return place;
}

/**
 * What a person picks in the browser's own list after "Look nearby"; nothing where `radio` is null. Chromium
 * shows no such list over a pop-up window: the first press brings another one. @returns that window
 */
async function lookNearby(stage, before, radio) {
  const opened = stage.context.waitForEvent('page');
  await before.locator('#nearby:enabled').click();
  const window = await opened;
  await waitState(window, 'looking');
  await until('the small window to be gone', () => before.isClosed());
  assert.match(await window.locator('#nearby-help').innerText(), /once more/);
  const list = await stage.garden.air.choose(window, radio);
  await window.locator('#nearby:enabled').click();
  await until('the browser’s list to be answered', list.answered);
  return window;
}

async function upToCode(stage, page, radio, device) {
  const code = await device.openWindow();
  await until('the device to show itself', () => radio.advertised);
  const window = await lookNearby(stage, await upToList(stage, page), radio);
  await waitState(window, 'code');
  return { window, code };
}

async function picture(stage, window, name) {
  const folder = join(stage.out, 'bluetooth');
  mkdirSync(folder, { recursive: true });
  await window.screenshot({ path: join(folder, `${name}.png`) });
}

/** The device is given a network by whoever carries it: the window waits, then all is well. */
async function turnsUp(stage, page, window) {
  await window.locator('#waiting:visible').waitFor({ timeout: 20000 });
  await plugIn(stage.garden.host);
  await waitState(window, 'done', 40000);
  assert.match(await window.locator('h1').innerText(), /Garden cache/);
  await window.click('#close').catch(() => {}); // It also closes by itself.
  const outcome = await stage.outcome(page);
  assert.equal(outcome.ok, true, JSON.stringify(outcome));
  return outcome;
}

/** Files below `folder` with `text` in them, as bytes. */
function filesWith(folder, text) {
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return paths.filter((path) => {
    const bytes = readFileSync(path);
    return bytes.includes(text) || bytes.includes(Buffer.from(text, 'utf16le'));
  });
}

export function scenarios(scenario) {
  const nearby = (name, run) => scenario(`bluetooth: ${name}`, async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    return run(stage, await stage.visit(SITE));
  });

  nearby('from click to playing video, with a device that had no network', async (stage, page) => {
    const { device, radio } = await garden(stage);
    const { window, code } = await upToCode(stage, page, radio, device);
    assert.ok(!(await window.locator('main').innerText()).includes('Garden'), 'its name was told before its code was right');
    await typeCode(window, code);
    const { url } = await turnsUp(stage, page, window);
    assert.equal(radio.counts.connections, 1, 'it was connected more than once');
    await plays(page, url);
    const [grant] = (await stage.grants()).filter((one) => one.device.name === GARDEN);
    assert.equal(grant.url, url);
  });

  nearby('a device without a network is told one, plays, and nobody keeps the password', async (stage, page) => {
    const wifi = { name: 'Villa Ωmega', password: 'quince marmalade' };
    const { host, device, radio } = await garden(stage, { wifi });
    const { window, code } = await upToCode(stage, page, radio, device);
    assert.equal(await window.locator('#wifi-name').count(), 0, 'it was asked for before the code');
    await typeCode(window, code);
    await waitState(window, 'network', 30000);
    await picture(stage, window, 'wifi');
    await window.fill('#wifi-name', wifi.name);
    await window.fill('#wifi-password', 'not the password');
    await window.click('#continue:enabled');
    await window.locator('#wifi-trouble .note').waitFor({ timeout: 20000 });
    await picture(stage, window, 'wifi-refused');
    // What can be no password at all is not even told to the device.
    const before = radio.counts.toDevice;
    await window.fill('#wifi-password', 'kürzer');
    await window.click('#continue:enabled');
    await window.locator('#continue:enabled').waitFor();
    assert.equal(radio.counts.toDevice, before);
    await window.fill('#wifi-password', wifi.password);
    await window.click('#continue:enabled');
    await waitState(window, 'done', 60000);
    await window.click('#close').catch(() => {});
    const outcome = await stage.outcome(page);
    assert.equal(outcome.ok, true, JSON.stringify(outcome));
    assert.equal(radio.counts.connections, 1, 'it was connected more than once');
    await plays(page, outcome.url);
    const hook = join(host.home, 'wifi-hook');
    for (const folder of [host.folder, stage.house.pc.folder]) {
      assert.deepEqual(filesWith(folder, wifi.password).filter((path) => path !== hook), [], 'the password was kept');
    }
  });

  nearby('a device that is asked about no network goes on without', async (stage, page) => {
    const { device, radio } = await garden(stage, { wifi: { name: 'Home', password: 'quince marmalade' } });
    const { window, code } = await upToCode(stage, page, radio, device);
    await typeCode(window, code);
    await waitState(window, 'network', 30000);
    await window.click('#wifi-skip');
    await turnsUp(stage, page, window);
  });

  nearby('a wrong code is told, and counted by the device; the right one goes on', async (stage, page) => {
    const { device, radio } = await garden(stage);
    const { window, code } = await upToCode(stage, page, radio, device);
    await typeCode(window, code === '11111111' ? '22222222' : '11111111');
    await window.locator('#code-trouble .note').waitFor({ timeout: 20000 });
    assert.match(await window.locator('#code-trouble').innerText(), /4 more times/);
    await typeCode(window, code);
    await turnsUp(stage, page, window);
  });

  nearby('a connection that breaks is made again by itself, and the same session goes on', async (stage, page) => {
    const { device, radio } = await garden(stage);
    const { window, code } = await upToCode(stage, page, radio, device);
    await radio.drop();
    await until('the window to connect again', () => radio.connected && radio.counts.connections === 2);
    await typeCode(window, code);
    await turnsUp(stage, page, window);
    assert.equal(radio.counts.connections, 2);
  });

  nearby('a device that is carried away is told kindly, and nothing is left', async (stage, page) => {
    const { device, radio } = await garden(stage);
    const { window } = await upToCode(stage, page, radio, device);
    const before = (await stage.grants()).length;
    radio.away = true;
    await radio.drop();
    await typeCode(window, '12345678');
    await waitState(window, 'problem', 50000);
    assert.match(await window.locator('h1').innerText(), /The device can.t be reached any more/);
    await picture(stage, window, 'lost');
    assert.equal((await stage.grants()).length, before);
    await window.click('#close');
    assert.equal((await stage.outcome(page)).ok, false);
  });

  nearby('a device found in the network and nearby appears once', async (stage, page) => {
    const { device, radio } = await garden(stage, { network: true });
    const code = await device.openWindow();
    await until('the device to show itself', () => radio.advertised);
    const small = await upToList(stage, page);
    // A responder may have for a while what the device said before its window opened; by that it is no one's.
    const row = small.locator('[data-testid="device"]').filter({ hasText: GARDEN });
    await row.waitFor();
    await until('the network to say that its window is open', async () => !(await row.innerText()).includes('press its button'));
    const window = await lookNearby(stage, small, radio);
    await waitState(window, 'code');
    // The network's word on it may come after the radio's.
    await window.locator('h1').filter({ hasText: GARDEN }).waitFor();
    await typeCode(window, code);
    await waitState(window, 'done', 30000);
    assert.equal(radio.counts.toDevice, 0, 'it was paired over Bluetooth, though it is in the network');
    await window.click('#close').catch(() => {});
  });

  nearby('a list that is closed leaves all as it was; the button is there again', async (stage, page) => {
    const { device, radio } = await garden(stage);
    await device.openWindow();
    await until('the device to show itself', () => radio.advertised);
    const small = await upToList(stage, page);
    await picture(stage, small, 'looking');
    const window = await lookNearby(stage, small, null);
    await window.locator('#nearby:enabled').waitFor();
    assert.equal(await window.locator('#nearby-said .note').count(), 0);
    assert.equal(radio.counts.connections, 0);
    await window.click('#deny');
    // Refusals are counted, and the scenarios that follow ask for the same site.
    await stage.restartBrowser();
  });
}
