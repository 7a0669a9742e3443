// The demonstration: a house is built, a film site asks for the media cache in
// it, a person says yes, the cache fetches a film, it plays from there, the
// internet goes away and it still plays, a second screen plays the same, the
// person takes it back. Every step is checked, not only shown.
//
//   node run.mjs [--out DIR=out/demo] [--headless]
//
// Environment: BROWSER=firefox takes Firefox instead of Chromium; BLUETOOTH=1 begins with a
// cache that is in no network yet and is told one over (emulated) Bluetooth; KEEP=1 leaves it
// running; LATCHKEY_BIN, LATCHKEY_EXTENSION, LATCHKEY_FIREFOX_EXTENSION say where
// the programs and the unpacked extension are.

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { execFileSync } from 'node:child_process';
import { openTab } from '../tests/lab/browser.mjs';
import { allow, consent, consentWindow, pick, typeCode, waitState } from '../tests/lab/consent.mjs';
import { House } from '../tests/lab/house.mjs';
import { Agent, Device, programs, ROOT } from '../tests/lab/latchkey.mjs';
import { MediaCache } from '../tests/lab/media-cache.mjs';
import { until } from '../tests/lab/process.mjs';
import { byHand } from './by-hand.mjs';
import { accounts, householdMembers, settingsFolder, signIn } from './accounts.mjs';
import { chosenBrowser } from './browsers.mjs';
import { SITE_HEADERS, siteRoots } from './site.mjs';
import { freshFromTheBox, lookNearby, tellWifi } from './nearby.mjs';
import { Steps } from './steps.mjs';
import { found, stopAndLift } from './trust.mjs';
import { PROVIDER, publicFolder } from '../tests/lab/provider.mjs';

const browser = chosenBrowser(process.env.BROWSER);
const { values } = parseArgs({
  options: { out: { type: 'string', default: join(ROOT, process.env.BLUETOOTH === '1' ? 'out/demo-bluetooth' : browser.out) }, headless: { type: 'boolean', default: false } },
});
const OUT = resolve(values.out);
const KEEP = process.env.KEEP === '1';
const BLUETOOTH = process.env.BLUETOOTH === '1';
const SITE = 'https://video.example';
const DEVICE = 'Living room cache';
const asRoot = process.getuid() === 0 && !process.env.SUDO_UID;
const screen = Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
const visible = screen && !asRoot && !values.headless;

const steps = new Steps();
const step = (name, action) => steps.step(name, action);
let house;
let media;
let box = null; // BLUETOOTH=1: what is new in it
let fetched = 0;
let shots = 0;
let onFailure = async () => {};

async function shoot(page, name, options = {}) {
  const file = join(OUT, `${String(++shots).padStart(2, '0')}-${name}.png`);
  await page.screenshot({ path: file, ...options });
  return file;
}

/** Where somebody watches, a moment to see each thing. Nothing depends on it. */
const pause = (ms = 1200) => (visible ? new Promise((go) => setTimeout(go, ms)) : Promise.resolve());

function check(condition, complaint) {
  if (!condition) throw new Error(complaint);
}

function screenEnvironment() {
  if (!visible) return {};
  const uid = process.env.SUDO_UID ?? String(process.getuid());
  const runtime = process.env.XDG_RUNTIME_DIR ?? `/run/user/${uid}`;
  const environment = {};
  if (process.env.WAYLAND_DISPLAY) environment.WAYLAND_DISPLAY = resolve(runtime, process.env.WAYLAND_DISPLAY);
  if (process.env.DISPLAY) environment.XAUTHORITY = process.env.XAUTHORITY ?? join(process.env.HOME, '.Xauthority');
  return environment;
}

