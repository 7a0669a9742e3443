// What one web service may, no other can use, nor find out.

import assert from 'node:assert/strict';
import { EVIL, MEDIA, SITE, STORE, SUB } from '../stage.mjs';
import { until } from '../../lab/process.mjs';

const NEVER = 'https://media-cache-aaaaaaaaaaaa.local';

/** Everything a page can try without help of ours. */
async function attempts(page, url) {
  return page.evaluate(async (address) => {
    // At once: a name that never was takes some seconds to be given up.
    const ways = {
      cors: window.lab.get(address),
      credentials: window.lab.get(address, { credentials: 'include' }),
      noCors: window.lab.get(address, { mode: 'no-cors' }),
      post: window.lab.get(address, { method: 'POST', body: 'x', mode: 'no-cors' }),
      image: window.lab.element('img', address),
      script: window.lab.element('script', address),
    };
    const outcomes = {};
    for (const [way, outcome] of Object.entries(ways)) {
      outcomes[way] = await outcome;
      delete outcomes[way].ms;
    }
    return outcomes;
  }, url);
}

export function scenarios(scenario) {
  for (const [name, origin] of [['another site', EVIL], ['a subdomain of the same site', SUB]]) {
    scenario(`isolation: ${name} gets nothing from the host, and the same nothing as from a host that never was`, async (stage) => {
      const owner = await stage.visit(SITE);
      const { url } = await stage.granted(owner);
      const { hostname } = new URL(url);
      const lines = () => stage.device.requests().filter((each) => each.host.startsWith(hostname));
      const images = () => lines().filter((each) => each.path === '/pixel.svg').length;
      const earlier = images();
      const control = await owner.evaluate((address) => window.lab.get(address, { credentials: 'include' }), `${url}/pixel.svg`);
      assert.equal(control.status, 200, `the owner itself is refused: ${JSON.stringify(control)}`);

      const asked = stage.upstreamSays(/^asked/).length;
      // The line is written when the answer is done, which its reader may know first.
      await until('the control in the access log', () => images() > earlier);
      const before = lines().length;
      const page = await stage.visit(origin);
      const real = await attempts(page, `${url}/pixel.svg`);
      const port = new URL(url).port;
      const never = await attempts(page, `${NEVER}:${port}/pixel.svg`);
      for (const [way, outcome] of Object.entries(real)) {
        if (origin === SUB && way !== 'image' && way !== 'script' && outcome.status === 403) continue;
        assert.ok(outcome === false || outcome.error === 'TypeError', `${way} got through: ${JSON.stringify(outcome)}`);
      }
      if (origin === EVIL) {
        assert.deepEqual(real, never, 'the two differ');
        assert.equal(lines().length, before, 'the browser let a request through to the device');
      } else {
        // The browser's rules match subdomains: here it is the device that refuses.
        const refused = await until('the refusals in the access log', () => {
          const found = stage.device.requests().slice(-20).filter((each) => each.origin === origin);
          return found.length > 0 && found;
        });
        assert.ok(refused.every((each) => each.status === 403), JSON.stringify(refused));
      }
      assert.equal(stage.upstreamSays(/^asked/).length, asked, 'a request reached the service behind the device');
      assert.deepEqual(await page.evaluate(async () => (await navigator.localDevices.getDevices()).length), 0);
    });
  }

  scenario('isolation: no document, frame, image or script of the host in any page, also of the owner', async (stage) => {
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    const pixel = `${url}/pixel.svg`;
    const element = (tag, address, attributes) =>
      page.evaluate((words) => window.lab.element(...words), [tag, address, attributes]);
    assert.equal(await element('img', pixel, { crossOrigin: 'use-credentials' }), true, 'control: with CORS the owner may');
    assert.equal(await element('img', pixel, {}), false, 'an image without CORS loads');
    assert.equal(await element('script', `${url}/script.js`, {}), false, 'a script without CORS loads');
    assert.equal(await page.evaluate(() => window.lab.ran), undefined, 'the script ran');
    const noCors = await page.evaluate((address) => window.lab.get(address, { mode: 'no-cors' }), pixel);
    if (noCors.type === 'opaque') {
      await until('the refusal in the access log', () => stage.device.requests().some((each) => each.status === 403));
    }

    const asked = stage.upstreamSays(/^asked GET \/$/).length;
    await page.evaluate((address) => { window.lab.framed = window.lab.element('iframe', address); }, `${url}/`);
    await page.evaluate(() => window.lab.framed);
    const frame = page.frames().find((each) => each !== page.mainFrame());
    assert.ok(!frame || !(await frame.content()).includes('the page behind the device'), 'the host is shown in a frame');
    const tab = await stage.context.newPage();
    await assert.rejects(tab.goto(`${url}/`), /ERR_/, 'the host opens as a page');
    assert.equal(stage.upstreamSays(/^asked GET \/$/).length, asked, 'a document request reached the service');
  });

  scenario('isolation: a WebSocket works with the session, and from nowhere else', async (stage) => {
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    const address = `${url.replace('https:', 'wss:')}/ws`;
    await page.evaluate((to) => window.lab.socket(to), address);
    await page.waitForFunction(() => window.lab.socketState.messages.includes('tick 3'));
    await page.evaluate(() => window.lab.rawSocket.send('hallo'));
    await page.waitForFunction(() => window.lab.socketState.messages.includes('echo hallo'));
    // The page speaks HTTP/2, and the socket is a stream of it (RFC 8441).
    const lines = (path) => stage.device.requests().filter((each) => each.path === path && each.origin === SITE);
    const ended = lines('/ws').length;
    await page.evaluate((to) => window.lab.get(to, { credentials: 'include' }), `${url}/pixel.svg`);
    await page.close();
    await until('the socket in the access log', () => lines('/ws').length > ended);
    assert.deepEqual([lines('/ws').at(-1).protocol, lines('/ws').at(-1).status], ['HTTP/2.0', 200]);
    await until('the request in the access log', () => lines('/pixel.svg').at(-1)?.protocol === 'HTTP/2.0');

    const opened = stage.upstreamSays(/^socket opens/).length;
    for (const origin of [EVIL, SUB]) {
      const other = await stage.visit(origin);
      await other.evaluate((to) => window.lab.socket(to), address);
      await other.waitForFunction(() => window.lab.socketState.closed);
      assert.equal(await other.evaluate(() => window.lab.socketState.opened), false, `${origin} could open it`);
    }
    assert.equal(stage.upstreamSays(/^socket opens/).length, opened, 'a foreign upgrade reached the service');
  });

  scenario('isolation: a granted site cannot reach other addresses or names at home', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const { host } = await stage.neighbour();
    const targets = [`https://${host.address}:8443/pixel.svg`, 'https://printer.local:8443/pixel.svg'];
    const free = await stage.visit(EVIL);
    for (const target of targets) {
      const answer = await free.evaluate((address) => window.lab.get(address), target);
      assert.equal(answer.status, 200, `control: a site without a device, with the browser's permission: ${JSON.stringify(answer)}`);
    }
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    const asked = stage.printer.server.stdout.length;
    const numeric = host.address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    for (const target of [...targets, `https://${numeric}:8443/pixel.svg`, `http://${host.address}:8443/pixel.svg`, 'https://PRINTER.local.:8443/pixel.svg']) {
      for (const options of [{}, { mode: 'no-cors' }]) {
        const answer = await page.evaluate((words) => window.lab.get(...words), [target, options]);
        assert.equal(answer.error, 'TypeError', `${target} was reached: ${JSON.stringify(answer)}`);
      }
      assert.equal(await page.evaluate((address) => window.lab.element('img', address), target), false);
    }
    assert.equal(stage.printer.server.stdout.length, asked, 'something arrived at the neighbour');
    const own = await page.evaluate((address) => window.lab.get(address, { credentials: 'include' }), `${url}/pixel.svg`);
    assert.equal(own.status, 200, 'its own device is blocked with the rest');
  });

  scenario('isolation: two devices of one site have nothing in common but the site', async (stage) => {
    const page = await stage.visit(SITE);
    const media = await stage.granted(page);
    const store = await stage.granted(page, stage.store);
    assert.notEqual(new URL(media.url).hostname, new URL(store.url).hostname);
    assert.match(store.url, /^https:\/\/nas-[a-z2-7]{12}\.local:\d+$/);
    const list = await page.evaluate(async () => (await navigator.localDevices.getDevices()).map((each) => each.type).sort());
    assert.deepEqual(list, [MEDIA.type, STORE.type].sort());
  });

  scenario('isolation: the service behind the device can steal no session and forge no headers', async (stage) => {
    const page = await stage.visit(SITE);
    const { url } = await stage.granted(page);
    const get = (path) => page.evaluate((address) => window.lab.get(address, { credentials: 'include', headers: { 'X-Latchkey-Sub': 'forged', 'x-latchkey_origin': 'forged' } }), `${url}${path}`);
    const seen = await get('/headers');
    assert.equal(seen.status, 200, JSON.stringify(seen));
    const headers = JSON.parse(seen.text);
    assert.equal(headers['x-latchkey-origin'], SITE);
    assert.ok(headers['x-latchkey-sub'] && headers['x-latchkey-sub'] !== 'forged');
    assert.equal(headers['x-latchkey_origin'], undefined);
    assert.equal(headers.authorization, undefined);
    assert.ok(!(headers.cookie ?? '').includes('__Host-latchkey'), 'the session cookie went upstream');
    const forged = await get('/forge');
    assert.equal(forged.text, 'forged');
    assert.equal((await get('/headers')).status, 200, 'the service could replace the session cookie');
    assert.ok(JSON.parse((await get('/headers')).text).cookie?.includes('own=1'), 'the service keeps cookies of its own');
  });
}
