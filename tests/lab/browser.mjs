// Chromium on the home computer, driven by playwright-core. It trusts the lab's
// web authority through the trust database of its home folder, like a person's
// browser would; nothing about certificates is ever switched off.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const CHROMIUM = process.env.LATCHKEY_CHROMIUM ?? '/usr/bin/chromium';

const quote = (word) => `'${word.replaceAll("'", `'\\''`)}'`;

/** A program that starts Chromium inside the host's namespaces, for playwright to call. */
function entrance(host) {
  const file = join(host.folder, 'chromium');
  if (!existsSync(file)) {
    const words = host.wrap([CHROMIUM], { ownUid: true }).map(quote).join(' ');
    writeFileSync(file, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  }
  return file;
}

/** Words for a lab without namespaces: names lead to this machine, sites count as public. */
function loopbackWords(house, rules) {
  if (house.isolated) return [];
  return [
    `--host-resolver-rules=${rules.map(([pattern, port]) => `MAP ${pattern} 127.0.0.1:${port}`).join(', ')}`,
    `--ip-address-space-overrides=${rules.map(([, port, space]) => `127.0.0.1:${port}=${space}`).join(',')}`,
  ];
}

/**
 * @param {import('./house.mjs').Host} host
 * @param {{extension?: string, profile?: string, visible?: boolean, colorScheme?: string,
 *          env?: object, args?: string[], loopback?: [string, number, string][]}} options
 *   extension: unpacked folder; loopback: name pattern, port, address space.
 * @returns {Promise<import('playwright-core').BrowserContext>}
 */
export async function openBrowser(host, options = {}) {
  const profile = options.profile ?? join(host.home, 'chromium-profile');
  mkdirSync(profile, { recursive: true });
  const { extension, visible = false } = options;
  const asRoot = host.house.person.uid === 0;
  return chromium.launchPersistentContext(profile, {
    executablePath: entrance(host),
    headless: !visible,
    env: { ...host.environment, ...(options.env ?? {}) },
    ignoreDefaultArgs: ['--disable-extensions'],
    chromiumSandbox: !asRoot,
    colorScheme: options.colorScheme ?? 'light',
    // Every window in its own size: the consent window is small, and must look well so.
    viewport: null,
    args: [
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
      '--disable-features=DisableLoadExtensionCommandLineSwitch',
      ...(extension ? [`--load-extension=${extension}`, `--disable-extensions-except=${extension}`] : []),
      ...loopbackWords(host.house, options.loopback ?? []),
      ...(options.args ?? []),
    ],
  });
}

/**
 * The extension's service worker, once the extension is loaded and answers. Chromium holds pages back
 * while an extension is being loaded; its own page shows when that is over.
 */
export async function extensionWorker(context) {
  const worker = context.serviceWorkers()[0] ?? await context.waitForEvent('serviceworker', { timeout: 15000 });
  const page = await context.newPage();
  await page.goto(new URL('home.html', worker.url()).href);
  await page.locator('#list > *').first().waitFor();
  await page.close();
  return worker;
}

/** A tab of a desktop's size. */
export async function openTab(context, url, viewport = { width: 1280, height: 800 }) {
  const page = await context.newPage();
  await page.setViewportSize(viewport);
  if (url) await page.goto(url);
  return page;
}
