// Who may ask at all: only a web page's own top document, in a secure context.

import assert from 'node:assert/strict';
import { openConsent } from '../../lab/consent.mjs';
import { EVIL, SITE } from '../stage.mjs';

export function scenarios(scenario) {
  scenario('frames: http pages, sandboxed documents and frames cannot ask', async (stage, context) => {
    const control = await stage.visit(SITE);
    assert.equal(await control.evaluate(() => typeof navigator.localDevices), 'object', 'control: an ordinary page can');

    if (stage.house.isolated) {
      const plain = await stage.visit('http://video.example');
      assert.equal(await plain.evaluate(() => typeof navigator.localDevices), 'undefined', 'an http page can ask');
    } else {
      context.diagnostic('no http site without namespaces');
    }

    const framed = await stage.visit(SITE, '/frames.html');
    assert.equal(await framed.evaluate(() => typeof navigator.localDevices), 'object');
    for (const name of ['same', 'cross', 'sandboxed', 'written']) {
      const frame = framed.frame({ name });
      assert.ok(frame, `no frame ${name}`);
      await frame.waitForSelector('#ask');
      assert.equal(await frame.evaluate(() => typeof navigator.localDevices), 'undefined', `the frame ${name} can ask`);
    }
  });

  scenario('frames: a document sandboxed by its own headers cannot ask either', async (stage) => {
    const page = await stage.visit('https://sandboxed.example');
    assert.equal(await page.evaluate(() => self.origin), 'null');
    assert.equal(await page.evaluate(() => typeof navigator.localDevices), 'undefined', 'an opaque origin can ask');
  });

  scenario('frames: a page that forges the extension\'s messages gains nothing', async (stage) => {
    const owner = await stage.visit(SITE);
    const { url, id } = await stage.granted(owner);
    const page = await stage.visit(EVIL, `/forge.html#${encodeURIComponent(id)},${encodeURIComponent(url)}`);
    // The request is answered last: a refusal that no person made comes late.
    await page.waitForFunction(() => window.got.some((each) => each.call === 6), null, { timeout: 15000 });
    const answers = await page.evaluate(() => ({ got: window.got, runtime: typeof globalThis.chrome?.runtime?.sendMessage }));
    for (const answer of answers.got) {
      if (answer.ok) assert.deepEqual(answer.value, [], `something was given: ${JSON.stringify(answer)}`);
      else assert.ok(['none', 'gone', 'unreachable', 'denied'].includes(answer.failure), JSON.stringify(answer));
    }
    assert.ok(!JSON.stringify(answers.got).includes('.local'), 'a host was told');
    assert.ok(!JSON.stringify(answers.got).includes('eyJ'), 'a ticket was told');
    assert.notEqual(answers.runtime, 'function', 'a page can speak to the extension');
    assert.equal(openConsent(stage.context), null, 'a window opened without a gesture');
    const still = await owner.evaluate((address) => window.lab.get(`${address}/pixel.svg`, { credentials: 'include' }), url);
    assert.equal(still.status, 200, 'the owner lost its device');
    assert.deepEqual(await owner.evaluate(() => window.lab.revoked), []);
  });

  scenario('frames: the extension\'s own pages cannot be framed or opened by a site', async (stage) => {
    const page = await stage.visit(EVIL);
    const base = stage.worker.url().replace(/background\.js$/, '');
    for (const path of ['consent.html', 'home.html', 'control.html']) {
      // A frame that is refused shows the browser's own error page, which is loaded as well.
      await page.evaluate((address) => window.lab.element('iframe', address, { name: 'stolen' }), base + path);
      const frame = page.frame({ name: 'stolen' });
      const text = frame ? await frame.evaluate(() => document.body?.innerText ?? '').catch(() => '') : '';
      assert.ok(!/Latchkey/.test(text), `${path} is shown inside a page`);
      await page.evaluate(() => document.querySelector('iframe').remove());
      const status = await page.evaluate((address) => window.lab.get(address), base + path);
      assert.equal(status.error, 'TypeError', `${path} can be read`);
    }
  });
}