async function parts() {
  await step('Everything needed is here', async () => {
    programs();
    browser.check();
    for (const program of ['ffmpeg', 'certutil', 'openssl', 'avahi-daemon', 'ip']) {
      try {
        execFileSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`], { stdio: 'ignore' });
      } catch {
        throw new Error(`${program} is not installed: run \`make bootstrap\``);
      }
    }
  });
  await step('Films and posters', () => {
    execFileSync(process.execPath, [join(ROOT, 'demo/vendor.mjs')]);
    if (process.env.LATCHKEY_MEDIA_READY !== '1') execFileSync(process.execPath, [join(ROOT, 'demo/make-media.mjs')], { stdio: 'inherit' });
    check(existsSync(join(ROOT, 'out/media/films/tidewater/master.m3u8')), 'the films are missing: run demo/make-media.mjs');
  });
}

async function build() {
  await step('A house: computer, router, home network, and an internet of four sites', async () => {
    house = await House.create({
      logs: join(OUT, 'logs'),
      say: (text) => steps.say(text),
      sites: [
        { names: ['video.example'], roots: (folder) => [...siteRoots(), settingsFolder(folder)], headers: SITE_HEADERS },
        { names: ['evil.example'], roots: [join(ROOT, 'demo/site/other')] },
        { names: [PROVIDER.host, 'localhost'], roots: (folder) => [publicFolder(folder)] },
        // Its name; what answers is the identity provider, on another port.
        { names: ['accounts.video.example'], roots: [join(ROOT, 'demo/site/other')] },
      ],
    });
  });
  check(!BLUETOOTH || house.isolated, 'BLUETOOTH=1 needs network namespaces: there is no network to be outside of');
  // Without namespaces the device cannot find the site's accounts: then there are none.
  const signing = house.isolated ? await step('Kinora’s accounts: a real identity provider', () => accounts(house, SITE)) : [];
  const { provider, attested } = await step('A provider that knows the maker and the film site', () => found(house, SITE));
  const cache = await step('The media cache in the living room, with its maker’s key', async () =>
    {
      const host = await house.addDevice('livingroom');
      media = await MediaCache.start(host, house.isolated ? ['--per-person'] : []);
      if (BLUETOOTH) box = await freshFromTheBox(host);
      return Device.start(host, { name: DEVICE, upstream: media.url, words: [...attested, ...signing, ...box?.words ?? []] });
    });
  const agent = await step('The agent on the computer', () =>
    Agent.start(house.pc, { words: [
      ...provider.words,
      ...(house.isolated ? [] : ['--static-device', `media-cache,${DEVICE},127.0.0.1,${cache.port}`]),
    ] }));
  await step('It reads what the provider has published', () => agent.refresh());
  await step('latchkey setup', async () => {
    await browser.setUp(house, agent);
  });
  return { cache, agent, provider };
}

