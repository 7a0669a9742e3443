// The device's own page, as the people see it who use it: who else does, what happened, letting somebody in,
// and leaving. Two people, each at a computer of their own, at one device.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startAvahi } from '../../lab/avahi.mjs';
import { extensionWorker, openBrowser, openTab } from '../../lab/browser.mjs';
import { Agent, Device, extension, ROOT } from '../../lab/latchkey.mjs';
import { until } from '../../lab/process.mjs';
import { SITE } from '../stage.mjs';

const NAME = 'Hearth cache';
const HOME = '/.well-known/latchkey/home';

/** What holds in the page, while it goes from one address to the next. */
const holds = (page, work, word) => until(`the page: ${work}`, () => page.evaluate(work, word).catch(() => false));

/** One device and a second computer, for all scenarios of one run; nobody is known at the device. */
async function arrange(stage) {
  if (!stage.hearth) {
    const host = await stage.house.addDevice('hearth');
    const device = await Device.start(host, { name: NAME, type: 'media-cache', serve: join(ROOT, 'out/media'), words: ['--model', 'Ember 3'] });
    const pc = await stage.house.addDevice('annex');
    await startAvahi(pc, { bus: true });
    stage.hearth = { device, pc, agent: await Agent.start(pc, {}) };
  }
  const { device } = stage.hearth;
  for (const { id } of (await device.command('status')).agents) await device.command('remove-agent', id);
  await device.closeWindow();
  return stage.hearth;
}

/** `latchkey add` on a computer of the house. @returns the address */
async function add(device, agent, name, code) {
  const { grant } = await agent.json(['add', NAME, '--name', name, '--code', code ?? await device.openWindow()], { ms: 30000 });
  return grant.url;
}

/** Whoever was let in here before is not, so that the next scenario begins from nothing. */
async function forgetAll(agent) {
  const { devices } = await agent.json(['grants']).then((answer) => ({ devices: (answer.grants ?? answer).filter((one) => one.device.name === NAME).map((one) => one.device.id) }));
  for (const id of new Set(devices)) await agent.json(['forget', id]);
}

/** A page that says what goes wrong in it: errors of its script, and whatever its policy stops. */
async function watched(context) {
  const page = await context.newPage();
  page.wrong = [];
  page.on('pageerror', (error) => page.wrong.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') page.wrong.push(message.text());
  });
  await page.addInitScript(() => {
    window.stopped = [];
    document.addEventListener('securitypolicyviolation', (event) => window.stopped.push(event.effectiveDirective));
  });
  return page;
}

/** Nothing went wrong; and a control: had the policy stopped something, it would be known here. */
async function allWell(page) {
  assert.deepEqual(await page.evaluate(() => window.stopped), []);
  // Whoever is not signed in yet is answered 401, and then is; whoever asks for the next code too soon, 429; of the
  // control below the browser complains.
  assert.deepEqual(page.wrong.filter((one) => !/status of (401|429)|inline style/.test(one)), []);
  assert.deepEqual(await page.evaluate(async () => {
    document.body.setAttribute('style', 'color:red');
    await new Promise((done) => { setTimeout(done); });
    return window.stopped.splice(0);
  }), ['style-src-attr']);
}

/** The page at `url`, once it shows what the device told it. */
async function open(page, url) {
  await page.goto(url).catch(() => {}); // It is loaded once more, signed in.
  await shows(page);
}

const shows = (page) => holds(page, () => document.querySelectorAll('#people > li').length > 0 && document.getElementById('guests').hidden === false);

/** What stands on it, by part. */
const seen = (page) => page.evaluate(() => {
  const rows = (id) => [...document.querySelectorAll(`#${id} > li, #${id} + details li`)].map((row) => row.textContent);
  const visible = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
  return {
    title: document.title,
    name: document.getElementById('name').textContent,
    make: document.getElementById('make').textContent,
    people: rows('people'), services: rows('services'), events: rows('events'),
    forms: [...document.forms].map((form) => new URL(form.action).pathname),
    buttons: visible('button').map((one) => one.textContent),
    text: document.body.innerText,
  };
});

/** Shows a code by the page's button. Two codes are ten seconds apart; a page that says so is left by its own button. */
async function showCode(page, wait = /Try again in a moment/) {
  return until('the code', async () => {
    await page.click('form[action$="/window"] button');
    await holds(page, () => location.pathname.endsWith('/window') && document.readyState === 'complete');
    const code = await page.evaluate(() => document.getElementById('code')?.textContent ?? null);
    if (code) return code;
    assert.match(await page.evaluate(() => document.body.innerText), wait);
    await page.click('a.button');
    await shows(page);
    return null;
  }, 30000, 500);
}

