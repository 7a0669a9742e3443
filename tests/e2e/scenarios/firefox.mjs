// What holds in Firefox by other means than in Chromium: anchors instead of a root, and a guard that looks
// at the origin, the chain and the key of every request.

import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beginAdding, callIt } from '../../lab/adding.mjs';
import { openTab } from '../../lab/browser.mjs';
import { typeCode, waitState } from '../../lab/consent.mjs';
import { addonPage } from '../../lab/firefox.mjs';
import { Device, ROOT } from '../../lab/latchkey.mjs';
import { until } from '../../lab/process.mjs';
import { plays } from '../plays.mjs';
import { EVIL, MEDIA, SITE, SUB } from '../stage.mjs';

const UPSTREAM = fileURLToPath(new URL('../upstream.mjs', import.meta.url));

const get = (page, url, options = {}) => page.evaluate((words) => window.lab.get(...words), [url, options]);
const own = (page, url) => get(page, url, { credentials: 'include' });

/** What `page` gets by every way that leads to a host without help of the extension. */
async function attempts(page, url) {
  const outcomes = {
    cors: await get(page, url), credentials: await own(page, url), noCors: await get(page, url, { mode: 'no-cors' }),
  };
  for (const tag of ['img', 'script']) {
    outcomes[tag] = await page.evaluate((words) => window.lab.element(...words), [tag, url, {}]);
  }
  return outcomes;
}

/** At the device's own address and port, with another key, answers for `host`: what an impostor could do. */
async function impostor(stage, host, authority) {
  const { cert, key } = await authority.issue(host);
  const { host: computer } = stage.device;
  const hosts = join(stage.house.folder, 'etc-pc/hosts');
  const before = readFileSync(hosts, 'utf8');
  await stage.device.process.stop();
  appendFileSync(hosts, `${computer.address} ${host}\n`);
  const server = computer.spawn('impostor', [process.execPath, UPSTREAM, String(stage.device.port), join(ROOT, 'out/media'), cert, key]);
  await server.waitFor(/^upstream on/m);
  return {
    server,
    asked: () => server.stdout.split('\n').filter((line) => /^(asked|socket opens)/.test(line)).length,
    leave: async () => {
      await server.stop();
      writeFileSync(hosts, before);
      await stage.device.run();
    },
  };
}

async function byWindow(stage, grant) {
  const home = await openTab(stage.context, addonPage('home.html'), { width: 380, height: 560 });
  const row = home.locator(`[data-testid="grant"][data-grant="${grant.id}"]`);
  await row.locator('[data-testid="remove"]').click();
  await row.locator('[data-testid="confirm-remove"]').click();
  await row.waitFor({ state: 'detached' });
}

const byCommand = (stage, grant) => stage.agent.json(['revoke', grant.id]);