async function grant(context, page, cache) {
  // Without namespaces the device cannot see the lab's internet: the films are put into it by hand.
  if (!house.isolated) for (const id of ['tidewater', 'edge-of-the-set']) await media.fill(SITE, `${SITE}/films/${id}`, join(ROOT, 'out/media/films', id));
  if (house.isolated) {
    await step('Ann signs in at Kinora, with its own provider', async () => {
      await signIn(context, page, 'ann', (window) => shoot(window, 'provider'));
      await shoot(page, 'site-signed-in');
    });
  }
  await page.click('#keep');
  let window = await step('“Keep at home” opens the consent window', async () => {
    const opened = await consentWindow(context);
    await waitState(opened, 'asking');
    await opened.locator('#allow:enabled').waitFor();
    const standing = await opened.locator('.asker').getAttribute('data-site');
    check(standing === (house.isolated ? 'known' : 'unregistered'), `the window says that the site is ${standing}`);
    if (house.isolated) {
      const whom = await opened.locator('#sign-in-with').innerText();
      check(whom.includes('accounts.video.example'), `the window does not say with whom Ann signs in: ${whom}`);
      steps.say(whom);
    }
    await shoot(opened, 'consent-asking');
    await shoot(page, 'site-waiting');
    return opened;
  });
  await pause();
  await step(box ? 'Allow; no device is in the network' : 'Allow; the devices at home appear', async () => {
    await allow(window);
    if (box) await waitState(window, 'looking');
    else await window.locator('[data-testid="device"]', { hasText: DEVICE }).waitFor({ timeout: 15000 });
    await shoot(window, 'consent-devices');
  });
  await pause();
  const code = await step('A button is pressed at the device: it shows a code', () => cache.openWindow());
  steps.say(`the device shows ${code.replace(/^(\d{4})(\d{4})$/, '$1 $2')}`);
  if (box) window = await lookNearby({ context, small: window, box, step, shoot });
  if (!box) await pick(window, DEVICE);
  await waitState(window, 'code');
  await shoot(window, 'consent-code');
  if (!box) await step('A slip of the finger: the window says so, kindly, and waits', async () => {
    const wrong = code.replace(/\d/, (digit) => String((Number(digit) + 1) % 10));
    await typeCode(window, wrong);
    await window.locator('#code-trouble .note').waitFor({ timeout: 15000 });
    await shoot(window, 'consent-code-wrong');
  });
  await pause();
  await step('The right code: paired, certificate made, tried out', async () => {
    await typeCode(window, code);
    if (box) await tellWifi({ window, say: (text) => steps.say(text), shoot });
    else await Promise.race([waitState(window, 'working'), waitState(window, 'done')]).then(() => shoot(window, 'consent-working'));
    await waitState(window, 'done', 20000);
    const proven = await window.locator('[data-trust="proven"]').innerText();
    check(proven.includes('Nordlicht C2'), `the window says of the device: ${proven}`);
    steps.say(proven);
    await shoot(window, 'consent-done');
    await pause();
    await window.click('#close').catch(() => {}); // It also closes by itself.
  });
}

async function plays(page, seconds) {
  await page.waitForFunction((wanted) => {
    const video = document.querySelector('video');
    return !video.paused && video.videoWidth > 0 && video.currentTime >= wanted;
  }, seconds, { timeout: 40000 });
}

const isFilm = (path) => /\.(m4s|mp4|m3u8|mpd)$/.test(path);
const films = (requests) => requests.filter((each) => /\.(m4s|mp4)$/.test(each.path) && each.status === 200);
const fromSite = () => house.siteRequests().filter((each) => isFilm(each.path)).length;

async function kept(page, id) {
  await page.waitForFunction((film) => !document.querySelector(`.card[data-film="${film}"] .badge`).hidden, id, { timeout: 60000 });
}

async function keep(page) {
  if (house.isolated) {
    await step('The device fetches the film by itself; the page shows how far it is', async () => {
      await page.waitForFunction(() => document.querySelector('#keeping-bar').value > 0.3);
      await shoot(page, 'site-keeping');
    });
  }
  await step('The film is at home', async () => {
    await kept(page, 'tidewater');
    if (house.isolated) {
      const there = await page.evaluate(async () => (await (await navigator.localDevices.getDevices())[0].signedIn())?.user);
      check(there === 'ann', `at the cache ${there} is signed in`);
      steps.say('Ann is signed in at the cache as well; nobody asked her again');
    }
    await shoot(page, 'site-kept');
    if (house.isolated) steps.say(`the site sent ${fromSite()} files, once`);
  });
  fetched = fromSite();
}

async function watch(page, cache) {
  await step('The film plays', async () => {
    await page.click('#play');
    await plays(page, 2.5);
    await shoot(page, 'site-playing');
  });
  await step('Every piece of it came from the device, none from the site', async () => {
    // The device writes a line when an answer has gone; the page counts when it has arrived.
    const shown = Number(await page.textContent('#tally-pieces'));
    check(shown > 0, 'the page shows no pieces');
    await until('the device to account for the pieces', () => films(cache.requests()).length >= shown);
    check(fromSite() === fetched, 'the site was asked for film again');
    steps.say(`device: ${films(cache.requests()).length} pieces; site: 0`);
  });
}

