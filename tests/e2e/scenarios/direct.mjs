// Devices that a person opens themselves, at an address of their own.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beginAdding, callIt, openHome } from '../../lab/adding.mjs';
import { startAvahi } from '../../lab/avahi.mjs';
import { openTab } from '../../lab/browser.mjs';
import { consentWindow, pick, typeCode, waitState } from '../../lab/consent.mjs';
import { Device, extension, ROOT } from '../../lab/latchkey.mjs';
import { until } from '../../lab/process.mjs';
import { EVIL, MEDIA } from '../stage.mjs';

const UPSTREAM = fileURLToPath(new URL('../upstream.mjs', import.meta.url));
const TWIN = fileURLToPath(new URL('../twin.mjs', import.meta.url));
// The agent lets one browser begin ten pairings or names at once, then one in six seconds (agent/connection.cc);
// scenarios that need many start the browser anew for a connection of their own, so that how fast they run does
// not matter.
const own = (grants) => grants.filter((grant) => grant.origin === null);

/** Through the window up to "done". `say` is given the window while the name is in question. */
async function add(stage, device, { name, say = async () => {} } = {}) {
  const { context, worker } = stage;
  const code = stage.paired.has(device) ? undefined : await device.openWindow();
  const window = await beginAdding(context, worker, device.options.name, device.options.nth);
  const proposed = await window.locator('#name').inputValue();
  await say(window);
  await callIt(window, name);
  if (code) await typeCode(window, code);
  await waitState(window, 'done', 20000);
  stage.paired.add(device);
  return { window, proposed, url: await window.locator('#url').innerText() };
}

/** The person's own grant of the film cache, made if there is none. */
async function added(stage) {
  const mine = async () => own(await stage.grants()).find((grant) => grant.device.name === MEDIA.name);
  const there = await mine();
  if (there) return there;
  const { window } = await add(stage, stage.device);
  await window.click('#close');
  return mine();
}

async function removeOwn(stage) {
  for (const grant of own(await stage.grants())) await stage.agent.json(['revoke', grant.id]);
}

/** As a person types it: what the page says once it has come to rest. */
async function type(stage, url, path = '/') {
  const page = await stage.context.newPage();
  const answer = await page.goto(`${url}${path}`).catch((error) => ({ failed: error.message }));
  return { page, answer };
}

const inside = (page) => page.waitForFunction(() => document.body?.innerText.includes('the page behind the device'), null, { timeout: 15000 });