export function scenarios(scenario) {
  scenario('firefox grant: fetch, a film in <video> and a WebSocket, and one anchor in each profile', async (stage) => {
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    assert.equal((await own(page, `${url}/pixel.svg`)).status, 200);
    await plays(page, url);
    await page.evaluate((address) => window.lab.socket(address), `${url.replace('https:', 'wss:')}/ws`);
    await page.waitForFunction(() => window.lab.socketState.messages.includes('tick 3'));
    const grants = (await stage.grants()).length;
    for (const profile of [stage.profile, stage.bare]) {
      const anchors = await stage.anchors(profile);
      assert.equal(anchors.length, grants, JSON.stringify(anchors));
      assert.ok(anchors.every(({ trust }) => trust === 'C,,'), JSON.stringify(anchors));
    }
  });

  scenario('firefox isolation: other sites and the site’s own subdomain are stopped in the browser', async (stage) => {
    const { url } = await stage.granted(await stage.visit(SITE));
    const { hostname } = new URL(url);
    const seen = () => stage.device.requests().filter((each) => each.host.startsWith(hostname)).length;
    const before = seen();
    const opened = stage.upstreamSays(/^socket opens/).length;
    for (const origin of [EVIL, SUB]) {
      const page = await stage.visit(origin);
      const outcomes = await attempts(page, `${url}/pixel.svg`);
      for (const [way, outcome] of Object.entries(outcomes)) {
        assert.ok(outcome === false || outcome.error === 'TypeError', `${origin} by ${way}: ${JSON.stringify(outcome)}`);
      }
      await page.evaluate((to) => window.lab.socket(to), `${url.replace('https:', 'wss:')}/ws`);
      await page.waitForFunction(() => window.lab.socketState.closed);
      assert.equal(await page.evaluate(() => window.lab.socketState.opened), false);
    }
    assert.equal(stage.upstreamSays(/^socket opens/).length, opened);
    assert.equal(seen(), before, 'the browser let a request through to the device');
  });

  scenario('firefox isolation: no document of the host, neither typed nor in a frame', async (stage) => {
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    const asked = stage.upstreamSays(/^asked GET \/$/).length;
    const requests = () => stage.device.requests().filter((each) => each.path === '/').length;
    const before = requests();
    // A frame that was stopped says nothing of it; what comes after it shows that its time has come.
    await page.evaluate((address) => { void window.lab.element('iframe', address); }, `${url}/`);
    assert.equal((await own(page, `${url}/pixel.svg`)).status, 200);
    const tab = await stage.context.newPage();
    await assert.rejects(tab.goto(`${url}/`), 'the host opens as a page');
    await until('the control in the access log', () => stage.device.requests().at(-1).path === '/pixel.svg');
    assert.equal(requests(), before, 'a document request reached the device');
    assert.equal(stage.upstreamSays(/^asked GET \/$/).length, asked);
  });

  scenario('firefox isolation: with the extension out of the way the device refuses by itself', async (stage) => {
    const { url } = await stage.granted(await stage.visit(SITE));
    const { hostname } = new URL(url);
    await stage.withoutExtension(async () => {
      const before = stage.device.requests().length;
      const asked = stage.upstreamSays(/^asked/).length;
      const page = await stage.visit(EVIL);
      const answer = await own(page, `${url}/pixel.svg`);
      assert.equal(answer.error, 'TypeError', JSON.stringify(answer));
      const arrived = await until('the request at the device', () => {
        const found = stage.device.requests().slice(before).filter((each) => each.host.startsWith(hostname));
        return found.length > 0 && found;
      });
      assert.ok(arrived.every((each) => each.status === 403), JSON.stringify(arrived));
      assert.equal(stage.upstreamSays(/^asked/).length, asked);
    });
  });

  scenario('firefox many at once: no request and no socket of a page is lost', async (stage) => {
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    const lines = () => stage.device.requests().filter((each) => each.origin === SITE && each.path === '/pixel.svg');
    const before = lines().length;
    const burst = (address) => page.evaluate(async ([to, socketsTo]) => {
      const fetched = Array.from({ length: 30 }, (_, i) => window.lab.get(`${to}/pixel.svg?${i}`, { credentials: 'include' }));
      const opened = Array.from({ length: 3 }, () => new Promise((done) => {
        const socket = new WebSocket(socketsTo);
        socket.onopen = () => { socket.close(); done('open'); };
        socket.onerror = () => done('error');
      }));
      return [...(await Promise.all(fetched)).map((one) => one.status ?? one.error), ...await Promise.all(opened)];
    }, [address, `${address.replace('https:', 'wss:')}/ws`]);
    for (let round = 0; round < 3; round += 1) {
      assert.deepEqual(await burst(url), [...Array(30).fill(200), ...Array(3).fill('open')]);
    }
    // Over HTTP/2 most would fail in this Firefox: the device has changed to HTTP/1.1 at the first request.
    await until('the access log', () => lines().length >= before + 90);
    assert.deepEqual([...new Set(lines().slice(before).map((each) => each.protocol))], ['HTTP/1.1']);
  });

  for (const [name, revoke] of [['popup', byWindow], ['command line', byCommand]]) {
    scenario(`firefox revoke by ${name}: streams and sockets end, the anchor goes, the page is told`, async (stage) => {
      const page = await stage.visit(SITE);
      const { url, id } = await stage.granted(page);
      const [grant] = (await stage.grants()).filter((each) => each.origin === SITE && each.type === MEDIA.type);
      const anchors = (await stage.anchors()).length;
      await page.evaluate((address) => {
        window.lab.drip(`${address}/drip`);
        window.lab.socket(`${address.replace('https:', 'wss:')}/ws`);
      }, url);
      await page.waitForFunction(() => window.lab.dripping.bytes > 6000 && window.lab.socketState.messages.length > 3);

      await revoke(stage, grant);
      await page.waitForFunction(() => window.lab.dripping.ended && window.lab.socketState.closed, null, { timeout: 5000 });
      await page.waitForFunction((device) => window.lab.revoked.includes(device), id, { timeout: 5000 });
      for (const profile of [stage.profile, stage.bare]) {
        await until('the anchor to be gone', async () => (await stage.anchors(profile)).length === anchors - 1, 5000);
      }
      const before = stage.device.requests().length;
      const answer = await own(page, `${url}/pixel.svg`);
      assert.equal(answer.error, 'TypeError', JSON.stringify(answer));
      const { hostname } = new URL(url);
      assert.deepEqual(stage.device.requests().slice(before).filter((each) => each.host.startsWith(hostname)), []);
      const blocked = (await stage.rules()).filter((rule) => rule.condition.requestDomains?.includes(hostname));
      assert.ok(blocked.length > 0 && blocked.every((rule) => rule.action.type === 'block'));
    });
  }

  scenario('firefox impostor: another chain that Firefox trusts, on the same name, is cancelled', async (stage) => {
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    const { hostname } = new URL(url);
    assert.equal((await own(page, `${url}/pixel.svg`)).status, 200);
    // The lab's web authority is trusted in this profile and may name any host, as one that an
    // administrator or a virus scanner has put there.
    const fake = await impostor(stage, hostname, stage.house.authority);
    try {
      const taken = await get(page, `${url}/pixel.svg`);
      assert.equal(taken.error, 'TypeError', `the impostor was believed: ${JSON.stringify(taken)}`);
      assert.ok(fake.asked() > 0, 'control: the browser did not even come to the impostor');
      for (const way of ['noCors', 'img']) {
        const outcome = (await attempts(page, `${url}/pixel.svg`))[way];
        assert.ok(outcome === false || outcome.error === 'TypeError', `${way}: ${JSON.stringify(outcome)}`);
      }
      await page.evaluate((to) => window.lab.socket(to), `${url.replace('https:', 'wss:')}/ws`);
      await page.waitForFunction(() => window.lab.socketState.closed);
      assert.equal(await page.evaluate(() => window.lab.socketState.opened), false, 'a WebSocket to the impostor opened');
    } finally {
      await fake.leave();
    }
    // The device has forgotten its sessions over the restart; the page opens a new one.
    await until('the device to be used again', () => page.evaluate((type) => window.lab.known(type).catch(() => null), MEDIA.type), 20000, 200);
    assert.equal((await own(page, `${url}/pixel.svg`)).status, 200);
  });

  scenario('firefox restart: what was granted is guarded from the first request, and goes on working', async (stage) => {
    const { url } = await stage.granted(await stage.visit(SITE));
    await stage.restartBrowser();
    const stranger = await stage.visit(EVIL);
    const before = stage.device.requests().length;
    assert.equal((await own(stranger, `${url}/pixel.svg`)).error, 'TypeError');
    assert.equal(stage.device.requests().length, before, 'the browser let a request through to the device');
    const page = await stage.visit(SITE);
    await page.evaluate((type) => window.lab.known(type), MEDIA.type);
    assert.equal((await own(page, `${url}/pixel.svg`)).status, 200);
  });

  scenario('firefox direct: a device of the person’s own opens by its address, and an impostor’s chain does not', async (stage) => {
    for (const grant of await stage.grants()) if (grant.origin === null) await stage.agent.json(['revoke', grant.id]);
    const code = stage.paired.has(stage.device) ? undefined : await stage.device.openWindow();
    const window = await beginAdding(stage.context, { url: () => addonPage('') }, MEDIA.name);
    await callIt(window);
    if (code) await typeCode(window, code);
    await waitState(window, 'done', 20000);
    stage.paired.add(stage.device);
    const url = await window.locator('#url').innerText();
    await window.click('#close').catch(() => {});
    await window.waitForEvent('close');

    const page = await stage.context.newPage();
    await page.goto(`${url}/`).catch(() => {}); // It is loaded once more, signed in.
    await page.waitForFunction(() => document.body?.innerText.includes('the page behind the device'), null, { timeout: 15000 });

    const fake = await impostor(stage, new URL(url).hostname, stage.house.authority);
    try {
      const tab = await stage.context.newPage();
      await assert.rejects(tab.goto(`${url}/`), 'the impostor’s page is shown');
      assert.ok(fake.asked() > 0, 'control: the browser did not even come to the impostor');
      await tab.close();
    } finally {
      await fake.leave();
    }
  });

  scenario('firefox direct: a device on 443, as the package runs it, opens by its bare name, to nobody else', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const name = 'Porch cache';
    const device = await Device.start(await stage.house.addDevice('porch'), { name, type: 'media-cache', serve: join(ROOT, 'out/media'), port: 443 });
    let grant;
    try {
      ({ grant } = await stage.agent.json(['add', name, '--name', 'front-porch', '--code', await device.openWindow()], { ms: 30000 }));
      assert.equal(grant.url, 'https://front-porch.local');
      const page = await stage.context.newPage();
      await page.goto(grant.url).catch(() => {}); // It is loaded once more, signed in.
      await page.waitForFunction(() => document.querySelectorAll('#people > li').length === 1, null, { timeout: 15000 });
      assert.equal(new URL(page.url()).origin, grant.url);
      const stranger = await stage.visit(EVIL);
      // To an address of a person's own the browser lets everybody go, as to any other; the device refuses.
      assert.equal((await own(stranger, `${grant.url}/`)).error, 'TypeError');
      const seen = device.requests().map(({ origin, status }) => [origin, status]);
      assert.ok(seen.some(([origin, status]) => !origin && status === 200), 'control: the person’s own requests are in the log');
      assert.deepEqual(seen.filter(([origin]) => origin === EVIL), [[EVIL, 403]]);
      await page.close();
      await stranger.close();
    } finally {
      if (grant) await stage.agent.json(['revoke', grant.id]);
      await device.process.stop();
    }
  });

  scenario('firefox impostor: where Latchkey is not asked, the same chain is believed', async (stage) => {
    const { url } = await stage.granted(await stage.visit(SITE));
    const fake = await impostor(stage, new URL(url).hostname, stage.house.authority);
    try {
      await stage.withoutExtension(async () => {
        const page = await stage.visit(SITE);
        assert.equal((await get(page, `${url}/pixel.svg`)).status, 200);
      });
    } finally {
      await fake.leave();
    }
  });
}