async function strangers(context, cache) {
  const { host } = cache.requests().find((each) => each.origin === SITE);
  const foreign = () => cache.requests().filter((each) => each.origin !== SITE).length; // The film plays on meanwhile.
  await step('Another site tries the same address and gets nothing', async () => {
    const page = await openTab(context, 'https://evil.example/');
    const before = foreign();
    await page.fill('#address', `https://${host}:${cache.port}/objects/video.example/films/tidewater/master.m3u8`);
    await page.click('#try');
    await page.waitForSelector('#result[data-result]', { timeout: 20000 });
    check(await page.getAttribute('#result', 'data-result') === 'refused', 'the other site could read from the device');
    check(foreign() === before, 'the device was reached by the other site');
    await shoot(page, 'other-site-refused');
    await page.close();
  });
}

async function offline(page, agent) {
  if (!house.isolated) return steps.say('(no wide network to cut without namespaces)');
  await step('A second film is kept', async () => {
    await page.click('.card[data-film="edge-of-the-set"]');
    await page.waitForFunction(() => document.querySelector('#hero-title').textContent === 'Edge of the Set');
    await page.click('#keep');
    await kept(page, 'edge-of-the-set');
    await shoot(page, 'site-two-kept');
  });
  const second = browser.another
    ? await step('A second screen: allowed without a code, and both films are there', () => anotherScreen(agent))
    : null;
  try {
    fetched = fromSite();
    await step('The internet goes away; the film plays all the same, by DASH as well', async () => {
      await house.cutWan();
      await page.click('#play');
      await plays(page, 1.5);
      await page.click('[name="format"][value="dash"]');
      await page.waitForFunction(() => document.querySelector('video').currentTime < 1);
      await plays(page, 2.5);
      await shoot(page, 'site-playing-offline');
    });
    if (second) await step('The second screen plays it from the house, too', async () => {
      await second.page.click('#play');
      await plays(second.page, 2.5);
      await shoot(second.page, 'second-screen');
      check(fromSite() === fetched, 'the site was asked for film again');
      const saved = await second.page.textContent('#tally-saved');
      check(saved === '100 %', `the second screen saved ${saved}`);
    });
    if (second) await looks(second.page);
  } finally {
    await house.restoreWan();
    await second?.close();
  }
}

/** The same page on other screens, for those who look at the pictures. */
async function looks(page) {
  for (const [name, width, height, colorScheme] of [['narrow', 390, 844, 'light'], ['narrow-dark', 390, 844, 'dark'], ['wide-dark', 1600, 1000, 'dark']]) {
    await page.emulateMedia?.({ colorScheme });
    await page.setViewportSize({ width, height });
    await page.evaluate(() => window.scrollTo(0, 0));
    await shoot(page, `site-${name}`, { fullPage: true });
  }
}

async function anotherScreen(agent) {
  const { context, close } = await browser.another(house, agent, SITE);
  const page = await openTab(context, SITE);
  await page.waitForSelector('body[data-home="apart"]');
  await signIn(context, page, 'ann'); // a browser of its own: the provider asks there, too
  await page.click('#keep');
  const { window } = await consent(context, { name: DEVICE });
  await window.click('#close').catch(() => {});
  await kept(page, 'tidewater');
  await page.click('.card[data-film="edge-of-the-set"]');
  await kept(page, 'edge-of-the-set');
  return { page, close };
}

