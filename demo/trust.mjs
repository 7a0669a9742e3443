// The provider's part of the story: it vouches for the device's maker and knows the film site; then it
// stops the site, everywhere, and lets it go on again.

import { join } from 'node:path';
import { consentWindow, waitState } from '../tests/lab/consent.mjs';
import { Maker } from '../tests/lab/maker.mjs';
import { Provider } from '../tests/lab/provider.mjs';

/** Who says what is real, on the internet side; and the key that the maker put into the device. */
export async function found(house, site) {
  const maker = await Maker.create(join(house.folder, 'maker'), { name: 'Nordlicht', model: 'Nordlicht C2', type: 'media-cache' });
  const provider = await Provider.create(house);
  await provider.import(maker);
  // Names of web services lead nowhere without namespaces: there the provider cannot look at the site.
  if (house.isolated) await provider.register(site);
  await provider.publish();
  return { provider, attested: await maker.batch() };
}

/** Revoked while it plays, refused when it asks, and back without pairing. */
export async function stopAndLift({ context, page, agent, provider, site, step, shoot, pause, check, plays }) {
  await step('The provider revokes the film site: playback stops within one look at its list', async () => {
    await provider.judge('revoke', site, 'Its sign-in page was taken over');
    await agent.refresh();
    await page.waitForSelector('body[data-home="gone"]', { timeout: 10000 });
    check(await page.evaluate(() => document.querySelector('video').paused), 'the film goes on');
    await shoot(page, 'site-revoked');
  });
  await pause();
  await step('The site asks again: the window says why not, and there is no way on', async () => {
    await page.click('#cover-action');
    const window = await consentWindow(context);
    await waitState(window, 'problem');
    check(await window.locator('.asker[data-site="revoked"]').count() === 1, 'the window does not say that the site is revoked');
    check(await window.locator('#allow, #again').count() === 0, 'the window offers a way on');
    await shoot(window, 'consent-revoked');
    await pause();
    await window.click('#close');
  });
  await step('The provider lifts it: the film plays again, without a code', async () => {
    await provider.judge('reinstate', site, 'The sign-in page is theirs again');
    await agent.refresh();
    await page.waitForSelector('body[data-home="connected"]', { timeout: 20000 });
    await page.click('#cover-action');
    await plays(page, 1);
    await shoot(page, 'site-lifted');
  });
}
