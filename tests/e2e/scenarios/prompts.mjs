// The consent window against haste, imitation and nagging (threats 25 to 28).
// These come last: they use up the patience that the extension has with sites.

import assert from 'node:assert/strict';
import { extensionWorker } from '../../lab/browser.mjs';
import { openConsent, refuse, stateOf, waitState } from '../../lab/consent.mjs';
import { until } from '../../lab/process.mjs';
import { EVIL, LOOKALIKES, PHOTOS, SITE, SUB } from '../stage.mjs';

/** Lets the window have the focus it has on a desktop, and lose it. */
async function realFocus(stage, window) {
  const session = await stage.context.newCDPSession(window);
  await session.send('Emulation.setFocusEmulationEnabled', { enabled: false });
  const worker = await extensionWorker(stage.context);
  const set = (change) => worker.evaluate(async (wanted) => {
    const popup = (await chrome.windows.getAll()).find((each) => each.type === 'popup');
    await chrome.windows.update(popup.id, wanted);
  }, change);
  return {
    async lose() {
      await set({ state: 'minimized' });
      await window.waitForFunction(() => !document.hasFocus());
    },
    gain: () => set({ state: 'normal', focused: true }),
  };
}

const enabled = (window) => window.evaluate(() => !document.querySelector('#allow').disabled);

/** Notes, inside the window, how long it had the focus when the button was first ready. */
const watchArming = (window) => window.evaluate(() => {
  window.armed = null;
  let since = document.hasFocus() ? performance.now() : null;
  const look = () => {
    if (!document.hasFocus()) since = null;
    else since ??= performance.now();
    const button = document.querySelector('#allow');
    if (button && !button.disabled && since !== null) window.armed ??= performance.now() - since;
    if (window.armed === null) requestAnimationFrame(look);
  };
  look();
});

async function ask(stage, origin) {
  const page = await stage.visit(origin);
  await stage.press(page);
  const window = await stage.consentWindow();
  await waitState(window, 'asking');
  return { page, window };
}

