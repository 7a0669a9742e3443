// Films that stay at home: the demonstration's site has a real media cache fetch them, and plays them from
// there with the internet cut, by HLS and by DASH, on every screen.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { extensionWorker, openBrowser, openTab } from '../../lab/browser.mjs';
import { consent } from '../../lab/consent.mjs';
import { Device, extension } from '../../lab/latchkey.mjs';
import { MediaCache } from '../../lab/media-cache.mjs';
import { until } from '../../lab/process.mjs';
import { SITE } from '../stage.mjs';

const SHELF = 'Cache on the shelf';
const isFilm = (path) => /\.(m4s|mp4|m3u8|mpd)$/.test(path);

/** A second device of the house: a real media cache behind it. The same for all scenarios. */
async function shelf(stage) {
  if (!stage.shelf) {
    const host = await stage.house.addDevice('shelf');
    const cache = await MediaCache.start(host);
    const device = await Device.start(host, { name: SHELF, type: 'media-cache', upstream: cache.url, port: stage.house.isolated ? 8443 : 8446 });
    // The name that the house gave it, should it have heard itself.
    const name = stage.house.isolated ? (await device.process.waitFor(/announced as "(.*)"/, { stream: 'stderr' }))[1] : SHELF;
    stage.shelf = { host, cache, device, name };
  }
  return stage.shelf;
}

/** The site's page in a browser that lets it use the shelf and nothing else. */
async function kinora(stage, context, press) {
  const { device, name } = await shelf(stage);
  const page = await openTab(context, `${SITE}/`);
  await page.waitForSelector('body[data-home="apart"]');
  await page.click(press);
  const code = stage.paired.has(device) ? undefined : await device.openWindow();
  const { window } = await consent(context, { name, code });
  stage.paired.add(device);
  await window.click('#close').catch(() => {});
  await page.waitForSelector('body[data-home="connected"]');
  return page;
}
async function leave(stage) {
  // Side by side: of scenarios before there may be devices that are gone, and each is looked for.
  const mine = (await stage.grants()).filter((grant) => grant.origin === SITE);
  await Promise.all(mine.map((grant) => stage.agent.json(['revoke', grant.id], { ms: 30000 })));
}
const kept = (page, id, ms = 40000) => page.waitForFunction((film) => !document.querySelector(`.card[data-film="${film}"] .badge`).hidden, id, { timeout: ms });

/** Waits until another picture of `seconds` plays; all that was fetched meanwhile came from the device. */
async function plays(page, seconds = 1.5) {
  await page.waitForFunction((wanted) => {
    const video = document.querySelector('video');
    return !video.paused && video.videoWidth > 0 && video.currentTime >= wanted;
  }, seconds, { timeout: 30000 });
}
const tally = (page) => page.evaluate(() => Object.fromEntries(['home', 'web', 'pieces', 'saved'].map((name) => [name, document.querySelector(`#tally-${name}`).textContent])));

