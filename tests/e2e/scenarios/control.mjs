// The control page: pausing, renewing, removing, forgetting, finding, keeping a copy; and that it can
// be used by everybody.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTab } from '../../lab/browser.mjs';
import { addonPage } from '../../lab/firefox.mjs';
import { extension } from '../../lab/latchkey.mjs';
import { until } from '../../lab/process.mjs';
import { PHOTOS, SITE } from '../stage.mjs';
import { probe } from './raw.mjs';

async function controlPage(stage, size = { width: 1000, height: 800 }) {
  const page = await openTab(stage.context, `chrome-extension://${extension().id}/control.html`, size);
  await page.locator('#list > *').first().waitFor();
  return page;
}

const entry = (control, grant) => control.locator(`[data-testid="grant"][data-grant="${grant.id}"]`);

async function grantOf(stage, origin) {
  return (await stage.grants()).find((each) => each.origin === origin && each.type === 'media-cache');
}

/** What is wrong with a page for somebody who cannot see, hear or point well; [] is what it should be. */
function faults() {
  const found = [];
  const shown = (element) => element.checkVisibility() && element.getClientRects().length > 0;
  const rgb = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = rgb(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  for (const control of document.querySelectorAll('button, input, a, [role="switch"], [role="tab"]')) {
    if (!shown(control)) continue;
    const label = control.getAttribute('aria-label') ?? '';
    const words = control.textContent.trim();
    const name = label || words || [...(control.labels ?? [])].map((each) => each.textContent.trim()).join(' ');
    if (!name) found.push(`no name: ${control.outerHTML}`);
    if (label && words && !label.startsWith(words)) found.push(`spoken "${words}" is not how "${label}" begins`);
    const box = control.getBoundingClientRect();
    if (Math.min(box.width, box.height) < 20) found.push(`too small: ${name}`);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !shown(element)) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color).slice(0, 3)), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(1)}: ${node.textContent.trim()}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map((each) => each.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`twice: ${id}`);
  let level = 0;
  for (const heading of document.querySelectorAll('h1, h2, h3')) {
    if (!shown(heading)) continue;
    const now = Number(heading.tagName[1]);
    if (now > level + 1) found.push(`a level is left out before ${heading.textContent}`);
    level = now;
  }
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.push('it scrolls sideways');
  if (!document.documentElement.lang) found.push('no language');
  return found;
}

/** Unfolds the first permission's details and looks at the page in every width; in Chromium in both schemes, with pictures. */
async function inAllWidths(stage, page, name) {
  await page.locator('[data-testid="details"]').first().click();
  const folder = join(stage.out, 'control');
  mkdirSync(folder, { recursive: true });
  for (const colorScheme of page.emulateMedia ? ['light', 'dark'] : ['']) {
    for (const width of [320, 1000]) {
      if (colorScheme) await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 800 });
      assert.deepEqual(await page.evaluate(faults), [], `${name}, ${colorScheme}, ${width}`);
      await page.screenshot({ path: join(folder, `${name}${colorScheme && `-${colorScheme}`}-${width}.png`), fullPage: true });
    }
  }
}

/** What a person presses or is told a value by, in words that somebody without English could not read. */
const foreign = (page) => page.evaluate(() => [...document.querySelectorAll('h1, button, dt, label, [role="tab"], p.note')]
  .filter((element) => element.checkVisibility() && /[A-Za-z]{2,}/.test(element.innerText.replace(/Latchkey|JSON|SHA-256/g, '')))
  .map((element) => element.innerText));

async function readsJapanese(stage, page) {
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'ja');
  await inAllWidths(stage, page, 'ja');
  assert.deepEqual(await foreign(page), []);
}

/** In Firefox: that it opens, shows what is allowed, and can be read in Japanese. */
export const firefox = {
  scenarios(scenario) {
    const open = async (stage) => {
      const page = await stage.context.newPage();
      await page.goto(addonPage('control.html'));
      await page.locator('[data-testid="grant"]').first().waitFor();
      return page;
    };
    scenario('control: in Firefox, in every width, and in Japanese', async (stage) => {
      await stage.granted(await stage.visit(SITE));
      const control = await open(stage);
      const films = await grantOf(stage, SITE);
      await entry(control, films).locator('[data-testid="pause"]').click();
      const held = entry(control, films).locator('[data-hold="paused"]');
      await held.waitFor();
      await entry(control, films).locator('[data-testid="pause"]').click();
      await until('it goes on', async () => (await held.count()) === 0, 5000);
      await inAllWidths(stage, control, 'firefox');
      await stage.inLanguage('ja', async () => readsJapanese(stage, await open(stage)));
    }, { patience: 90000 });
  },
};

