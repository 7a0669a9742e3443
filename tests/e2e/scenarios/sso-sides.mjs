// Single sign-on as it is the same in both browsers: in, silently in, and out on either side.

import assert from 'node:assert/strict';
import { beginAdding, callIt } from '../../lab/adding.mjs';
import { typeCode, waitState } from '../../lab/consent.mjs';
import { addonPage } from '../../lab/firefox.mjs';
import { until } from '../../lab/process.mjs';
import { SITE } from '../stage.mjs';
import { arrange, BYE, HOME, providerWindow, signIn, told } from './sso.mjs';

const user = async (page, id) => (await told(page, id))['x-latchkey-user'];

/** In with the provider's window, which goes away by itself. */
async function signInAs(stage, page, id, issuer, person) {
  const signing = signIn(page, id, {});
  const window = await providerWindow(stage, issuer, `#${person}`);
  await window.click(`#${person}`);
  assert.deepEqual(await signing, { issuer, user: person });
  await until('the window to be gone', async () => {
    await stage.context.look?.();
    return window.isClosed();
  }, 5000);
}

/** What holds in the page, while it goes from one address to the next. */
const holds = (page, work, word) => until(`the page: ${work}`, () => page.evaluate(work, word).catch(() => false));

/** Whoever is signed in at the provider is signed out by its own question, at this address; then it leads to `then`. */
async function endAtProvider(stage, address, then) {
  const tab = await stage.context.newPage();
  await tab.goto(address).catch(() => {}); // It asks nothing where nobody is signed in, and goes on at once.
  const left = (to) => location.origin + location.pathname === to;
  await until('the provider to ask, or to go on', async () => await tab.evaluate(left, then).catch(() => false)
    || await tab.locator('button[name="logout"]').count().catch(() => 0) > 0);
  if (!await tab.evaluate(left, then).catch(() => true)) await tab.click('button[name="logout"]');
  await holds(tab, left, then);
  await tab.close();
}

export function scenarios(scenario) {
  scenario('sso: in once, silently in again, and out on either side', async (stage) => {
    const { issuer, device } = await arrange(stage);
    const atProvider = [`${issuer}/session/end?client_id=video`, `${issuer}/session/end/success`];
    const page = await stage.visit(SITE);
    const { id, url } = await stage.granted(page, device);
    await endAtProvider(stage, ...atProvider); // whatever was before
    await page.evaluate((one) => window.lab.devices.get(one).signOut(), id);
    await signInAs(stage, page, id, issuer, 'ann');
    assert.equal(await user(page, id), 'ann');

    // The device's side: out there and at the provider, which leads back. Then nothing is silent any more.
    const end = await page.evaluate(([one, redirectUri]) => window.lab.devices.get(one).signOut({ redirectUri }), [id, BYE]);
    assert.equal(await user(page, id), undefined);
    assert.deepEqual(await signIn(page, id, { silent: true }), { issuer, user: 'ann' }, 'the provider knows them still');
    await page.evaluate((one) => window.lab.devices.get(one).signOut(), id);
    await endAtProvider(stage, end, BYE);
    assert.equal(await signIn(page, id, { silent: true }), null);
    assert.equal(await user(page, id), undefined);

    // The provider's side: the device asks every 45 seconds, and what was open ends. Nothing else is asked meanwhile:
    // Firefox closes the connection for its own question about the local network, once for each request.
    await signInAs(stage, page, id, issuer, 'ben');
    assert.equal(await user(page, id), 'ben');
    await page.evaluate((to) => window.lab.drip(`${to}/drip`), url);
    await page.waitForFunction(() => window.lab.dripping.bytes > 0);
    await endAtProvider(stage, ...atProvider);
    await page.waitForFunction(() => window.lab.dripping.ended, null, { timeout: 60000 });
    assert.equal(await user(page, id), undefined);
    assert.match(device.process.stderr, /somebody was signed out \(refused: invalid_grant\)/);
  }, { patience: 110000 });
}

/** What Firefox's guard has to let through: the provider leads back to a device's own page. */
export const firefox = {
  scenarios(scenario) {
    scenarios(scenario);
    scenario('sso: the device\'s own page signs its visitor in', async (stage) => {
      const { device, issuer } = await arrange(stage);
      const code = stage.paired.has(device) ? undefined : await device.openWindow();
      const adding = await beginAdding(stage.context, { url: () => addonPage('') }, device.options.name);
      await callIt(adding, 'portal');
      if (code) await typeCode(adding, code);
      await waitState(adding, 'done', 20000);
      stage.paired.add(device);
      await adding.click('#close').catch(() => {});
      const page = await stage.context.newPage();
      await page.goto(`${HOME}/`).catch(() => {}); // It is loaded once more, signed in.
      await holds(page, () => document.body?.innerText.includes('x-latchkey-sub'));
      await page.goto(`${HOME}/.well-known/latchkey/sso/start?return_to=%2Fwho`).catch(() => {});
      await holds(page, (provider) => location.pathname === '/who' || (location.origin === provider && document.querySelector('#ann') !== null), issuer);
      if (await page.evaluate((provider) => location.origin === provider, issuer)) await page.click('#ann');
      await holds(page, () => location.pathname === '/who' && document.readyState === 'complete');
      // Firefox shows JSON in a page of its own.
      assert.match(await page.evaluate(() => document.body.innerText), /^x-latchkey-user\s+"ann"$/m);
      assert.ok(!device.requests().some((one) => one.path.includes('code=')), 'a code stands in the log');
    });
  },
};
