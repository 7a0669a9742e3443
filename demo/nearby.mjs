// BLUETOOTH=1: the cache is fresh from the box and in no network. It is found over Bluetooth, which Chromium
// emulates; told the house's Wi-Fi by the person; and then turns up at home like any other device.

import { join } from 'node:path';
import { Air, Radio, unplug, wifiHook } from '../tests/lab/bluetooth.mjs';
import { waitState } from '../tests/lab/consent.mjs';
import { until } from '../tests/lab/process.mjs';

const WIFI = { name: 'Villa Vega', password: 'quince marmalade' };

/** Takes `host` off the network. @returns {Promise<{words: string[], socket: string}>} for its device */
export async function freshFromTheBox(host) {
  const socket = join(host.home, 'radio.sock');
  const hook = wifiHook(host, WIFI);
  await unplug(host);
  return { socket, words: ['--bluetooth-socket', socket, '--network-hook', hook] };
}

/**
 * "Look nearby", up to the window that the code is typed into.
 * @returns {Promise<import('playwright-core').Page>} it is another one: Chromium lists no devices over a small window
 */
export async function lookNearby({ context, small, box, step, shoot }) {
  const radio = await step('The new cache is near; Bluetooth is switched on', async () => {
    const air = await Air.over(context);
    const made = await Radio.start(air, { path: box.socket });
    await until('the device to show itself', () => made.advertised);
    return made;
  });
  const window = await step('Not in the network: “Look nearby” opens a window that can show the browser’s list', async () => {
    const opened = context.waitForEvent('page');
    await small.locator('#nearby:enabled').click();
    const next = await opened;
    await waitState(next, 'looking');
    await shoot(next, 'nearby-looking');
    return next;
  });
  await step('Once more: the cache is picked in the browser’s own list, and connected to', async () => {
    const list = await radio.air.choose(window, radio);
    await window.locator('#nearby:enabled').click();
    await until('the browser’s list to be answered', list.answered);
    await waitState(window, 'code', 30000);
  });
  return window;
}

/** After the code: which Wi-Fi? Until the cache is served at home. */
export async function tellWifi({ window, say, shoot }) {
  await waitState(window, 'network', 30000);
  await window.fill('#wifi-name', WIFI.name);
  await window.fill('#wifi-password', WIFI.password);
  await shoot(window, 'nearby-wifi');
  await window.click('#continue:enabled');
  const turnedUp = waitState(window, 'done', 60000);
  turnedUp.catch(() => {});
  await Promise.race([window.locator('#waiting:visible').waitFor({ timeout: 60000 }), turnedUp]);
  await shoot(window, 'nearby-joined');
  await turnedUp;
  say(`told ${WIFI.name} inside the sealed channel; it joined, and turned up at home`);
}