export function scenarios(scenario) {
  scenario('direct: a person adds a device in the window, and is in by typing its address', async (stage) => {
    await removeOwn(stage);
    const ends = [];
    const { window, proposed, url } = await add(stage, stage.device, {
      say: async (window) => { ends.push(await window.locator('#name-end').innerText()); },
    });
    assert.equal(proposed, 'living-room-cache');
    assert.deepEqual(ends, [`.local:${stage.device.port}`], 'the window shows the port that has to be typed');
    assert.equal(url, `https://living-room-cache.local:${stage.device.port}`);
    const opened = stage.context.waitForEvent('page');
    await window.click('#open');
    const page = await opened;
    await inside(page);
    assert.equal(page.url(), `${url}/`);
    // Once in, the address works like any other, and keeps its path.
    const { page: again, answer } = await type(stage, url, '/?films');
    assert.equal(answer.status(), 200);
    assert.equal(new URL(again.url()).search, '?films');
    // Without a session it is the device that asks to sign in, and the person notices nothing.
    await stage.context.clearCookies();
    const { page: third } = await type(stage, url, '/?later');
    await inside(third);
    assert.equal(third.url(), `${url}/?later`);
    const cookie = (await stage.context.cookies(url)).find((one) => one.name === '__Host-latchkey');
    assert.ok(cookie?.httpOnly && cookie.secure && cookie.sameSite === 'Strict', JSON.stringify(cookie));
    // No ticket is in any address or in what the device wrote down.
    const { requests } = { requests: stage.device.requests().filter((each) => each.host.startsWith('living-room-cache')) };
    assert.ok(requests.some((each) => each.method === 'POST' && each.path === '/.well-known/latchkey/session' && each.status === 204));
    assert.ok(requests.every((each) => !/eyJ/.test(each.path)), 'a ticket stands in the log');
  });

  scenario('direct: the page of another site gets nothing from a device that is open in the next tab', async (stage) => {
    const grant = await added(stage);
    const { page: mine } = await type(stage, grant.url);
    await inside(mine);
    const before = stage.upstreamSays(/^asked/).length;
    const evil = await stage.visit(EVIL);
    const tried = await evil.evaluate(async (url) => {
      const outcomes = {};
      const attempt = async (name, init) => {
        outcomes[name] = await fetch(`${url}/act`, { credentials: 'include', ...init })
          .then((answer) => `${answer.type} ${answer.status}`, (error) => error.name);
      };
      await attempt('cors', {});
      await attempt('no-cors', { mode: 'no-cors' });
      await attempt('form', { method: 'POST', mode: 'no-cors', body: new URLSearchParams({ a: 'b' }) });
      await attempt('sign in', { method: 'POST', headers: { Authorization: 'Bearer x' } });
      outcomes.image = await new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve('shown');
        image.onerror = () => resolve('refused');
        image.src = `${url}/pixel.svg`;
      });
      outcomes.socket = await new Promise((resolve) => {
        const socket = new WebSocket(`${url.replace('https', 'wss')}/ws`);
        socket.onopen = () => resolve('open');
        socket.onerror = () => resolve('refused');
      });
      return outcomes;
    }, grant.url);
    assert.equal(tried.cors, 'TypeError');
    assert.equal(tried['sign in'], 'TypeError');
    assert.equal(tried.image, 'refused');
    assert.equal(tried.socket, 'refused');
    // A link on that page does not get in either: its click is not the person's.
    await evil.evaluate((url) => { location.href = `${url}/act`; }, grant.url);
    await evil.waitForURL(`${grant.url}/**`);
    assert.ok(!(await evil.content()).includes('the page behind'));
    assert.equal(stage.upstreamSays(/^asked/).length, before, 'the service behind the device was asked');
    const refused = await until('the refusals in the access log', () => {
      const found = stage.device.requests().filter((each) => each.path === '/act');
      return found.length >= 4 && found;
    });
    assert.ok(refused.every((each) => each.status === 403), JSON.stringify(refused));
  });

  scenario('direct: a device on 443, as the package runs it, opens by its bare name', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    await stage.restartBrowser();
    const name = 'Porch cache';
    const host = await stage.house.addDevice('porch');
    const upstream = host.spawn('upstream', [process.execPath, UPSTREAM, '8080', join(ROOT, 'out/media')]);
    await upstream.waitFor(/^upstream on 8080$/m);
    const device = await Device.start(host, { name, type: 'media-cache', upstream: 'http://127.0.0.1:8080', port: 443 });
    try {
      const { window, url } = await add(stage, device, {
        say: async (window) => assert.equal(await window.locator('#name-end').innerText(), '.local'),
      });
      assert.equal(url, 'https://porch-cache.local', 'the window shows what is to be typed');
      await window.click('#close');
      const { page } = await type(stage, 'https://porch-cache.local', '');
      await inside(page);
      assert.equal(page.url(), 'https://porch-cache.local/');
      assert.equal(await page.evaluate(() => window.isSecureContext && location.port), '');
      const grant = own(await stage.grants()).find((each) => each.url === url);
      assert.equal(grant.device.name, name);
      // The command line and the popup show it in the same way.
      const again = await stage.agent.cli(['add', name, '--name', 'veranda'], { ms: 30000 });
      assert.equal(again.stdout, 'https://veranda.local\n', again.stderr);
      const home = await openHome(stage.context, stage.worker);
      assert.equal(await home.locator(`[data-grant="${grant.id}"] [data-testid=address]`).innerText(), 'porch-cache.local');
      const opened = await stage.agent.json(['open', 'porch-cache']);
      assert.match(opened.url, /^https:\/\/porch-cache\.local\/\.well-known\/latchkey\/open#/);
    } finally {
      for (const grant of own(await stage.grants())) if (grant.device.name === name) await stage.agent.json(['revoke', grant.id]);
      await device.process.stop();
    }
  });

  scenario('direct: a second device of the same name gets another address and a warning', async (stage, context) => {
    const first = await added(stage);
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const host = await stage.house.addDevice('second');
    const second = await Device.start(host, { name: MEDIA.name, type: 'media-cache', serve: join(ROOT, 'out/media'), nth: 'new' });
    try {
      const seen = {};
      const { window, proposed, url } = await add(stage, second, {
        say: async (window) => {
          seen.page = await window.locator('main').innerText();
          // The first one's own address is not to be had, however it is asked for.
          await callIt(window, 'Living Room Cache');
          await window.locator('#name-trouble .note').waitFor({ timeout: 15000 });
          seen.trouble = await window.locator('#name-trouble').innerText();
          seen.again = await window.locator('#name').inputValue();
        },
      });
      // Two devices cannot announce one name: the second calls itself "... #2" by itself.
      assert.match(proposed, /^living-room-cache-([a-z2-7]{6}|2)$/);
      assert.match(seen.again, /^living-room-cache-[a-z2-7]{6}$/);
      assert.match(seen.trouble, /Another device of yours has that address/);
      assert.match(seen.page, /Another device of yours has this name/);
      assert.notEqual(new URL(url).hostname, first.host);
      await window.click('#close');
      const { page } = await type(stage, first.url);
      await inside(page);
      assert.ok(second.requests().every((each) => each.host !== first.host), 'the second device was asked for the first one\'s');
    } finally {
      for (const grant of own(await stage.grants())) if (grant.host !== first.host) await stage.agent.json(['revoke', grant.id]);
      await second.process.stop();
    }
  });

  scenario('direct: a name that something in the network answers to is not given again', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    await stage.restartBrowser();
    await removeOwn(stage);
    await stage.neighbour(); // printer.local
    const { url, window } = await add(stage, stage.device, {
      say: async (window) => {
        await callIt(window, 'printer');
        await window.locator('#name-trouble .note').waitFor({ timeout: 15000 });
        assert.match(await window.locator('#name-trouble').innerText(), /Something else on your network/);
        assert.match(await window.locator('#name').inputValue(), /^printer-[a-z2-7]{6}$/);
        await callIt(window, 'pc'); // this computer
        await window.locator('#name-trouble', { hasText: 'This computer itself' }).waitFor({ timeout: 15000 });
        await callIt(window, 'Küche');
        await window.locator('#name-trouble', { hasText: 'small letters' }).waitFor({ timeout: 15000 });
      },
    });
    assert.equal(new URL(url).hostname, 'kueche.local');
    await window.click('#close');
    await removeOwn(stage);
  });

  scenario('direct: from the control page; a free name is taken as it was typed, and the code is said to be for it alone', async (stage) => {
    const { device } = await added(stage);
    await stage.agent.json(['forget', device.id]);
    stage.paired.delete(stage.device);
    const code = await stage.device.openWindow();
    const control = await openTab(stage.context, `chrome-extension://${extension().id}/control.html`, { width: 1000, height: 800 });
    await control.click('#add');
    const window = await consentWindow(stage.context);
    await pick(window, MEDIA.name);
    await waitState(window, 'name');
    await callIt(window, 'roof');
    await waitState(window, 'code', 15000);
    assert.equal(await window.locator('main .host').innerText(), 'roof.local');
    assert.match(await window.locator('main').innerText(), /all it can do is make roof\.local work on this computer/);
    await typeCode(window, code);
    await waitState(window, 'done', 20000);
    stage.paired.add(stage.device);
    assert.equal(new URL(await window.locator('#url').innerText()).hostname, 'roof.local');
    await window.click('#close');
    const [grant] = own(await stage.grants());
    await control.locator(`[data-grant="${grant.id}"] [data-testid=address]`, { hasText: 'roof.local' }).waitFor();
    await control.close();
    await removeOwn(stage);
  });

  scenario('direct: whoever else answers to the name gets no ticket, not even past a warning (row 40)', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    await stage.restartBrowser();
    await removeOwn(stage);
    const { window } = await add(stage, stage.device, { name: 'hall' });
    await window.click('#close');
    const [grant] = own(await stage.grants());
    const label = grant.host.replace('.local', '');
    await stage.context.clearCookies();
    await stage.device.process.stop();
    const twin = await stage.house.addDevice(label); // its Avahi publishes this very name
    await startAvahi(twin);
    const heard = async (certificate) => {
      const server = twin.spawn('twin', [process.execPath, TWIN, String(stage.device.port), certificate.cert, certificate.key]);
      await server.waitFor(/^twin on/m);
      return server;
    };
    try {
      await until('the twin to have the name', async () => {
        const { stdout } = await stage.house.pc.run(['getent', 'ahostsv4', grant.host], { check: false });
        return stdout.includes(twin.address);
      }, 20000);
      const folder = join(twin.folder, 'own');
      mkdirSync(folder, { recursive: true });
      const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
      await twin.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
        '-keyout', files.key, '-out', files.cert, '-subj', `/CN=${grant.host}`, '-days', '5', '-addext', `subjectAltName=DNS:${grant.host}`]);
      const server = await heard(files);
      const { page, answer } = await type(stage, grant.url);
      assert.match(answer.failed ?? '', /ERR_CERT_AUTHORITY_INVALID/);
      assert.doesNotMatch(server.stdout, /^asked/m);
      // A person who goes on all the same is shown the twin's page, but gives nothing away.
      const turnedAway = () => server.stdout.match(/^turned away/gm)?.length ?? 0;
      await until('the browser to have turned away', () => turnedAway() > 0);
      const before = turnedAway();
      await page.click('#details-button');
      await page.click('#proceed-link');
      await until('the twin to be asked', () => /^asked GET \/ /m.test(server.stdout));
      await page.waitForFunction(() => document.body.innerText.includes('sign in'));
      await until('the extension to have tried', () => stage.worker.evaluate(async () => {
        const { signins = {} } = await chrome.storage.session.get('signins');
        return Object.keys(signins).length > 0;
      }));
      await until('its attempt to end at the key', () => turnedAway() > before);
      await page.reload();
      assert.doesNotMatch(server.stdout, /authorization|__Host-latchkey|POST/i, server.stdout);
      await server.stop();
    } finally {
      await twin.stop();
      await stage.device.run();
      await until('the device to have its name again', async () => {
        const { stdout } = await stage.house.pc.run(['getent', 'ahostsv4', grant.host], { check: false });
        return stdout.includes(stage.device.host.address);
      }, 90000);
    }
  });

  scenario('direct: what was added on the command line opens in the browser; taken back in the popup it ends at once', async (stage) => {
    await removeOwn(stage);
    const words = ['add', MEDIA.name, '--name', 'films'];
    if (!stage.paired.has(stage.device)) words.push('--code', await stage.device.openWindow());
    stage.paired.add(stage.device);
    const { grant } = await stage.agent.json(words, { ms: 30000 });
    assert.equal(grant.host, 'films.local');
    const { page } = await type(stage, grant.url);
    await inside(page);
    // The one-time link is another way in, and works once.
    await stage.context.clearCookies();
    const { url } = await stage.agent.json(['open', 'films']);
    const linked = await stage.context.newPage();
    await linked.goto(url);
    await inside(linked);
    assert.equal(linked.url(), `${grant.url}/`, 'the ticket stays in the address');
    const home = await openHome(stage.context, stage.worker);
    const entry = home.locator(`[data-grant="${grant.id}"]`);
    assert.equal(await entry.locator('[data-testid=address]').innerText(), new URL(grant.url).host);
    const opened = stage.context.waitForEvent('page');
    await entry.locator('[data-testid=open]').click();
    await inside(await opened);
    await entry.locator('[data-testid=remove]').click();
    await home.locator('[data-testid=confirm-remove]').click();
    await entry.waitFor({ state: 'detached', timeout: 10000 });
    const { answer } = await type(stage, grant.url);
    assert.ok(answer.failed, `the device still answers: ${answer.status?.()}`);
  });
}
