// Who is real, who is revoked: what the provider says, and the administrator's file, from the records
// to the page.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { allow, consent, pick, waitState } from '../../lab/consent.mjs';
import { openTab } from '../../lab/browser.mjs';
import { extension } from '../../lab/latchkey.mjs';
import { MEDIA, PHOTOS, SITE, STORE } from '../stage.mjs';
import { probe } from './raw.mjs';

const WHY = 'end-to-end test';
const NOTHING = { ok: false, name: 'NotFoundError', message: 'No device was chosen.' };

/** What the page learns of a refusal: always the same. */
async function learnsNothing(stage, page) {
  const { ms, ...outcome } = await stage.outcome(page);
  assert.ok(ms >= 0);
  assert.deepEqual(outcome, NOTHING);
}

/** Asks, expects to be refused with `code`, looks at the window, and closes it. */
async function refused(stage, page, { code, site, type = MEDIA.type }) {
  await stage.press(page, [type]);
  const window = await stage.consentWindow();
  await waitState(window, 'problem');
  await window.click('#details summary');
  assert.equal(await window.textContent('#error-code'), code);
  if (site) assert.equal(await window.locator(`.asker[data-site="${site}"]`).count(), 1);
  assert.equal(await window.locator('#allow').count(), 0);
  await window.click('#close');
  await learnsNothing(stage, page);
}

const home = (stage) => openTab(stage.context, `chrome-extension://${extension().id}/home.html`, { width: 400, height: 700 });

/** Runs `work` after `spoil`, then `mend`, whatever comes. */
async function meanwhile(spoil, mend, work) {
  await spoil();
  try {
    await work();
  } finally {
    await mend();
  }
}

async function answers(stage, url) {
  const { hostname: sni, host } = new URL(url);
  const request = `GET /.well-known/latchkey HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${SITE}\r\n\r\n`;
  const { there } = await probe(stage, [{ name: 'there', sni, request }]);
  return there.status !== undefined;
}

/** A film under way at `url`, of which one can see that it ended. */
async function drip(page, url) {
  await page.evaluate((address) => window.lab.drip(`${address}/drip`), url);
  await page.waitForFunction(() => window.lab.dripping.bytes > 4000);
}

function windows(scenario) {
  scenario('trust in the window: a registered web service and a proven maker', async (stage) => {
    const page = await stage.visit(SITE);
    for (const grant of await stage.grants()) await stage.agent.json(['revoke', grant.id]);
    await stage.press(page);
    const opened = await stage.consentWindow();
    await waitState(opened, 'asking');
    assert.equal(await opened.locator('.asker[data-site="known"]').count(), 1);
    assert.match(await opened.textContent('h1'), /Kinora/);
    assert.equal(await opened.locator('.origin').first().getAttribute('data-origin'), SITE);
    const code = stage.paired.has(stage.device) ? undefined : await stage.device.openWindow();
    const { window } = await consent(stage.context, { name: MEDIA.name, code });
    stage.paired.add(stage.device);
    assert.match(await window.locator('[data-trust="proven"]').innerText(), /Nordlicht C2/);
    await window.click('#close').catch(() => {});
    assert.equal((await stage.outcome(page)).ok, true);
    const list = await home(stage);
    await list.locator('[data-testid="device"] [data-trust="proven"]').first().waitFor();
  });

  scenario('trust in the window: nobody vouches for the device, nobody knows the web service', async (stage) => {
    const page = await stage.visit(PHOTOS);
    await stage.press(page, [STORE.type]);
    const opened = await stage.consentWindow();
    await waitState(opened, 'asking');
    assert.equal(await opened.locator('.asker[data-site="unregistered"]').count(), 1);
    const code = stage.paired.has(stage.store) ? undefined : await stage.store.openWindow();
    const { window } = await consent(stage.context, { name: STORE.name, code });
    stage.paired.add(stage.store);
    assert.equal(await window.locator('[data-trust="unattested"]').count(), 1);
    await window.click('#close');
    assert.equal((await stage.outcome(page)).ok, true, 'it is the person who decides');
  });
}