export function scenarios(scenario) {
  scenario('control: in Japanese, in every width and scheme', async (stage) => {
    await stage.granted(await stage.visit(SITE));
    await stage.inLanguage('ja', async () => readsJapanese(stage, await controlPage(stage)));
  }, { patience: 90000 });

  scenario('control: pause stops what plays and the page is told; resume goes on at the same address', async (stage) => {
    const page = await stage.visit(SITE);
    const { id, url } = await stage.granted(page);
    const grant = await grantOf(stage, SITE);
    await page.evaluate((address) => window.lab.drip(`${address}/drip`), url);
    await page.waitForFunction(() => window.lab.dripping.bytes > 4000);
    const control = await controlPage(stage);
    await entry(control, grant).locator('[data-testid="pause"]').click();
    await page.waitForFunction(() => window.lab.dripping.ended, null, { timeout: 5000 });
    await page.waitForFunction((device) => window.lab.revoked.includes(device), id, { timeout: 5000 });
    await entry(control, grant).locator('[data-hold="paused"]').waitFor();
    const refused = await page.evaluate((address) => window.lab.get(address, { credentials: 'include' }), `${url}/pixel.svg`);
    assert.equal(refused.error, 'TypeError', JSON.stringify(refused));
    // The device as well, whoever asks.
    const { hostname: sni, host } = new URL(url);
    const request = `GET /.well-known/latchkey HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${SITE}\r\n\r\n`;
    await until('the device to refuse it', async () => (await probe(stage, [{ name: 'there', sni, request }])).there.status === undefined, 8000);

    await entry(control, grant).locator('[data-testid="pause"]').click();
    await entry(control, grant).locator('[data-hold]').waitFor({ state: 'detached' });
    const fresh = await stage.visit(SITE);
    const back = await fresh.evaluate((type) => window.lab.known(type), 'media-cache');
    assert.deepEqual([back?.id, back?.url], [id, url]);
    assert.equal((await fresh.evaluate((device) => window.lab.devices.get(device).fetch('/pixel.svg').then((answer) => answer.status), id)), 200);
  });

  scenario('control: renewing gives a new key, as Details show and the agent says', async (stage) => {
    await stage.granted(await stage.visit(SITE));
    const grant = await grantOf(stage, SITE);
    const control = await controlPage(stage);
    const row = entry(control, grant);
    await row.locator('[data-testid="details"]').click();
    const key = () => row.locator('[data-testid="key"]').getAttribute('data-hex');
    const before = await key();
    assert.equal(before, (await stage.agent.json(['show', grant.id])).certificate.key);
    await row.locator('[data-testid="renew"]').click();
    await until('another key', async () => (await key()) !== before, 10000);
    assert.equal(await key(), (await stage.agent.json(['show', grant.id])).certificate.key);
    assert.deepEqual(await control.evaluate(faults), []);
  });

  scenario('control: finding, both views, and a copy of it all', async (stage) => {
    await stage.granted(await stage.visit(SITE));
    await stage.granted(await stage.visit(PHOTOS), stage.store);
    const control = await controlPage(stage);
    const rows = control.locator('[data-testid="grant"]');
    const all = await rows.count();
    assert.ok(all >= 2);
    await control.fill('#search', new URL(PHOTOS).hostname);
    await until('fewer entries', async () => (await rows.count()) < all, 5000);
    assert.match(await control.textContent('#count'), /^\d+ found$/);
    await control.click('#tab-sites');
    assert.equal(await control.locator('[data-testid="site"]').count(), 1);
    await control.keyboard.press('ArrowLeft');
    assert.equal(await control.evaluate(() => document.activeElement.id), 'tab-devices');
    assert.equal(await control.locator('[data-testid="device"]').count(), 1);
    await control.fill('#search', 'zzzz');
    assert.match(await control.textContent('#count'), /Nothing found/);
    await control.fill('#search', '');
    await until('all entries again', async () => (await rows.count()) === all, 5000);

    const [download] = await Promise.all([control.waitForEvent('download'), control.click('#export')]);
    assert.match(download.suggestedFilename(), /^latchkey-\d{4}-\d{2}-\d{2}\.json$/);
    const file = join(stage.out, 'export.json');
    await download.saveAs(file);
    const copy = JSON.parse(readFileSync(file, 'utf8'));
    assert.equal(copy.permissions.length, all);
    assert.ok(copy.permissions.some((each) => each.web_service === SITE));
    assert.ok(copy.devices.some((each) => each.name === stage.store.options.name));
    // Under Details, too: what the page shows of each is in the copy.
    for (const { id, certificate, proof } of copy.permissions) {
      const row = control.locator(`[data-testid="grant"][data-grant="${id}"]`);
      await row.locator('[data-testid="details"]').click();
      assert.equal(await row.locator('[data-testid="key"]').getAttribute('data-hex'), certificate.key_sha256);
      assert.equal(await row.locator('[data-testid="issuer"]').getAttribute('data-hex'), certificate.issuer_sha256);
      const codes = await row.locator('dd code:not([data-testid])').allInnerTexts();
      for (const shown of codes.slice(1)) assert.ok([certificate.for, proof.model_id].includes(shown), `${shown} is not in the copy`);
      assert.equal(codes.length > 2, proof.model_id !== null);
      await row.locator('[data-testid="details"]').click();
    }
    assert.deepEqual(await control.evaluate(faults), []);
  });

  scenario('control: removing one web service leaves the device’s others; forgetting the device ends all', async (stage) => {
    await stage.granted(await stage.visit(SITE));
    await stage.granted(await stage.visit(PHOTOS), stage.device);
    const [films, photos] = [await grantOf(stage, SITE), await grantOf(stage, PHOTOS)];
    const control = await controlPage(stage);
    await entry(control, films).locator('[data-testid="remove"]').click();
    await entry(control, films).locator('[data-testid="confirm"]').click();
    await entry(control, films).waitFor({ state: 'detached' });
    assert.ok(await grantOf(stage, PHOTOS), 'another web service lost its device');

    const card = control.locator(`[data-testid="device"][data-key="${photos.device.id}"]`);
    await card.locator('[data-testid="forget"]').click();
    assert.deepEqual(await control.evaluate(faults), []);
    await card.locator('[data-testid="confirm"]').click();
    await card.waitFor({ state: 'detached' });
    stage.paired.delete(stage.device);
    assert.ok(!(await stage.grants()).some((each) => each.device.id === photos.device.id));
    // It asks for its code again, and then works.
    assert.ok((await stage.letUse(await stage.visit(SITE))).ok);
  });

  scenario('control: 500 entries, in every size and scheme', async (stage) => {
    await stage.granted(await stage.visit(SITE));
    const control = await openTab(stage.context, null, { width: 1000, height: 800 });
    // The page's own messages, answered with a large household.
    await control.addInitScript(() => {
      const real = chrome.runtime.sendMessage.bind(chrome.runtime);
      chrome.runtime.sendMessage = async (message) => {
        const reply = await real(message);
        const [one] = reply.state.grants;
        const grants = Array.from({ length: 500 }, (_, i) => ({
          ...one,
          id: i.toString(16).padStart(32, '0'),
          deviceId: (i % 25).toString(16).padStart(64, '0'),
          deviceName: `Device ${i % 25}`,
          origin: `https://service${i}.example`,
        }));
        return { ...reply, state: { ...reply.state, grants } };
      };
    });
    await control.goto(`chrome-extension://${extension().id}/control.html`);
    const rows = control.locator('[data-testid="grant"]');
    await rows.first().waitFor();
    assert.ok((await rows.count()) < 500, 'everything was drawn at once');
    for (let end = Date.now() + 20000; (await rows.count()) < 500;) {
      assert.ok(Date.now() < end, `${await rows.count()} entries`);
      await control.evaluate(() => document.getElementById('more').scrollIntoView());
    }
    await control.fill('#search', 'service499.');
    await until('one entry', async () => (await rows.count()) === 1, 5000);
    for (const colorScheme of ['light', 'dark']) {
      for (const width of [320, 500, 1280]) {
        await control.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await control.setViewportSize({ width, height: 700 });
        assert.deepEqual(await control.evaluate(faults), [], `${colorScheme}, ${width}`);
      }
    }
  });
}