export function scenarios(scenario) {
  scenario('media: a film is kept at home and plays with the internet cut, by HLS and by DASH', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    await leave(stage);
    const before = stage.house.siteRequests().length;
    const page = await kinora(stage, stage.context, '#keep');
    await page.waitForFunction(() => document.querySelector('#keeping-bar').value > 0 || document.querySelector('#keep-label').textContent === 'Kept at home');
    await kept(page, 'tidewater');
    assert.equal(await page.textContent('#keep-label'), 'Kept at home');
    const fetched = () => stage.house.siteRequests().slice(before).filter((each) => isFilm(each.path)).map((each) => each.path);
    const once = fetched();
    assert.equal(once.length, 63);
    assert.equal(new Set(once).size, once.length, 'something was fetched twice');

    await stage.house.cutWan();
    const [{ host }] = (await stage.grants()).filter((each) => each.origin === SITE);
    const asked = [];
    page.on('request', (request) => { if (isFilm(new URL(request.url()).pathname)) asked.push(new URL(request.url())); });
    await page.click('#play');
    await plays(page);
    const hls = asked.length;
    assert.ok(asked.some((url) => url.pathname.endsWith('/master.m3u8')) && hls >= 5, `${hls} requests`);
    await page.check('[name="format"][value="dash"]');
    await page.waitForFunction(() => document.querySelector('video').currentTime < 1);
    await plays(page);
    assert.ok(asked.slice(hls).some((url) => url.pathname.endsWith('/film.mpd')) && asked.length - hls >= 4);
    for (const url of asked) assert.equal(url.hostname, host, `${url} did not come from the device`);
    const shown = await tally(page);
    assert.equal(shown.web, '0.0 MB');
    assert.equal(shown.saved, '100 %');
    assert.ok(Number(shown.pieces) >= 6 && Number.parseFloat(shown.home) > 0, JSON.stringify(shown));
    // A film that is not kept is what the internet was for.
    await page.click('.card[data-film="small-machines"]');
    await page.waitForFunction(() => document.querySelector('#cover-title').textContent.includes('did not come'), null, { timeout: 30000 });
    await stage.house.restoreWan();
    assert.deepEqual(fetched(), once, 'the site was asked for film again');
    await leave(stage);
  }, { patience: 120000 }); // it fetches a film, plays it twice, and waits until a player gives up

  scenario('media: a second screen finds the film at home, plays it, and can remove it', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    await leave(stage);
    const first = await kinora(stage, stage.context, '#keep');
    await kept(first, 'tidewater');
    const before = stage.house.siteRequests().length;

    const profile = join(stage.house.pc.home, '.config/chromium-second');
    mkdirSync(profile, { recursive: true });
    await stage.agent.setup({ browserFolders: [profile] });
    const second = await openBrowser(stage.house.pc, { extension: extension().folder, profile });
    try {
      await extensionWorker(second);
      await second.grantPermissions(['local-network-access'], { origin: SITE });
      const page = await kinora(stage, second, '#keep');
      await kept(page, 'tidewater', 10000);
      await stage.house.cutWan();
      await page.click('#play');
      await plays(page);
      assert.equal((await tally(page)).web, '0.0 MB');
      await stage.house.restoreWan();
      assert.deepEqual(stage.house.siteRequests().slice(before).filter((each) => isFilm(each.path)), [], 'it was fetched again');
      await page.click('[data-remove="tidewater"]');
      await page.waitForFunction(() => document.querySelector('.card[data-film="tidewater"] .badge').hidden);
      await first.reload();
      await until('the first screen to see that it is gone', () => first.evaluate(() => document.body.dataset.home === 'connected' && document.querySelector('.card[data-film="tidewater"] .badge').hidden));
    } finally {
      await second.close();
      await leave(stage);
    }
  });

  scenario('media: revoked while it plays from home: it stops and says so, and can begin anew', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    await leave(stage);
    const page = await kinora(stage, stage.context, '#keep');
    await kept(page, 'tidewater');
    await page.click('#play');
    await plays(page, 0.5);
    await leave(stage);
    await page.waitForSelector('body[data-home="gone"]', { timeout: 5000 });
    assert.equal(await page.evaluate(() => document.querySelector('video').paused), true, 'the film goes on');
    assert.match(await page.textContent('#cover'), /stopped/i);
    await page.click('#cover-action');
    const window = await stage.consentWindow();
    assert.equal(await window.locator('.origin').first().getAttribute('data-origin'), SITE);
    await window.click('#deny');
  });

  scenario('media: a page puts files there itself, with a digest and in several requests', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    await leave(stage);
    const page = await kinora(stage, stage.context, '#keep');
    await kept(page, 'tidewater');
    const seen = await page.evaluate(async () => {
      const device = (await navigator.localDevices.getDevices()).find((each) => each.type === 'media-cache');
      const bytes = new Uint8Array(5_000_000);
      for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, bytes.length)));
      const blob = new Blob([bytes], { type: 'video/mp4' });
      const digest = async (data) => `sha-256=:${btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest('SHA-256', data))))}:`;
      const right = await digest(bytes);
      const put = (name, headers, body) => device.fetch(`/objects/${name}`, { method: 'PUT', headers, body });
      const read = async (name) => {
        const answer = await device.fetch(`/objects/${name}`);
        return answer.ok ? await digest(await answer.arrayBuffer()) === right : answer.status;
      };
      const out = {};
      out.wrong = await (await put('e2e/wrong.mp4', { 'Repr-Digest': await digest(bytes.subarray(1)) }, blob)).json();
      out.wrongRead = await read('e2e/wrong.mp4');
      const whole = await put('e2e/whole.mp4', { 'Repr-Digest': right }, blob);
      out.whole = [whole.status, (await whole.json()).size, await read('e2e/whole.mp4')];
      // In several requests: what was answered is there, and what is not there is not seen.
      const first = await put('e2e/parts.mp4', { 'Upload-Complete': '?0', 'Upload-Length': String(blob.size), 'Repr-Digest': right }, blob.slice(0, 2_000_000));
      const { upload, offset } = await first.json();
      out.first = [first.status, offset, await read('e2e/parts.mp4')];
      const patch = (from, to, complete) => device.fetch(upload, {
        method: 'PATCH', body: blob.slice(from, to),
        headers: { 'Content-Type': 'application/partial-upload', 'Upload-Offset': String(from), 'Upload-Complete': complete },
      });
      out.elsewhere = (await patch(3_000_000, 4_000_000, '?0')).status;
      out.second = (await (await patch(2_000_000, 4_000_000, '?0')).json()).offset;
      const last = await patch(4_000_000, blob.size, '?1');
      out.last = [last.status, await read('e2e/parts.mp4')];
      for (const name of ['whole', 'parts']) await device.fetch(`/objects/e2e/${name}.mp4`, { method: 'DELETE' });
      out.removed = await read('e2e/parts.mp4');
      return out;
    });
    assert.equal(seen.wrong.error, 'digest_mismatch');
    assert.equal(seen.wrongRead, 404);
    assert.deepEqual(seen.whole, [201, 5_000_000, true]);
    assert.deepEqual(seen.first, [201, 2_000_000, 404]);
    assert.equal(seen.elsewhere, 409);
    assert.equal(seen.second, 4_000_000);
    assert.deepEqual(seen.last, [201, true]);
    assert.equal(seen.removed, 404);
    await leave(stage);
  });
}
