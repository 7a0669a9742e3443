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
    const doctor = await stage.agent.cli(['doctor', '--json'], { ms: 60000 });
    const { checks } = JSON.parse(doctor.stdout);
    const said = Object.fromEntries(checks.map((check) => [check.id, check]));
    // That the internet is gone is in the way of nothing but the provider, who is asked again.
    for (const id of ['names', 'name_delay', 'avahi', 'agent', 'trust', 'native_host', 'clock', 'devices_heard', 'devices_reached', 'firewall']) {
      assert.equal(said[id]?.level, 'ok', `${id}: ${doctor.stdout}`);
    }
    for (const id of ['browser_restart', 'confined_browsers', 'keys', 'store', 'metadata', 'policy', 'firefox_profiles']) assert.ok(said[id], `${id}: ${doctor.stdout}`);
    assert.match(said.devices_reached.detail, new RegExp(`"${MEDIA.name}": .*answers`));
    for (const { level, title, fix } of checks) assert.ok(title && (level === 'ok') === (fix === ''), `${title}: ${level}, "${fix}"`);
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
