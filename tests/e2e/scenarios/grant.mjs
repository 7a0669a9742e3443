// A page asks and a person says yes. How a film comes home and plays from there is media.mjs.

import assert from 'node:assert/strict';
import { MEDIA, PHOTOS, SITE } from '../stage.mjs';

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
    assert.deepEqual(keys.keys, ['Symbol(Symbol.toStringTag)', 'constructor', 'fetch', 'forget', 'id', 'renew', 'signIn', 'signOut', 'signedIn', 'type', 'url']
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
