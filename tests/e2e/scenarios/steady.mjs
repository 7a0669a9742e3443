// What must go on working: without the internet, after a restart of anything.

import assert from 'node:assert/strict';
import { until } from '../../lab/process.mjs';
import { MEDIA, PHOTOS, SITE } from '../stage.mjs';

const read = (page, url, path = '/pixel.svg') =>
  page.evaluate((address) => window.lab.get(address, { credentials: 'include' }), `${url}${path}`);

export function scenarios(scenario) {
  scenario('offline: without the internet everything but loading the site goes on', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    for (const grant of await stage.grants()) if (grant.origin === PHOTOS) await stage.agent.json(['revoke', grant.id]);
    const photos = await stage.visit(PHOTOS);
    await stage.house.cutWan();
    const gone = await photos.evaluate(() => window.lab.get('/lab.js', { signal: AbortSignal.timeout(2000) }));
    assert.ok(gone.error, 'the internet is still there');

    assert.equal((await read(page, url)).status, 200, 'fetch');
    await page.evaluate((to) => window.lab.socket(to), `${url.replace('https:', 'wss:')}/ws`);
    await page.waitForFunction(() => window.lab.socketState.messages.length > 2);
    assert.ok(await page.evaluate((type) => window.lab.known(type), MEDIA.type), 'a new session');
    assert.equal((await stage.letUse(photos)).ok, true, 'a new web service is let in');
    const { devices } = await stage.agent.json(['devices', '--timeout', '3']);
    assert.ok(devices.some((device) => device.name === MEDIA.name), 'devices are found');
    const doctor = await stage.agent.cli(['doctor', '--json']);
    assert.ok(doctor.stdout.trim().startsWith('{'), doctor.stderr);
  });

  scenario('restart: a browser restart keeps what was allowed', async (stage) => {
    const { url } = await stage.granted(await stage.visit(SITE));
    await stage.restartBrowser();
    const page = await stage.visit(SITE);
    const again = await page.evaluate((type) => window.lab.known(type), MEDIA.type);
    assert.equal(again?.url, url, 'the page must ask anew');
    assert.equal((await read(page, url)).status, 200);
    const asked = stage.upstreamSays(/^asked/).length;
    const evil = await stage.visit('https://evil.example');
    assert.equal((await read(evil, url)).error, 'TypeError', 'the rules are gone after a restart');
    assert.equal(stage.upstreamSays(/^asked/).length, asked);
  });

  scenario('restart: agent and device restarts keep what was allowed', async (stage) => {
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    await stage.device.restart();
    const after = await until('the device to answer its page again', async () => {
      const device = await page.evaluate(async (type) => {
        try {
          return await window.lab.known(type);
        } catch (error) {
          return null;
        }
      }, MEDIA.type);
      return device && read(page, device.url);
    });
    assert.equal(after.status, 200);
    await stage.agent.restart();
    const fresh = await stage.visit(SITE);
    const again = await until('the extension to find the agent again', () =>
      fresh.evaluate((type) => window.lab.known(type).catch(() => null), MEDIA.type));
    assert.equal(again.url, url);
    assert.equal((await read(fresh, url)).status, 200);
  });
}
