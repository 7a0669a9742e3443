// Weeks later: everybody's certificate has run out, and the person notices nothing.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ROOT } from '../../lab/latchkey.mjs';
import { MEDIA, SITE } from '../stage.mjs';

const WEEKS = 3 * 7 * 86400;

export function scenarios(scenario) {
  scenario('asleep: after three weeks a page’s own fetch brings its device back, and asks nobody', async (stage, context) => {
    if (!stage.house.isolated) return context.skip('needs namespaces');
    const clock = join(stage.house.folder, 'clock.so');
    await stage.house.pc.run(['cc', '-shared', '-fPIC', '-o', clock, join(ROOT, 'tests/attack/lib/clock.c')], { root: true });
    const { url, id } = await stage.granted(await stage.visit(SITE));
    const [before] = (await stage.grants()).filter((grant) => grant.url === url);

    // Agent, device and browser sleep, and wake up at another date. The device comes last, so that the agent
    // has looked for it in vain and waits.
    const later = { LD_PRELOAD: clock, LK_SHIFT: String(WEEKS) };
    const now = () => Math.floor(Date.now() / 1000) + Number(later.LK_SHIFT);
    const wake = async (env) => {
      await stage.context.close();
      await stage.device.process.stop();
      await stage.agent.process.stop();
      Object.assign(stage.device, { env });
      Object.assign(stage.agent, { env });
      stage.browserEnv = env;
      await stage.agent.run();
      await stage.openBrowser();
    };
    await wake(later);
    assert.ok(before.not_after < now(), 'the certificate has not run out');
    const page = await stage.visit(SITE);
    const date = await page.evaluate(() => Date.now() / 1000);
    assert.ok(Math.abs(date - now()) < 600, 'control: the browser is not at the other date');
    await stage.device.run();
    const answer = await page.evaluate(async (type) => {
      const [device] = (await navigator.localDevices.getDevices()).filter((one) => one.type === type);
      const got = await device.fetch('/pixel.svg');
      return { id: device.id, status: got.status, text: (await got.text()).slice(0, 100) };
    }, MEDIA.type);
    assert.equal(answer.status, 200);
    assert.equal(answer.id, id, 'it is another device to the page');
    assert.match(answer.text, /<svg/);
    const [after] = (await stage.grants()).filter((grant) => grant.url === url);
    assert.ok(after.not_after > now() + 6 * 86400, 'the certificate is not a new one');
    assert.equal(stage.context.pages().filter((one) => one.url().includes('consent')).length, 0, 'the person was asked');
  });
}