export function scenarios(scenario) {
  scenario('prompts: Allow waits 600 ms with the window in focus, and starts over when focus is lost', async (stage) => {
    await stage.restartBrowser();
    const { window } = await ask(stage, SUB);
    await window.waitForFunction(() => document.querySelector('#allow')?.dataset.ready === 'true');
    const first = await window.evaluate(() => performance.now());
    if (first < 600) assert.equal(await enabled(window), false, 'Allow answers at once');
    // A click before its time does nothing, also when it is really a click.
    await window.waitForFunction(() => !document.querySelector('#allow').disabled);
    assert.ok(await window.evaluate(() => performance.now()) >= 600, 'ready before 600 ms could have passed');

    const focus = await realFocus(stage, window);
    await focus.lose();
    await window.waitForFunction(() => document.querySelector('#allow').disabled);
    await watchArming(window);
    await focus.gain();
    await window.waitForFunction(() => document.hasFocus());
    const box = await window.locator('#allow').boundingBox();
    if (!(await enabled(window))) {
      await window.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
      assert.equal(await stateOf(window), 'asking', 'a click in haste was taken for a yes');
    }
    await window.waitForFunction(() => window.armed !== null);
    const after = await window.evaluate(() => window.armed);
    assert.ok(after >= 550, `ready again after only ${Math.round(after)} ms`);
    await refuse(window);
  });

  scenario('prompts: Enter never allows; Escape refuses', async (stage) => {
    await stage.restartBrowser();
    const { page, window } = await ask(stage, SUB);
    await window.locator('#allow:enabled').waitFor();
    await window.keyboard.press('Enter');
    await window.locator('#allow').focus();
    await window.keyboard.press('Enter');
    await window.keyboard.down('Enter');
    await window.keyboard.up('Enter');
    assert.equal(await stateOf(window), 'asking', 'Enter allowed it');
    await window.locator('#allow').focus();
    await window.keyboard.press('Space');
    await waitState(window, 'looking'); // Control: the keyboard does work.
    // Escape closes the window, often before the key is let go again: what counts is what the page hears.
    await window.keyboard.press('Escape').catch((problem) => {
      if (!window.isClosed()) throw problem;
    });
    const outcome = await stage.outcome(page);
    assert.equal(outcome.ok, false);
    assert.equal(outcome.name, 'NotFoundError');
  });

  scenario('prompts: the address is shown whole, its own domain in bold, unusual letters as punycode', async (stage) => {
    await stage.restartBrowser();
    for (const [host, bold] of [[LOOKALIKES[0], LOOKALIKES[0]], [LOOKALIKES[1], 'evil.example']]) {
      const { window } = await ask(stage, `https://${host}`);
      const shown = window.locator('.asker .origin');
      assert.equal((await shown.innerText()).replace(/\s/g, ''), `https://${host}`, 'the address is not whole');
      assert.equal((await shown.locator('b').innerText()).replace(/\s/g, ''), bold);
      const cut = await shown.evaluate((node) => {
        const own = node.getBoundingClientRect();
        return own.left < 0 || own.right > innerWidth || node.scrollWidth > node.clientWidth + 1;
      });
      assert.equal(cut, false, 'part of the address is out of sight');
      assert.ok(!(await window.locator('main').innerText()).includes('vіdeo'), 'look-alike letters are shown as they are');
      await refuse(window);
    }
  });

  scenario('prompts: refusing, finding nothing and being ignored look the same to the page', async (stage) => {
    await stage.restartBrowser();
    const { page, window } = await ask(stage, PHOTOS);
    await refuse(window);
    const refused = await stage.outcome(page);
    const second = await ask(stage, PHOTOS);
    await second.window.close();
    const closed = await stage.outcome(second.page);
    await stage.press(second.page);
    const ignored = await stage.outcome(second.page);
    assert.equal(openConsent(stage.context), null, 'a third question within a minute was shown');
    for (const each of [refused, closed, ignored]) delete each.ms;
    assert.deepEqual(closed, refused);
    assert.deepEqual(ignored, refused);
  });

  scenario('prompts: one window at a time, one question a gesture, and none without', async (stage) => {
    await stage.restartBrowser();
    const page = await stage.visit(EVIL, '/lab.html?unasked');
    const quiet = await page.evaluate(() => window.lab.unasked);
    assert.equal(quiet.ok, false);
    assert.ok(quiet.ms >= 1900, `a refusal that no person made came after ${quiet.ms} ms already`);
    assert.equal(openConsent(stage.context), null, 'a window opened without a gesture');

    await page.evaluate(() => {
      document.getElementById('ask').addEventListener('click', () => {
        window.lab.flood = Promise.all(Array.from({ length: 20 }, () => window.lab.request()));
      }, { once: true });
    });
    await stage.press(page);
    const window = await stage.consentWindow();
    const other = await stage.visit(SITE);
    await stage.press(other);
    const turnedAway = await stage.outcome(other);
    assert.equal(turnedAway.ok, false, 'a second site was let in beside the first');
    const windows = () => stage.context.pages().filter((each) => each.url().includes('/consent.html')).length;
    assert.equal(windows(), 1, 'two windows at once');
    assert.equal(await window.locator('.asker .origin').getAttribute('data-origin'), EVIL, 'the question changed under the reader');
    await refuse(window);
    const flood = await page.evaluate(() => window.lab.flood);
    assert.equal(flood.length, 20);
    assert.ok(flood.every((each) => !each.ok && each.name === 'NotFoundError'));
    await until('no further window', () => windows() === 0);
  });

  scenario('prompts: a window whose page has gone closes by itself', async (stage) => {
    await stage.restartBrowser();
    const { page, window } = await ask(stage, SUB);
    await page.goto('about:blank');
    await until('the window to close', () => window.isClosed());
  });
}
