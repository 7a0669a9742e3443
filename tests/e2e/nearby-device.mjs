// A device that is paired with over its radio's socket, for the scenarios of Bluetooth.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plugIn, unplug, wifiHook } from '../lab/bluetooth.mjs';
import { allow, consentWindow, waitState } from '../lab/consent.mjs';
import { Device, ROOT } from '../lab/latchkey.mjs';
import { MEDIA } from './stage.mjs';

const UPSTREAM = fileURLToPath(new URL('upstream.mjs', import.meta.url));

/**
 * A new device at the host `name`, outside of the network unless `network`; the one before it there ends, after
 * what `stage[name].end` says. `wifi`: it can be told one.
 * @returns {Promise<{host, device, path: string}>} also in `stage[name]`; `path` is its radio's
 */
export async function nearbyDevice(stage, name, called, { network = false, wifi = null } = {}) {
  const { house } = stage;
  if (!stage[name]) {
    const host = await house.addDevice(name);
    const upstream = host.spawn('upstream', [process.execPath, UPSTREAM, '8080', join(ROOT, 'out/media')]);
    await upstream.waitFor(/^upstream on 8080$/m);
    stage[name] = { host, count: 0 };
  }
  const place = stage[name];
  const { host } = place;
  await place.end?.();
  await place.device?.process?.stop();
  await (network ? plugIn(host) : unplug(host));
  place.count += 1;
  place.path = join(host.home, `radio-${place.count}.sock`);
  const device = new Device(host, join(host.home, `state-${place.count}`), join(host.folder, 'access.log'));
  const words = wifi ? ['--network-hook', wifiHook(host, wifi)] : [];
  device.options = { type: MEDIA.type, name: called, upstream: 'http://127.0.0.1:8080', mdns: 'builtin', words: ['--bluetooth-socket', place.path, ...words] };
  place.device = device;
  await device.run();
  return place;
}

/** From the page's button to the list of devices. */
export async function upToList(stage, page) {
  await stage.press(page, [MEDIA.type]);
  const window = await consentWindow(stage.context);
  await allow(window);
  await waitState(window, 'looking');
  return window;
}
