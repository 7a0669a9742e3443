// The part of the story that is about who watches: Kinora has accounts, the viewer signs in there once and is
// signed in at the cache, somebody else in the household sees nothing of theirs, and signing out stops it.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { client, identityWords } from '../tests/lab/identity.mjs';
import { until } from '../tests/lab/process.mjs';
import { ACCOUNTS } from './site.mjs';

const CLIENT = 'kinora';

/** The folder of the site's settings; there only where it has accounts. */
export const settingsFolder = (folder) => join(folder, 'kinora');

/** The provider on the internet, and the words that make a device take its word. */
export async function accounts(house, site) {
  const folder = join(house.folder, 'identity');
  mkdirSync(folder, { recursive: true });
  mkdirSync(settingsFolder(house.folder), { recursive: true });
  const identity = await house.authority.issue(new URL(ACCOUNTS).hostname);
  const back = `${site}/signed-in.html`;
  const { words } = identityWords(folder, {
    issuer: ACCOUNTS, listen: '0.0.0.0', port: Number(new URL(ACCOUNTS).port), identity, clients: [client(CLIENT, [back], [back])],
  });
  const provider = house.wan.spawn('identity', words, { root: true });
  await provider.waitFor(/^identity on/m);
  writeFileSync(join(settingsFolder(house.folder), 'accounts.json'), JSON.stringify({ issuer: ACCOUNTS, clientId: CLIENT }));
  // Which client Kinora is there the page says when it asks, and the person agrees to it.
  const file = join(folder, 'sso.json');
  writeFileSync(file, JSON.stringify({ providers: [{ issuer: ACCOUNTS }], required: true, ca_file: house.authority.certificate }));
  return ['--sso', file];
}

/** The window that `work` opens, once it is where `match` says. */
async function popup(context, match, work) {
  await work();
  return until('the provider’s window', async () => {
    await context.look?.();
    return context.pages().find((page) => !page.isClosed() && match.test(page.url()));
  }, 15000);
}

/** The person signs in at the site. */
export async function signIn(context, page, person, shoot) {
  const window = await popup(context, /:9443\/interaction\//, () => page.click('#sign'));
  await window.waitForSelector(`#${person}`);
  await shoot?.(window);
  await window.click(`#${person}`);
  await page.waitForSelector(`body[data-viewer="${person}"]`, { timeout: 15000 });
}

async function signOut(context, page) {
  const window = await popup(context, /:9443\/session\/end/, () => page.click('#sign'));
  await window.click('button[value="yes"]');
  await until('the provider’s window to close', async () => {
    await context.look?.();
    return window.isClosed();
  }, 15000);
}

const shown = (page) => page.evaluate(() => [...document.querySelectorAll('.card')].filter((card) => !card.querySelector('.badge').hidden).map((card) => card.dataset.film));

/** Signing out stops the film; somebody else sees nothing of it; and the first one has it all again. */
export async function householdMembers({ context, page, cache, step, shoot, pause, check, plays }) {
  const before = await shown(page);
  check(before.length > 0, 'nothing is kept at home');
  await step('Ann signs out while her film plays: it stops, and her films are not shown', async () => {
    await page.click('#play');
    await plays(page, 1);
    await signOut(context, page);
    await page.waitForSelector('body[data-viewer=""]');
    check(await page.evaluate(() => document.querySelector('video').paused), 'the film goes on');
    check((await shown(page)).length === 0, 'films of nobody are shown');
    const last = cache.requests().filter((each) => /\.(m4s|mp4|m3u8)$/.test(each.path) && each.status === 200).at(-1);
    const status = await page.evaluate(async (url) => (await fetch(url, { credentials: 'include', cache: 'no-store' })).status, `https://${last.host}:${cache.port}${last.path}`);
    check(status === 401, `the device still answers: ${status}`);
    await shoot(page, 'site-signed-out');
  });
  await pause();
  await step('Ben signs in at the same screen: the device knows him, and he sees none of her films', async () => {
    await signIn(context, page, 'ben');
    await page.waitForFunction(async () => {
      const [device] = await navigator.localDevices.getDevices();
      return (await device.signedIn())?.user === 'ben';
    });
    const objects = await page.evaluate(async () => {
      const [device] = await navigator.localDevices.getDevices();
      return (await (await device.fetch('/objects')).json()).objects.length;
    });
    check(objects === 0 && (await shown(page)).length === 0, 'Ben sees films of Ann');
    await shoot(page, 'site-ben');
  });
  await pause();
  await step('Ann signs in again: all of it is there, and plays', async () => {
    await signOut(context, page);
    await signIn(context, page, 'ann');
    await page.waitForFunction((films) => films.every((film) => !document.querySelector(`.card[data-film="${film}"] .badge`).hidden), before, { timeout: 20000 });
    await page.click('#play');
    await plays(page, 1);
    await shoot(page, 'site-ann-again');
  });
}
