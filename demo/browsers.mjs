// The two browsers that the demonstration can be watched in, with the same words for both.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { extensionWorker, openBrowser } from '../tests/lab/browser.mjs';
import { firefoxProfile } from '../tests/lab/firefox-profile.mjs';
import { addonPage, openFirefox } from '../tests/lab/firefox.mjs';
import { extension, firefoxExtension } from '../tests/lab/latchkey.mjs';

const chromiumFolder = (pc) => join(pc.home, '.config/chromium');

const chromium = {
  name: 'Chromium',
  out: 'out/demo',
  check: () => void extension(),
  home: () => `chrome-extension://${extension().id}/home.html`,

  async setUp(house, agent) {
    mkdirSync(chromiumFolder(house.pc), { recursive: true });
    await agent.setup({ browserFolders: [chromiumFolder(house.pc)] });
  },

  async open(house, { site, visible, env }) {
    const context = await openBrowser(house.pc, {
      extension: extension().folder,
      profile: chromiumFolder(house.pc),
      visible,
      env,
      // On Linux it is not in Chromium by itself yet. The last word on features counts, so Playwright's own is said again.
      args: process.env.BLUETOOTH === '1' ? ['--enable-features=CDPScreenshotNewSurface,WebBluetooth'] : [],
      loopback: [['video.example', house.sitePort, 'public'], ['evil.example', house.sitePort, 'public'], ['*.local', 8443, 'local']],
    });
    await extensionWorker(context);
    // Chromium's own question about the local network; a person answers it once with Allow.
    await context.grantPermissions(['local-network-access'], { origin: site });
    return context;
  },
};

/** The same browser with a profile of its own: another screen of the house. */
chromium.another = async (house, agent, site) => {
  const profile = join(house.pc.home, '.config/chromium-second');
  mkdirSync(profile, { recursive: true });
  await agent.setup({ browserFolders: [profile] });
  const context = await openBrowser(house.pc, { extension: extension().folder, profile });
  await extensionWorker(context);
  await context.grantPermissions(['local-network-access'], { origin: site });
  return { context, close: () => context.close() };
};

const firefox = {
  name: 'Firefox',
  out: 'out/demo-firefox',
  check: () => void firefoxExtension(),
  home: () => addonPage('home.html'),

  async setUp(house, agent) {
    await firefoxProfile(house.pc);
    await agent.setup();
  },

  // Its own question about the local network is answered in the profile's settings.
  async open(house, { visible, env }) {
    const context = await openFirefox(house.pc, { extension: firefoxExtension(), visible, env });
    const home = await context.newPage();
    await home.goto(addonPage('home.html'));
    await home.waitForSelector('#list > *');
    await home.close();
    return context;
  },
};

/** @param {string | undefined} name as in BROWSER; Chromium where it is not set */
export function chosenBrowser(name = 'chromium') {
  const found = { chromium, firefox }[name || 'chromium'];
  if (!found) throw new Error('BROWSER is chromium or firefox');
  return found;
}