const windowOf = async (device) => (await device.command('status')).window;
const idsOf = async (device) => (await device.command('status')).agents.map(({ id }) => id);

/** A code is asked for on the page, and the second person joins with it. */
async function letIn(page, { device, agent }) {
  const code = await showCode(page);
  assert.match(code, /^\d{4}.?\d{4}$/);
  const { seconds_left: left, open: isOpen } = await windowOf(device);
  assert.ok(isOpen && left > 0 && left <= 600, `open: ${isOpen}, ${left} s`);
  await until('the window to run out', async () => (await windowOf(device)).seconds_left < left);
  await page.click('a.button');
  await shows(page);
  assert.match((await seen(page)).text, /Somebody can be let in just now.*This ends at \d{1,2}:\d\d/s);
  const url = await add(device, agent, 'annex-films', code);
  assert.equal((await windowOf(device)).open, false, 'the code works once more');
  return url;
}

async function leave(page) {
  await page.click('summary:not(ul + details summary)');
  await page.click('form[action$="/leave"] button');
  await holds(page, () => location.pathname.endsWith('/leave') && document.readyState === 'complete');
  return page.evaluate(() => document.body.innerText);
}

/** The second person's own browser, on their own computer. */
async function secondBrowser({ pc, agent }) {
  const profile = join(pc.home, '.config/chromium');
  mkdirSync(profile, { recursive: true });
  await agent.setup({ browserFolders: [profile] });
  const context = await openBrowser(pc, { extension: extension().folder, profile });
  await extensionWorker(context);
  return context;
}

