// Firefox on the home computer, driven by puppeteer-core over WebDriver BiDi. What it gives has the words of
// browser.mjs, so that the scenarios, and the steps in the consent window, are the same for both browsers.

import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { FirefoxPage } from './firefox-page.mjs';
import { ADDON, ADDON_UUID, firefoxProfile } from './firefox-profile.mjs';
import { until } from './process.mjs';

export const FIREFOX = process.env.LATCHKEY_FIREFOX ?? '/usr/bin/firefox-esr';
const DRIVER = fileURLToPath(new URL('firefox-driver.mjs', import.meta.url));

/** puppeteer's idea of a connection, over the standard streams of the driver. */
class Wire {
  constructor(driver) {
    this.driver = driver;
    createInterface({ input: driver.stdout }).on('line', (line) => this.onmessage?.(line));
    driver.once('close', () => this.onclose?.());
  }

  send(message) {
    this.driver.stdin.write(`${message}\n`);
  }

  close() {
    this.driver.stdin.end();
  }
}

/** What the protocol calls a page; puppeteer has no public word for it. */
const contextOf = (raw) => raw.mainFrame()._id;

export class FirefoxContext {
  #pages = new Map();

  constructor(browser, driver, profile) {
    this.browser = browser;
    this.driver = driver;
    this.profile = profile;
    this.ended = new Promise((resolve) => driver.once('close', resolve));
    this.consoleListeners = [];
  }

  on(event, listener) {
    if (event !== 'console') throw new Error(`no ${event} here`);
    this.consoleListeners.push(listener);
  }

  #wrap(raw) {
    let page = this.#pages.get(raw);
    if (!page) {
      page = new FirefoxPage(raw, this);
      this.#pages.set(raw, page);
      raw.on('console', (message) => {
        for (const listener of this.consoleListeners) listener({ page: () => page, text: () => message.text() });
      });
      raw.once('close', () => this.#pages.delete(raw));
    }
    return page;
  }

  /**
   * Finds new windows, those that closed, and where each page is. The browser tells nothing of this about
   * pages of an extension, unless it is asked.
   */
  async look() {
    const there = new Set(await this.#there());
    for (const raw of await this.browser.pages()) {
      if (contextOf(raw) === this.first) continue; // The browser's own empty tab, which stays.
      const page = this.#wrap(raw);
      if (!there.has(contextOf(raw))) page.gone = true;
    }
    await Promise.all(this.pages().map((page) => page.lookUp()));
  }

  /** Pages as they were at the last look. */
  pages() {
    return [...this.#pages.values()].filter((page) => !page.isClosed());
  }

  /** A tab of the main window, whichever window is in front or about to close. */
  async newPage() {
    this.first ??= (await this.#there())[0];
    const { result } = await this.browser.connection.send('browsingContext.create', { type: 'tab', referenceContext: this.first });
    const raw = await until('the new tab', async () =>
      (await this.browser.pages()).find((one) => contextOf(one) === result.context));
    return this.#wrap(raw);
  }

  async #there() {
    const { result } = await this.browser.connection.send('browsingContext.getTree', { maxDepth: 0 });
    return result.contexts.map(({ context }) => context);
  }

  /** Installs the packed add-on for good, as a person does from a file; it stays over restarts. */
  async install(file) {
    const { result } = await this.browser.connection.send('webExtension.install',
      { extensionData: { type: 'archivePath', path: file }, 'moz:permanent': true });
    if (result.extension !== ADDON) throw new Error(`the add-on calls itself ${result.extension}`);
  }

  async close() {
    await this.browser.close().catch(() => {});
    this.driver.stdin.end();
    await this.ended;
  }
}

/** Where a page of the add-on is. */
export const addonPage = (name) => `moz-extension://${ADDON_UUID}/${name}`;

/**
 * @param {import('./house.mjs').Host} host
 * @param {{extension?: string, profile?: string, visible?: boolean, colorScheme?: string, env?: object,
 *          preferences?: object}} options   extension: the packed add-on; profile: its name
 * @returns {Promise<FirefoxContext>}
 */
export async function openFirefox(host, options = {}) {
  if (!host.house.isolated) throw new Error('Firefox in the lab needs network namespaces: it has no way to lead names elsewhere');
  const { visible = false, colorScheme = 'light' } = options;
  const profile = await firefoxProfile(host, options.profile, {
    'layout.css.prefers-color-scheme.content-override': colorScheme === 'dark' ? 0 : 1,
    'ui.systemUsesDarkTheme': colorScheme === 'dark' ? 1 : 0,
    ...(options.preferences ?? {}),
  });
  const [program, ...words] = host.wrap([
    process.execPath, DRIVER, FIREFOX, '--profile', profile, '--no-remote', '--new-instance',
    // The driver may open the extension's own pages, and they alone need this.
    '--remote-allow-system-access',
    ...(visible ? [] : ['--headless']), '--width', '1280', '--height', '886',
  ], { ownUid: true });
  const driver = spawn(program, words, { env: { ...host.environment, MOZ_HEADLESS_WIDTH: '1280', MOZ_HEADLESS_HEIGHT: '886', ...(options.env ?? {}) }, stdio: ['pipe', 'pipe', 'pipe'] });
  driver.stderr.pipe(createWriteStream(join(host.house.logs, `${host.name}-firefox.log`), { flags: 'a' }));
  driver.stdin.on('error', () => {});
  const begun = new Promise((_, reject) => {
    driver.once('error', reject);
    driver.once('close', (code) => reject(new Error(`Firefox ended with ${code}: see ${host.name}-firefox.log`)));
  });
  begun.catch(() => {});
  const browser = await Promise.race([begun, puppeteer.connect({
    transport: new Wire(driver), protocol: 'webDriverBiDi', defaultViewport: null, protocolTimeout: 60000,
  })]);
  const context = new FirefoxContext(browser, driver, profile);
  if (options.extension) await context.install(options.extension);
  return context;
}