function revocations(scenario) {
  scenario('a web service is revoked: all of it ends within one look at the list; lifted, all comes back', async (stage) => {
    await stage.restartBrowser(); // Refusals of earlier scenarios are forgotten.
    const page = await stage.visit(SITE);
    const { id, url } = await stage.granted(page);
    await drip(page, url);
    const lift = async () => {
      await stage.provider.judge('reinstate', SITE, WHY);
      await stage.refresh();
    };
    await meanwhile(() => stage.provider.judge('revoke', SITE, WHY), lift, async () => {
      await stage.refresh();
      await page.waitForFunction((device) => window.lab.revoked.includes(device) && window.lab.dripping.ended, id, { timeout: 10000 });
      assert.equal(await answers(stage, url), false, 'the device still answers');
      assert.equal(await page.evaluate((type) => window.lab.known(type), MEDIA.type), null);
      const rules = (await stage.rules()).filter((rule) => rule.condition.requestDomains?.includes(new URL(url).hostname));
      assert.deepEqual(rules.map((rule) => rule.action.type), ['block']);
      await refused(stage, page, { code: 'origin_revoked', site: 'revoked' });
      const list = await home(stage);
      await list.locator('[data-testid="hold"][data-hold="origin_revoked"]').first().waitFor();
    });
    await page.waitForFunction((device) => window.lab.restored.includes(device), id, { timeout: 15000 });
    const known = await page.evaluate((type) => window.lab.known(type), MEDIA.type);
    assert.equal(known.url, url, 'another address than before');
    assert.equal(stage.context.pages().filter((each) => each.url().includes('/consent.html')).length, 0);
    await drip(page, url);
  });

  scenario('a web service is put on hold: the window says so in other words', async (stage) => {
    await stage.restartBrowser();
    const page = await stage.visit(SITE);
    await stage.granted(page);
    const lift = async () => {
      await stage.provider.judge('reinstate', SITE, WHY);
      await stage.refresh();
    };
    await meanwhile(() => stage.provider.judge('suspend', SITE, WHY), lift, async () => {
      await stage.refresh();
      await refused(stage, page, { code: 'origin_suspended', site: 'suspended' });
      const list = await home(stage);
      await list.locator('[data-testid="hold"][data-hold="origin_suspended"]').first().waitFor();
    });
  });

  for (const [what, spoil, mend] of [
    ['a model', (stage) => stage.provider.model(stage.maker, 'REVOKED', WHY), (stage) => stage.provider.model(stage.maker, 'CERTIFIED', WHY)],
    ['the key of a batch', (stage) => stage.provider.device('revoke', stage.maker, WHY), (stage) => stage.provider.device('restore', stage.maker, WHY)],
  ]) {
    scenario(`${what} is revoked: its devices are held, for every web service, until it is lifted`, async (stage) => {
      await stage.restartBrowser();
      const page = await stage.visit(SITE);
      const { id, url } = await stage.granted(page);
      const lift = async () => {
        await mend(stage);
        await stage.refresh();
      };
      await meanwhile(() => spoil(stage), lift, async () => {
        await stage.refresh();
        await page.waitForFunction((device) => window.lab.revoked.includes(device), id, { timeout: 10000 });
        assert.equal(await answers(stage, url), false, 'the device still answers');
        await stage.press(page);
        const window = await stage.consentWindow();
        await allow(window);
        const row = window.locator('[data-testid="device"]', { hasText: MEDIA.name });
        await row.locator('.note.bad').waitFor();
        assert.equal(await row.locator('input').isDisabled(), true);
        await window.click('#deny');
        await learnsNothing(stage, page);
      });
      await page.waitForFunction((device) => window.lab.restored.includes(device), id, { timeout: 15000 });
      assert.equal((await page.evaluate((type) => window.lab.known(type), MEDIA.type)).url, url);
    });
  }
}

function policyFile(stage, policy) {
  const file = join(stage.house.folder, 'policy.json');
  writeFileSync(file, JSON.stringify(policy), { mode: 0o644 });
  return ['--policy', file];
}

function policies(scenario) {
  scenario('policy: only registered web services, only devices that prove who made them', async (stage) => {
    const words = policyFile(stage, { only_registered_origins: true, only_attested_devices: true });
    await stage.withAgentWords(words, async () => {
      await refused(stage, await stage.visit(PHOTOS), { code: 'not_allowed' });
      const page = await stage.visit(SITE);
      await stage.press(page, [STORE.type]);
      const window = await stage.consentWindow();
      await allow(window);
      const code = stage.paired.has(stage.store) ? null : await stage.store.openWindow();
      await pick(window, STORE.name);
      if (code !== null) {
        await waitState(window, 'code');
        await window.fill('#code', code);
        await window.click('#continue:enabled');
      }
      await waitState(window, 'problem', 20000);
      assert.match(await window.textContent('#error-code'), /attestation_failed/);
      await window.click('#close');
      await learnsNothing(stage, page);
    });
  });

  scenario('policy: where an administrator has consented, the one known device is taken without a click', async (stage) => {
    await stage.granted(await stage.visit(SITE)); // Known from now on: its code was typed once.
    const words = policyFile(stage, { consented_origins: [{ origin: SITE, types: [MEDIA.type] }] });
    await stage.withAgentWords(words, async () => {
      for (const grant of await stage.grants()) if (grant.origin === SITE) await stage.agent.json(['revoke', grant.id]);
      const page = await stage.visit(SITE);
      await stage.press(page);
      const window = await stage.consentWindow();
      await window.locator('#consented').waitFor();
      await waitState(window, 'done', 20000);
      const outcome = await stage.outcome(page);
      assert.equal(outcome.ok, true, JSON.stringify(outcome));
    });
  });
}

export function scenarios(scenario) {
  // Without namespaces the sites' names lead nowhere, and the provider could look at none of them.
  const registered = (name, run) => scenario(name, (stage, context) =>
    (stage.house.isolated ? run(stage, context) : context.skip('needs network namespaces')));
  for (const group of [windows, revocations, policies]) group(registered);
}