async function pictures(stage, page, name) {
  const folder = join(stage.out, 'home-page');
  mkdirSync(folder, { recursive: true });
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [320, 1000]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(over <= 0, `${name} at ${width}: ${over} px too wide`);
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`), fullPage: true });
    }
  }
}

export function scenarios(scenario) {
  scenario('home page: one person lets another in, each sees the other, and one leaves', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    await stage.restartBrowser();
    const people = await arrange(stage);
    const { device, agent } = people;
    await forgetAll(stage.agent);
    await forgetAll(agent);
    const url = await add(device, stage.agent, 'hearth-films');
    await stage.agent.json(['grant', '--origin', SITE, '--type', 'media-cache', '--device', NAME], { ms: 30000 });

    // A device without pages of its own shows it at its bare address.
    const page = await watched(stage.context);
    await open(page, `${url}/`);
    const alone = await seen(page);
    assert.equal(alone.name, NAME);
    assert.equal(alone.title, NAME);
    assert.match(alone.make, /^Ember 3 · media cache · \d/);
    assert.equal(alone.people.length, 1);
    assert.match(alone.people[0], /^Person \d+you.*1 web service$/);
    assert.equal(alone.services.length, 2, JSON.stringify(alone.services));
    assert.ok(alone.services.some((line) => line.startsWith(SITE)) && alone.services.some((line) => line.startsWith('This page')));
    assert.ok(alone.events.some((line) => line.startsWith('You joined with a code')), JSON.stringify(alone.events));
    assert.doesNotMatch(alone.text, /Somebody else's access/);
    await pictures(stage, page, 'alone');
    await allWell(page);

    // Of a long trail the rest unfolds.
    for (let i = 0; i < 8; i += 1) {
      await device.openWindow();
      await device.closeWindow();
    }
    await open(page, `${url}${HOME}`);
    const unfolded = () => page.evaluate(() => [...document.querySelectorAll('#events + details li')].filter((one) => one.checkVisibility()).length);
    assert.equal(await page.locator('#events > li').count(), 8);
    assert.equal(await unfolded(), 0);
    await page.click('#events + details > summary');
    assert.ok(await unfolded() >= 3, `${await unfolded()} lines`);

    const theirs = await letIn(page, people);
    await open(page, `${url}${HOME}`);
    const both = await seen(page);
    assert.equal(both.people.length, 2);
    assert.equal(both.people.filter((line) => line.includes('you')).length, 1);
    assert.match(both.text, /Somebody else's access/);
    assert.ok(both.events.some((line) => /^Person \d+ joined with a code/.test(line)), JSON.stringify(both.events));

    // Whoever has no page at the device reads it on the control page, and on the command line.
    const control = await openTab(stage.context, `chrome-extension://${extension().id}/control.html`, { width: 1000, height: 800 });
    const card = control.locator('[data-testid="device"]', { hasText: NAME });
    await card.locator('[data-testid="people"]').click();
    await card.locator('[data-testid="person"]').waitFor();
    assert.match(await card.locator('[data-testid="person"]').innerText(), /^Person \d+\s+since .*, 0 web services$/);
    assert.match(await card.locator('[data-testid="people-event"]').first().innerText(), /^Person \d+: joined with a code/);
    await pictures(stage, control, 'control');
    await control.close();
    const said = (await stage.agent.cli(['people', NAME])).stdout;
    assert.match(said, /^You and one other person use Hearth cache\.$/m);

    const browser = await secondBrowser(people);
    try {
      const other = await watched(browser);
      await open(other, `${theirs}${HOME}`);
      const view = await seen(other);
      assert.equal(view.people.length, 2);
      assert.doesNotMatch(view.text, /video\.example|hearth-films/, 'it tells one person what the other uses');
      // Neither page has anything that ends the other's access: it can open the window, and leave.
      for (const { forms } of [both, view]) {
        assert.deepEqual(forms, ['window', 'window/close', 'leave'].map((name) => `/.well-known/latchkey/${name}`));
      }
      assert.deepEqual(view.services.map((line) => line.slice(0, 9)), ['This page']);
      await pictures(stage, other, 'both');
      await allWell(other);

      const [first, second] = await idsOf(device);
      assert.match(await leave(other), /Your access has ended/);
      await pictures(stage, other, 'left');
      await allWell(other);
      assert.deepEqual(await idsOf(device), [first], 'who left is still known, or somebody else is not');
      assert.ok(second);
      const again = await browser.newPage();
      await assert.rejects(again.goto(`${theirs}${HOME}`), 'the page still opens for who has left');
    } finally {
      await browser.close();
    }
    await open(page, `${url}${HOME}`);
    const after = await seen(page);
    assert.equal(after.people.length, 1);
    assert.ok(after.events.some((line) => /^Person \d+ gave up the access/.test(line)), JSON.stringify(after.events));

    // What was begun here ends here.
    const code = await showCode(page);
    await pictures(stage, page, 'code');
    await allWell(page);
    await page.click('form[action$="/close"] button');
    await shows(page);
    assert.equal((await windowOf(device)).open, false);
    const late = await agent.cli(['add', NAME, '--name', 'annex-late', '--code', code], { ms: 30000 });
    assert.notEqual(late.code, 0, 'a code works that was taken back');
    await forgetAll(stage.agent);
  }, { patience: 150000 });

  scenario('home page: in a Japanese browser it is Japanese, every word of it', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const people = await arrange(stage);
    const { device, agent } = people;
    await forgetAll(stage.agent);
    await forgetAll(agent);
    const url = await add(device, stage.agent, 'hearth-ja');
    await add(device, agent, 'annex-ja');
    await stage.inLanguage('ja', async () => {
      const page = await watched(stage.context);
      await open(page, `${url}${HOME}`);
      assert.equal(await page.evaluate(() => document.documentElement.lang), 'ja');
      // The device's own words aside, there is nothing that somebody without English could not read.
      const foreign = (text) => text.replace(/Hearth cache|Ember 3 · メディアキャッシュ · [\d.]+|Latchkey/g, '').match(/[A-Za-z]{2,}/g);
      const { text, people: listed } = await seen(page);
      assert.equal(foreign(text), null);
      assert.equal(listed.length, 2);
      assert.match(text, /この機器を使える人/);
      await pictures(stage, page, 'ja');
      await allWell(page);
      await showCode(page, /少し待ってから/);
      assert.equal(foreign(await page.evaluate(() => document.body.innerText)), null);
      await pictures(stage, page, 'ja-code');
      await page.click('a.button');
      await shows(page);
      assert.equal(foreign(await leave(page)), null);
      await allWell(page);
    });
    await forgetAll(stage.agent);
    await forgetAll(agent);
  }, { patience: 90000 });
}

/** The same page in Firefox, up to leaving. */
export const firefox = {
  scenarios(scenario) {
    scenario('home page: in Firefox it shows, lets somebody in, and lets one go', async (stage) => {
      const people = await arrange(stage);
      const { device, agent } = people;
      await forgetAll(stage.agent);
      await forgetAll(agent);
      const url = await add(device, stage.agent, 'hearth-fox');
      const page = await watched(stage.context);
      await open(page, `${url}/`);
      assert.equal((await seen(page)).people.length, 1);
      await allWell(page);
      await letIn(page, people);
      await open(page, `${url}${HOME}`);
      assert.equal((await seen(page)).people.length, 2);
      await page.setViewportSize({ width: 320, height: 800 });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
      await allWell(page);
      const before = await idsOf(device);
      assert.match(await leave(page), /Your access has ended/);
      assert.deepEqual(await idsOf(device), before.slice(1), 'the first came first');
      const again = await stage.context.newPage();
      await assert.rejects(again.goto(`${url}${HOME}`), 'the page still opens for who has left');
      await forgetAll(stage.agent);
    }, { patience: 90000 });
  },
};
