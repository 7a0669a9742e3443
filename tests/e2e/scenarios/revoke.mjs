// Taking it back: at once, everywhere, without a restart of anything.

import assert from 'node:assert/strict';
import { openTab } from '../../lab/browser.mjs';
import { extension } from '../../lab/latchkey.mjs';
import { until } from '../../lab/process.mjs';
import { SITE } from '../stage.mjs';
import { probe } from './raw.mjs';

async function byPopup(stage, grant) {
  const home = await openTab(stage.context, `chrome-extension://${extension().id}/home.html`, { width: 380, height: 560 });
  const row = home.locator(`[data-testid="grant"][data-grant="${grant.id}"]`);
  await row.locator('[data-testid="remove"]').click();
  await row.locator('[data-testid="confirm-remove"]').click();
  await row.waitFor({ state: 'detached' });
}

const byCommand = (stage, grant) => stage.agent.json(['revoke', grant.id]);

export function scenarios(scenario) {
  for (const [name, revoke] of [['popup', byPopup], ['command line', byCommand]]) {
    scenario(`revoke by ${name}: streams and sockets end, no further byte leaves, the page is told`, async (stage) => {
      const page = await stage.visit(SITE);
      const { url, id } = await stage.granted(page);
      const [grant] = (await stage.grants()).filter((each) => each.origin === SITE && each.type === 'media-cache');
      await page.evaluate((address) => {
        window.lab.drip(`${address}/drip`);
        window.lab.socket(`${address.replace('https:', 'wss:')}/ws`);
      }, url);
      await page.waitForFunction(() => window.lab.dripping.bytes > 6000 && window.lab.socketState.messages.length > 3);
      const drips = stage.upstreamSays(/^drip ends/).length;
      const sockets = stage.upstreamSays(/^socket closes/).length;

      await revoke(stage, grant);
      await page.waitForFunction(() => window.lab.dripping.ended && window.lab.socketState.closed, null, { timeout: 5000 });
      await until('the service to be left alone', () =>
        stage.upstreamSays(/^drip ends/).length > drips && stage.upstreamSays(/^socket closes/).length > sockets, 5000);
      await page.waitForFunction((device) => window.lab.revoked.includes(device), id, { timeout: 5000 });

      const asked = stage.upstreamSays(/^asked/).length;
      const logged = stage.device.requests().length;
      const answer = await page.evaluate((address) => window.lab.get(address, { credentials: 'include' }), `${url}/pixel.svg`);
      assert.equal(answer.error, 'TypeError', JSON.stringify(answer));
      const { hostname: sni, host } = new URL(url);
      const { there } = await probe(stage, [{ name: 'there', sni, request: `GET /pixel.svg HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${SITE}\r\n\r\n` }]);
      assert.equal(there.status, undefined, `the device still answers: ${JSON.stringify(there)}`);
      assert.equal(stage.upstreamSays(/^asked/).length, asked);
      assert.deepEqual(stage.device.requests().slice(logged).filter((each) => each.host.startsWith(sni)), []);
      assert.equal(await page.evaluate((type) => window.lab.known(type), 'media-cache'), null);
      const blocked = (await stage.rules()).filter((rule) => rule.condition.requestDomains?.includes(sni));
      assert.ok(blocked.some((rule) => rule.action.type === 'block'), 'the host is not blocked after its end');
      assert.ok(!blocked.some((rule) => rule.action.type === 'allow'), 'the host is still allowed to somebody');
    });
  }

  scenario('revoke at the page: giving the device back ends it like any other way', async (stage) => {
    const page = await stage.visit(SITE);
    const { id, url } = await stage.granted(page);
    await page.evaluate((device) => window.lab.devices.get(device).forget(), id);
    assert.deepEqual(await page.evaluate(() => window.lab.revoked), [id]);
    assert.ok(!(await stage.grants()).some((each) => each.url === url), 'the agent still has it');
  });
}
