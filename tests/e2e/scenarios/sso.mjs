// Single sign-on in a real browser, with a real identity provider on the lab's internet.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { consent, waitState } from '../../lab/consent.mjs';
import { client, identityWords, order } from '../../lab/identity.mjs';
import { Device } from '../../lab/latchkey.mjs';
import { until } from '../../lab/process.mjs';
import { EVIL, SITE } from '../stage.mjs';

const ECHO = fileURLToPath(new URL('../echo.mjs', import.meta.url));
export const PAGE = `${SITE}/signed-in.html`;
export const HOME = 'https://portal.local:8443';
export const BYE = `${SITE}/lab.html`; // where the provider leads to when the person signed out there, too
const HALL = { type: 'gateway', name: 'Hall gateway' };

/** The provider and a device that asks it, once for the whole stage. */
export async function arrange(stage) {
  if (stage.sso) return stage.sso;
  const { house } = stage;
  const folder = join(house.folder, 'identity');
  mkdirSync(folder, { recursive: true });
  const identity = await house.authority.issue('accounts.video.example');
  // On the site of the web service: Chromium sends no cookies into a frame of another site, and without
  // them nothing is silent.
  const issuer = 'https://accounts.video.example:9443';
  const { words, control } = identityWords(folder, {
    issuer, listen: '0.0.0.0', port: 9443, identity, clients: [client('video', [PAGE, `${HOME}/.well-known/latchkey/sso/callback`], [BYE])],
  });
  const provider = house.wan.spawn('identity', words, { root: true });
  await provider.waitFor(/^identity on/m);
  const host = await house.addDevice('entrance');
  const echo = host.spawn('echo', [process.execPath, ECHO, '8080']);
  await echo.waitFor(/^echo is up$/m);
  const file = join(host.folder, 'sso.json');
  writeFileSync(file, JSON.stringify({ providers: [{ issuer, client_id: 'video' }], ca_file: house.authority.certificate }));
  const device = await Device.start(host, { ...HALL, upstream: 'http://127.0.0.1:8080', words: ['--sso', file] });
  // On a network that has just come up a device may hear its own question, and take another name.
  [, device.options.name] = await device.process.waitFor(/announced as "(.*)"/, { stream: 'stderr' });
  stage.sso = { provider, control, device, issuer };
  return stage.sso;
}

/** A device whose owner takes the word of providers that web services name. */
async function openDevice(stage) {
  if (stage.openDevice) return stage.openDevice;
  await arrange(stage);
  const { house } = stage;
  const host = await house.addDevice('study');
  const echo = host.spawn('echo', [process.execPath, ECHO, '8080']);
  await echo.waitFor(/^echo is up$/m);
  const file = join(host.folder, 'sso.json');
  // The lab's internet has addresses that are for documentation.
  writeFileSync(file, JSON.stringify({ accept_offered: true, offered_from: ['203.0.113.0/24'], ca_file: house.authority.certificate }));
  const device = await Device.start(host, { type: 'camera', name: 'Study camera', upstream: 'http://127.0.0.1:8080', words: ['--sso', file] });
  [, device.options.name] = await device.process.waitFor(/announced as "(.*)"/, { stream: 'stderr' });
  stage.openDevice = device;
  return device;
}

/** The page asks for `device` and names with whom people sign in; what the window says of it. */
async function askNaming(stage, page, device, sso) {
  await page.evaluate((named) => { window.lab.sso = named; }, sso);
  await stage.press(page, [device.options.type]);
  const window = await stage.consentWindow();
  await waitState(window, 'asking');
  return { window, says: await window.locator('#sign-in-with').innerText() };
}

/** The person says yes to it, whatever is asked for that. */
async function agree(stage, page, device) {
  const code = stage.paired.has(device) ? undefined : await device.openWindow();
  const { window } = await consent(stage.context, { name: device.options.name, code });
  stage.paired.add(device);
  await window.click('#close').catch(() => {}); // It also closes by itself.
  return stage.outcome(page);
}

export const told = (page, id) => page.evaluate(async (device) => (await window.lab.devices.get(device).fetch('/')).json(), id);
export const signIn = (page, id, options) => page.evaluate(async ([device, wanted]) => {
  try {
    return await window.lab.devices.get(device).signIn(wanted);
  } catch (error) {
    return { failed: error.name, message: error.message };
  }
}, [id, { redirectUri: PAGE, ...options }]);

