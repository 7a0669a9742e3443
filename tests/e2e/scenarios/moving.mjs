// A browser takes over what another one was allowed, on the command line's word: the last step of moving to
// another computer (docs/backup.md). The extension is real in both.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { extensionWorker, openBrowser, openTab } from '../../lab/browser.mjs';
import { extension } from '../../lab/latchkey.mjs';
import { until } from '../../lab/process.mjs';
import { MEDIA, SITE } from '../stage.mjs';

const known = (page) => page.evaluate((type) => window.lab.known(type), MEDIA.type);
const get = (page, url) => page.evaluate((to) => window.lab.get(to, { credentials: 'include' }), `${url}/pixel.svg`);

export function scenarios(scenario) {
  scenario('moving: a new browser sees nothing until it adopts, then the old one has nothing', async (stage) => {
    const page = await stage.visit(SITE);
    const { url, id } = await stage.granted(page);
    assert.equal((await get(page, url)).status, 200);
    const before = (await stage.agent.json(['profiles'])).profiles.map(({ profile }) => profile);
    const [{ profile: from }] = (await stage.grants()).filter((grant) => grant.url === url);

    const profile = join(stage.house.pc.home, '.config/chromium-new');
    mkdirSync(profile, { recursive: true });
    await stage.agent.setup({ browserFolders: [profile] });
    const context = await openBrowser(stage.house.pc, {
      extension: extension().folder,
      profile,
      loopback: [[new URL(SITE).hostname, stage.house.sitePort, 'public'], ['*.local', stage.device.port, 'local']],
    });
    try {
      await extensionWorker(context);
      await context.grantPermissions(['local-network-access'], { origin: SITE });
      const fresh = await openTab(context, `${SITE}/lab.html`);
      assert.equal(await known(fresh), null, 'it is allowed what another browser was');
      const seen = (await stage.agent.json(['profiles'])).profiles.map((one) => one.profile);
      const [to, ...others] = seen.filter((one) => !before.includes(one));
      assert.deepEqual(others, []);

      await stage.agent.json(['adopt', from, to, '--yes']);
      try {
        await page.waitForFunction((device) => window.lab.revoked.includes(device), id, { timeout: 10000 });
        assert.equal(await known(page), null, 'the old browser still has it');
        // The two browsers hear of it one after the other, in no order.
        const adopted = await until('the new browser to hear of it', () => known(fresh));
        assert.equal(adopted.url, url);
        const answer = await get(fresh, url);
        assert.equal(answer.status, 200, JSON.stringify(answer));
      } finally {
        await stage.agent.json(['adopt', to, from, '--yes']);
        await until('the old browser to have it again', () => known(page));
      }
    } finally {
      await context.close();
    }
  });
}
