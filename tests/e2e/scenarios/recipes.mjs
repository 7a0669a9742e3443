// An application that people use, as it comes from Debian, in a person's browser at an address of their own.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasProgram } from '../../attack/lib/house.mjs';
import { startAvahi } from '../../lab/avahi.mjs';
import { Device } from '../../lab/latchkey.mjs';
import { until } from '../../lab/process.mjs';
import { filesOf } from '../../recipes/lib.mjs';

export function scenarios(scenario) {
  scenario('recipes: Transmission and its password, at downloads.local', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    if (!hasProgram('transmission-daemon')) return context.skip('transmission-daemon is not installed');
    const host = await stage.house.addDevice('box');
    await startAvahi(host);
    const folder = join(host.home, 'transmission');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'settings.json'), filesOf('transmission').get('/etc/transmission-daemon/settings.json'));
    const daemon = host.spawn('transmission', ['transmission-daemon', '-f', '-g', folder]);
    const device = await Device.start(host, { name: 'Downloads', type: 'downloads', upstream: 'http://127.0.0.1:9091' });
    let grant;
    try {
      await until('Transmission to answer', async () => (await host.run(['curl', '-s', 'http://127.0.0.1:9091/'], { check: false })).code === 0);
      await until('the device to be found', async () => JSON.stringify(await stage.agent.json(['devices'], { ms: 30000 })).includes('Downloads'), 30000);
      ({ grant } = await stage.agent.json(['add', 'Downloads', '--name', 'downloads', '--code', await device.openWindow()], { ms: 30000 }));
      const page = await stage.context.newPage();
      // Without the password it is Transmission that refuses, and the person is in front of its question.
      // What the tab answers first may be the device's own 401, before it is loaded once more, signed in.
      const refused = await page.goto(grant.url).catch((error) => error);
      assert.ok(refused instanceof Error ? /INVALID_AUTH|ABORTED/.test(refused.message) : refused.status() === 401, `${refused.message ?? refused.status()}`);
      await until('Transmission to refuse who is signed in', () => {
        const seen = device.requests();
        const opened = seen.findIndex(({ path, status }) => path === '/.well-known/latchkey/session' && status === 204);
        return opened >= 0 && seen.slice(opened).some(({ path, status }) => path === '/' && status === 401);
      });
      await stage.context.setHTTPCredentials({ username: 'family', password: 'please change this' });
      await page.goto(grant.url);
      // Its scripts have run and its calls have been answered, token and all.
      await page.waitForFunction(() => document.title.startsWith('Transmission') && /transfers/i.test(document.querySelector('#filter-count')?.textContent ?? ''), null, { timeout: 20000 });
      assert.equal(page.url(), `${grant.url}/transmission/web/`);
      await page.screenshot({ path: join(stage.out, 'transmission.png') });
      const lines = () => device.requests().filter((each) => each.path === '/transmission/rpc');
      await until('its calls in the device\'s log', () => lines().some((each) => each.status === 200));
      assert.ok(lines().some((each) => each.status === 409), 'it asked for its token first');
      assert.deepEqual(new Set(lines().map((each) => each.protocol)), new Set(['HTTP/2.0']));
      await page.close();
    } finally {
      await stage.context.setHTTPCredentials(null);
      if (grant) await stage.agent.json(['revoke', grant.id]);
      await device.process.stop();
      await daemon.stop();
    }
  });
}