/** The window in which the provider asks who the person is; `shows`: what stands in it. */
export async function providerWindow({ context }, issuer, shows) {
  const window = await until('the provider\'s window', async () => {
    await context.look?.(); // Firefox says of no window where it is, unless it is asked.
    return context.pages().find((one) => one.url().startsWith(`${issuer}/`));
  }, 15000);
  await window.waitForSelector(shows);
  return window;
}

export function scenarios(scenario) {
  scenario('sso: a person signs in at the device with the provider\'s own page', async (stage) => {
    const { device, issuer } = await arrange(stage);
    const page = await stage.visit(SITE);
    const { id } = await stage.granted(page, device);
    assert.equal((await told(page, id))['x-latchkey-user'], undefined);
    // Nobody is signed in at the provider: a silent attempt asks nobody, and says so.
    assert.equal(await signIn(page, id, { silent: true }), null);
    const opened = stage.context.waitForEvent('page');
    const signing = signIn(page, id, {});
    const window = await opened;
    await window.click('#ann', { timeout: 15000 });
    assert.deepEqual(await signing, { issuer, user: 'ann' });
    await until('the window to be gone', () => window.isClosed(), 5000);
    const known = await told(page, id);
    assert.equal(known['x-latchkey-user'], 'ann');
    assert.equal(known['x-latchkey-email'], 'ann@example.com');
    assert.equal(known['x-latchkey-issuer'], issuer);

    // Out at the device, and silently in again: the provider still knows them.
    const end = await page.evaluate((device_) => window.lab.devices.get(device_).signOut(), id);
    assert.ok(end.startsWith(`${issuer}/session/end?`));
    assert.equal((await told(page, id))['x-latchkey-user'], undefined);
    assert.deepEqual(await signIn(page, id, { silent: true }), { issuer, user: 'ann' });
    assert.equal((await told(page, id))['x-latchkey-user'], 'ann');

    // Another web service with the same device: nobody, and it may not use this one's redirect page.
    const other = await stage.visit(EVIL);
    const theirs = await stage.granted(other, device);
    assert.equal((await told(other, theirs.id))['x-latchkey-user'], undefined);
    const refused = await signIn(other, theirs.id, { silent: true });
    assert.match(refused.message, /bad_request/);
  });

  scenario('sso: the device\'s own page signs its visitor in, and the provider\'s redirect brings no cookie', async (stage) => {
    const { device, issuer, control } = await arrange(stage);
    const code = stage.paired.has(device) ? [] : ['--code', await device.openWindow()];
    const added = await stage.agent.json(['add', device.options.name, '--name', 'portal', ...code], { ms: 60000 });
    stage.paired.add(device);
    assert.equal(added.host ?? added.grant?.host, 'portal.local');
    const page = await stage.context.newPage();
    const text = () => page.evaluate(() => document.body.innerText);
    // The extension opens the session when the address is typed; who they are nobody knows yet.
    await page.goto(`${HOME}/`).catch(() => {});
    await page.waitForFunction(() => document.body?.innerText.includes('x-latchkey-sub'), null, { timeout: 15000 });
    assert.doesNotMatch(await text(), /x-latchkey-user/);
    await page.goto(`${HOME}/.well-known/latchkey/sso/start?return_to=%2Fwho`);
    if (page.url().startsWith(issuer)) await page.click('#ann');
    await page.waitForURL(`${HOME}/who`, { timeout: 15000 });
    assert.match(await text(), /"x-latchkey-user":"ann"/);
    // Whoever could not be signed in begins once more from the page that says so, and gets to where they were going.
    await page.evaluate(() => fetch('/.well-known/latchkey/sso/out', { method: 'POST', body: '{}' }));
    await order(control, { skew: 1200 });
    try {
      await page.goto(`${HOME}/.well-known/latchkey/sso/start?return_to=%2Fwho`);
      await page.waitForURL(`${HOME}/.well-known/latchkey/sso/callback`);
      await page.getByRole('heading', { name: 'You could not be signed in' }).waitFor();
    } finally {
      await order(control, { skew: 0 });
    }
    await page.getByRole('link', { name: 'Try again' }).click();
    await page.waitForURL((url) => url.href === `${HOME}/who` || url.origin === issuer);
    if (page.url().startsWith(issuer)) await page.click('#ann');
    await page.waitForURL(`${HOME}/who`, { timeout: 15000 });
    assert.match(await text(), /"x-latchkey-user":"ann"/);
    // An answer that is nobody's, as after going back in the window's history.
    await page.goto(`${HOME}/.well-known/latchkey/sso/callback?state=old&code=old`);
    await page.getByRole('link', { name: 'Try again' }).waitFor();
    assert.match(await page.getByRole('link', { name: 'Try again' }).getAttribute('href'), /^\/\.well-known\/latchkey\/sso\/start\?return_to=%2F$/);
    assert.ok(!device.requests().some((one) => one.path.includes('code=')), 'a code stands in the log');
  });

  scenario('sso: the provider that a page names is shown, agreed to, and kept', async (stage) => {
    const { issuer, control } = await arrange(stage);
    const device = await openDevice(stage);
    const page = await stage.visit(SITE);
    // What is no address of a provider is the page's mistake; no window opens for it.
    await page.evaluate(() => { window.lab.sso = { issuer: 'https://accounts.video.example/%2e' }; });
    await stage.press(page, [device.options.type]);
    assert.equal((await stage.outcome(page)).name, 'TypeError');
    const { window, says } = await askNaming(stage, page, device, { issuer, clientId: 'video' });
    assert.equal(says, 'You sign in on it with accounts.video.example:9443.');
    assert.equal(await window.locator('#sign-in-with b').innerText(), 'video.example');
    const { id, ok } = await agree(stage, page, device);
    assert.equal(ok, true);
    // Nothing about a provider stands in this device's file: what was agreed to is all it knows.
    const opened = stage.context.waitForEvent('page');
    const signing = signIn(page, id, {});
    const asks = await opened;
    if (!await asks.click('#ann', { timeout: 5000 }).then(() => true, () => asks.isClosed())) throw new Error('the provider asks something else');
    assert.deepEqual(await signing, { issuer, user: 'ann' });
    assert.equal((await told(page, id))['x-latchkey-user'], 'ann');
    assert.ok(!(await order(control, { seen: true })).includes('POST /reg'), 'the device registered itself, though a client was named');
    // Another page of the same device, whose permission names nobody, has nobody to sign in with.
    const other = await stage.visit(EVIL);
    const theirs = await stage.granted(other, device);
    for (const asked of [{}, { issuer }]) {
      const refused = await other.evaluate(([one, words]) => window.lab.devices.get(one).signIn(words).catch((error) => ({ message: error.message })),
        [theirs.id, { redirectUri: `${EVIL}/lab.html`, silent: true, ...asked }]);
      assert.match(refused.message, /unknown_issuer/);
    }
    // Over a restart of the device it is still the one that was agreed to.
    await device.process.stop();
    await device.run();
    await page.evaluate((one) => window.lab.devices.get(one).renew(), id);
    assert.equal((await told(page, id))['x-latchkey-user'], undefined);
    assert.deepEqual(await signIn(page, id, { silent: true }), { issuer, user: 'ann' });
  });

  scenario('sso: a page that names another provider asks anew, and the one before counts no more', async (stage) => {
    const { issuer } = await arrange(stage);
    const device = await openDevice(stage);
    const page = await stage.visit(SITE);
    await askNaming(stage, page, device, { issuer, clientId: 'video' });
    const { id } = await agree(stage, page, device);
    const { says } = await askNaming(stage, page, device, { issuer: 'https://login.evil.example' });
    assert.equal(says, 'You sign in on it with login.evil.example.');
    const again = await agree(stage, page, device);
    assert.equal(again.id, id, 'it is the same permission');
    const refused = await signIn(page, id, { silent: true, issuer });
    assert.match(refused.message, /unknown_issuer/);
    // The device looks for it on the internet, and nowhere else.
    assert.match((await signIn(page, id, { silent: true })).message, /provider_unreachable/);
    // And the owner who named their provider is asked for nobody else's.
    const { device: owners } = await arrange(stage);
    await askNaming(stage, page, owners, { issuer: 'https://login.evil.example' });
    const entrance = await agree(stage, page, owners);
    assert.match((await signIn(page, entrance.id, { silent: true })).message, /unknown_issuer/);
    await askNaming(stage, page, owners, { issuer, clientId: 'video' });
    await agree(stage, page, owners);
    const known = await signIn(page, entrance.id, { silent: true });
    assert.ok(known === null || known.user === 'ann', JSON.stringify(known));
  });
}
