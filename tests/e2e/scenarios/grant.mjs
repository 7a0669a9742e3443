// A page asks, a person says yes, and a film plays from home.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../../lab/process.mjs';
import { consent } from '../../lab/consent.mjs';
import { MEDIA, PHOTOS, SITE } from '../stage.mjs';
import { siteRoots } from '../../../demo/site.mjs';

const isFilm = (path) => /\.(m4s|mp4|m3u8|ts|m4a|webm)$/.test(path);

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]);
}

export function scenarios(scenario) {
  scenario('pairing: an unpaired fetch fails, by address and by name', async (stage) => {
    const page = await stage.visit(SITE);
    const before = stage.device.requests().length;
    const { address } = stage.device.host;
    for (const host of [address, `${stage.device.host.name}.local`]) {
      const answer = await page.evaluate((url) => window.lab.get(url), `https://${host}:${stage.device.port}/`);
      assert.equal(answer.error, 'TypeError', `${host} answered: ${JSON.stringify(answer)}`);
    }
    assert.equal(stage.device.requests().length, before, 'the device answered an unpaired page');
  });

  scenario('grant: the demonstration asks, gets its device and plays; the device accounts for every piece', async (stage) => {
    for (const grant of await stage.grants()) if (grant.origin === SITE) await stage.agent.json(['revoke', grant.id]);
    const before = stage.device.requests().length;
    const page = await stage.visit(SITE, '/');
    await page.waitForSelector('body[data-home="apart"]');
    const pieces = [];
    page.on('response', (response) => {
      if (isFilm(new URL(response.url()).pathname)) pieces.push(new URL(response.url()));
    });
    await page.click('#play');
    const code = stage.paired.has(stage.device) ? undefined : await stage.device.openWindow();
    const { window } = await consent(stage.context, { name: MEDIA.name, code });
    stage.paired.add(stage.device);
    await window.click('#close').catch(() => {});

    await page.waitForFunction(() => document.querySelector('video').currentTime > 0.5, null, { timeout: 30000 });
    const early = await page.evaluate(() => document.querySelector('video').currentTime);
    await page.waitForFunction((then) => document.querySelector('video').currentTime > then + 1.5, early, { timeout: 20000 });
    assert.equal(await page.evaluate(() => document.querySelector('video').videoWidth > 0), true);

    const [grant] = (await stage.grants()).filter((each) => each.origin === SITE);
    const seen = pieces.slice();
    assert.ok(seen.length >= 4, `only ${seen.length} pieces were fetched`);
    for (const url of seen) assert.equal(url.hostname, grant.host, `${url} did not come from the device`);
    await until('the access log to hold every piece', () => {
      const logged = stage.device.requests().slice(before).filter((each) => each.status === 200 && each.origin === SITE).map((each) => each.path);
      return seen.every((url) => logged.includes(url.pathname));
    });
    const files = siteRoots().flatMap(filesBelow);
    assert.deepEqual(files.filter(isFilm), [], 'the site holds film');
    assert.deepEqual(stage.house.siteRequests().filter((each) => isFilm(each.path)), [], 'the site was asked for film');
  });

  scenario('grant: a page is told nothing but type and address, of one device', async (stage) => {
    const page = await stage.visit(SITE);
    const outcome = await stage.granted(page);
    assert.match(outcome.url, /^https:\/\/media-cache-[a-z2-7]{12}\.local:\d+$/);
    const keys = await page.evaluate(async () => {
      const [device, ...more] = await navigator.localDevices.getDevices();
      const found = new Set();
      for (let at = device; at && at !== EventTarget.prototype; at = Object.getPrototypeOf(at)) {
        for (const key of Reflect.ownKeys(at)) found.add(String(key));
      }
      return { keys: [...found].sort(), more: more.length };
    });
    assert.equal(keys.more, 0);
    assert.deepEqual(keys.keys, ['Symbol(Symbol.toStringTag)', 'constructor', 'fetch', 'forget', 'id', 'renew', 'type', 'url']
      .filter((key) => keys.keys.includes(key)), 'a page sees more than it should');
    const shown = JSON.stringify(await page.evaluate((type) => window.lab.known(type), MEDIA.type));
    assert.ok(!shown.includes(MEDIA.name), 'the page learns the name a person gave the device');
  });

  scenario('second: another web service needs consent, but no code', async (stage) => {
    const first = await stage.granted(await stage.visit(SITE));
    for (const grant of await stage.grants()) if (grant.origin === PHOTOS) await stage.agent.json(['revoke', grant.id]);
    const page = await stage.visit(PHOTOS);
    assert.equal(await page.evaluate((type) => window.lab.known(type), MEDIA.type), null, 'no consent was needed');
    const second = await stage.letUse(page);
    assert.equal(second.asked, false, 'a code was asked for again');
    assert.notEqual(second.url, first.url, 'two web services share a host');
    assert.notEqual(second.id, first.id);
    const answer = await page.evaluate((url) => window.lab.get(`${url}/headers`, { credentials: 'include' }), second.url);
    assert.equal(answer.status, 200, JSON.stringify(answer));
  });
}