async function takeBack(context, page, cache) {
  await step('The toolbar window shows who may use what', async () => {
    const home = await openTab(context, browser.home(), { width: 380, height: 560 });
    await home.waitForSelector('[data-testid="grant"]');
    await shoot(home, 'home-devices');
    await home.click('#tab-sites');
    await shoot(home, 'home-sites');
    await home.click('#tab-devices');
    await home.click('[data-testid="remove"]');
    await shoot(home, 'home-remove');
    await home.click('[data-testid="confirm-remove"]');
    await home.waitForSelector('#empty');
    await shoot(home, 'home-empty');
    await home.close();
  });
  await step('The film stops and the page says why', async () => {
    await page.bringToFront();
    await page.waitForSelector('body[data-home="gone"]', { timeout: 10000 });
    check(await page.evaluate(() => document.querySelector('video').paused), 'the film goes on');
    await shoot(page, 'site-removed');
  });
  await step('Not one more byte leaves the device', async () => {
    const lists = () => cache.requests().filter((each) => each.path.endsWith('/master.m3u8')).length;
    const before = lists();
    const outcome = await page.evaluate(async (url) => {
      try {
        return (await fetch(url, { credentials: 'include' })).status;
      } catch (error) {
        return error.name;
      }
    }, `https://${cache.requests().at(-1).host}:${cache.port}/objects/video.example/films/tidewater/master.m3u8`);
    check(outcome === 'TypeError', `the page still got an answer: ${outcome}`);
    check(lists() === before, 'the device answered after the removal');
  });
}

async function main() {
  check(!BLUETOOTH || browser.name === 'Chromium', 'BLUETOOTH=1 needs Chromium: Firefox has no Bluetooth for pages');
  mkdirSync(OUT, { recursive: true });
  for (const name of readdirSync(OUT)) if (/\.(png|json)$/.test(name)) rmSync(join(OUT, name));
  rmSync(join(OUT, 'logs'), { recursive: true, force: true });
  steps.title(visible ? 'Watch the browser window.' : `No screen to show it on${asRoot && screen ? ' as root' : ''}: pictures go to ${OUT}`);
  await parts();
  steps.title('The house');
  const { cache, agent, provider } = await build();
  steps.title('The visit');
  const context = await step(`${browser.name} opens, with the extension`, () =>
    browser.open(house, { site: SITE, visible, env: screenEnvironment() }));
  onFailure = async () => {
    for (const each of context.pages()) await shoot(each, 'failed').catch(() => {});
  };
  const page = await step('The film site', async () => {
    const tab = await openTab(context, SITE);
    await tab.waitForSelector('body[data-home="apart"]');
    await tab.waitForFunction(() => [...document.images].every((image) => image.complete));
    await shoot(tab, 'site');
    return tab;
  });
  await pause();
  await grant(context, page, cache);
  await keep(page);
  await watch(page, cache);
  await pause(3000);
  await strangers(context, cache);
  await page.bringToFront();
  await offline(page, agent);
  await pause(3000);
  if (house.isolated) await stopAndLift({ context, page, agent, provider, site: SITE, step, shoot, pause, check, plays });
  else steps.say('(no names of web services without namespaces: none to register, none to revoke)');
  await pause();
  if (house.isolated) await householdMembers({ context, page, cache, step, shoot, pause, check, plays });
  else steps.say('(no accounts without namespaces: nobody to sign in)');
  await pause();
  if (KEEP) return byHand({ house, cache, visible, out: OUT });
  await takeBack(context, page, cache);
  await pause(2500);
  await context.close();
}

try {
  await main();
} catch (error) {
  console.log(`\n${error.stack}`);
  await onFailure();
  if (!steps.list.some((entry) => !entry.ok)) steps.list.push({ name: 'The demonstration', ok: false, ms: 0, error: error.message });
} finally {
  await house?.close();
}
const summary = steps.summary();
writeFileSync(join(OUT, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
const failed = summary.steps.filter((entry) => !entry.ok);
console.log(summary.ok
  ? `\nAll ${summary.steps.length} steps went well, in ${(summary.ms / 1000).toFixed(1)} s. Pictures: ${OUT}`
  : `\nFailed at “${failed[0].name}”: ${failed[0].error}\nPictures and logs: ${OUT}`);
process.exit(summary.ok ? 0 : 1);
