// What the scenarios play on: one house with two devices, an agent, a browser
// with the extension, a few web sites, and a provider that knows one of the
// sites and the maker of one of the devices.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startAvahi } from '../lab/avahi.mjs';
import { extensionWorker, openBrowser, openTab } from '../lab/browser.mjs';
import { consent, consentWindow } from '../lab/consent.mjs';
import { House } from '../lab/house.mjs';
import { Agent, Device, extension, ROOT } from '../lab/latchkey.mjs';
import { Maker } from '../lab/maker.mjs';
import { until } from '../lab/process.mjs';
import { Provider, PROVIDER, publicFolder } from '../lab/provider.mjs';
import { siteRoots } from '../../demo/site.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const PAGES = join(here, 'pages');

export const SITE = 'https://video.example';
export const EVIL = 'https://evil.example';
export const PHOTOS = 'https://photos.example';
export const SUB = 'https://sub.video.example';
export const SITES = [SITE, EVIL, PHOTOS, SUB];
export const MEDIA = { type: 'media-cache', name: 'Living room cache' };
export const MODEL = { name: 'Nordlicht', model: 'Nordlicht C2', type: 'media-cache' };
export const STORE = { type: 'nas', name: 'Box under the stairs' };
// Names that want to be taken for another's.
export const LOOKALIKES = ['xn--vdeo-l9d.example', 'video.example.sign-in.accounts.evil.example'];

export class Stage {
  static async set(out) {
    const stage = new this();
    stage.out = out;
    stage.console = [];
    stage.paired = new Set(); // devices whose code was typed once
    stage.house = await House.create({
      logs: join(out, 'logs'),
      say: console.log,
      sites: [
        { names: ['video.example', 'sub.video.example'], roots: [...siteRoots(), PAGES] },
        { names: ['evil.example', LOOKALIKES[1]], roots: [PAGES] },
        { names: ['photos.example', LOOKALIKES[0]], roots: [PAGES] },
        { names: [PROVIDER.host, 'localhost'], roots: (folder) => [publicFolder(folder)] },
        // Its names; who answers is started by the scenarios of single sign-on, on another port.
        { names: ['accounts.video.example'], roots: [PAGES] },
        { names: ['sandboxed.example'], roots: [PAGES], headers: { 'Content-Security-Policy': 'sandbox allow-scripts allow-popups' } },
      ],
    });
    try {
      await stage.#furnish();
    } catch (error) {
      await stage.keepArtefacts('furnishing the house', error);
      await stage.house.close();
      throw error;
    }
    return stage;
  }

  /** What `latchkey setup` has to know besides what it finds. */
  setUp() {
    this.profile = join(this.house.pc.home, '.config/chromium');
    mkdirSync(this.profile, { recursive: true });
    return this.agent.setup({ browserFolders: [this.profile] });
  }

  async #furnish() {
    const { house } = this;
    const livingroom = await house.addDevice('livingroom');
    this.upstream = livingroom.spawn('upstream', [process.execPath, join(here, 'upstream.mjs'), '8080', join(ROOT, 'out/media')]);
    await this.upstream.waitFor(/^upstream on 8080$/m);
    this.maker = await Maker.create(join(house.folder, 'maker'), MODEL);
    this.provider = await Provider.create(house);
    await this.provider.import(this.maker);
    if (house.isolated) await this.provider.register(SITE);
    await this.provider.publish();
    this.device = await Device.start(livingroom, { ...MEDIA, upstream: 'http://127.0.0.1:8080', words: await this.maker.batch() });
    this.store = await Device.start(await house.addDevice('stairs'),
      { ...STORE, serve: join(ROOT, 'out/media'), port: house.isolated ? 8443 : 8444 });
    const told = house.isolated ? [] : [this.device, this.store].flatMap((device) =>
      ['--static-device', `${device.options.type},${device.options.name},127.0.0.1,${device.port}`]);
    this.agent = await Agent.start(house.pc, { words: [...this.provider.words, ...told] });
    await this.agent.refresh();
    await this.setUp();
    await this.openBrowser();
  }

  async openBrowser() {
    this.context = await openBrowser(this.house.pc, {
      extension: extension().folder,
      profile: this.profile,
      // On Linux it is not in Chromium by itself yet. The last word on features counts, so Playwright's own is said again.
      // The languages of pages are the profile's from its first start on; the browser's own are the desktop's.
      args: ['--enable-features=CDPScreenshotNewSurface,WebBluetooth', ...(this.language ? [`--accept-lang=${this.language}`] : [])],
      env: { ...this.browserEnv, ...(this.language ? { LANGUAGE: this.language } : {}) },
      loopback: [...SITES.map((site) => [new URL(site).hostname, this.house.sitePort, 'public']),
        ['*.local', this.device.port, 'local']],
    });
    this.worker = await extensionWorker(this.context);
    this.context.on('console', (message) => this.console.push(`${message.page()?.url()}: ${message.text()}`));
    // The browser's own permission for the local network, for every site: what is refused below
    // is refused by Latchkey and not for the lack of it.
    for (const origin of SITES) await this.context.grantPermissions(['local-network-access'], { origin });
  }

  async restartBrowser() {
    await this.context.close();
    await this.openBrowser();
  }

  /** The browser of somebody who reads `language`, while `work` lasts. */
  async inLanguage(language, work) {
    this.language = language;
    await this.restartBrowser();
    try {
      return await work();
    } finally {
      delete this.language;
      await this.restartBrowser();
    }
  }

  /** A test page of `origin`. */
  async visit(origin, path = '/lab.html') {
    return openTab(this.context, `${origin}${path}`);
  }

  /** Presses the page's button, as a person does; the page's own promise is `outcome(page)`. */
  async press(page, types = [MEDIA.type]) {
    await page.evaluate((wanted) => { window.lab.types = wanted; }, types);
    await page.click('#ask');
  }

  outcome(page) {
    return page.evaluate(() => window.lab.outcome);
  }

  /** Everything a person does to let `page` use `device`. @returns what the page was given, and whether a code was asked */
  async letUse(page, device = this.device) {
    await this.press(page, [device.options.type]);
    const code = this.paired.has(device) ? undefined : await device.openWindow();
    const { window, asked } = await consent(this.context, { name: device.options.name, code });
    this.paired.add(device);
    await window.click('#close').catch(() => {}); // It also closes by itself.
    const outcome = await this.outcome(page);
    assert.equal(outcome.ok, true, `the page was refused: ${JSON.stringify(outcome)}`);
    return { ...outcome, asked };
  }

  /** The device that `page` may use already, or else may from now on. */
  async granted(page, device = this.device) {
    const found = await page.evaluate((type) => window.lab.known(type), device.options.type);
    return found ?? this.letUse(page, device);
  }

  /** What the provider says now reaches the agent now. */
  async refresh() {
    await this.agent.refresh();
  }

  /** The agent with more words on its command line than it has usually, while `work` lasts. */
  async withAgentWords(words, work) {
    const usual = this.agent.options.words;
    const again = async (next) => {
      this.agent.options.words = next;
      await this.agent.restart();
      await this.restartBrowser(); // It would come back by itself, after half a minute.
    };
    await again([...usual, ...words]);
    try {
      return await work();
    } finally {
      await again(usual);
    }
  }

  async grants() {
    const answer = await this.agent.json(['grants']);
    return (Array.isArray(answer) ? answer : answer.grants).filter((grant) => grant.state === 'active');
  }

  /** Control: a computer at home whose HTTPS server answers everybody. */
  async neighbour() {
    if (this.printer) return this.printer;
    const host = await this.house.addDevice('printer');
    await startAvahi(host);
    const { cert, key } = await this.house.authority.issue('printer.local', `IP:${host.address}`);
    const server = host.spawn('open-server', [process.execPath, join(here, 'upstream.mjs'), '8443', join(ROOT, 'out/media'), cert, key]);
    await server.waitFor(/^upstream on 8443$/m);
    this.printer = { host, server };
    return this.printer;
  }

  /** Lines of the upstream that match. */
  upstreamSays(pattern) {
    return this.upstream.stdout.split('\n').filter((line) => pattern.test(line));
  }

  /** The rules that the extension has in force. */
  rules() {
    return this.worker.evaluate(() => chrome.declarativeNetRequest.getDynamicRules());
  }

  consentWindow(ms) {
    return consentWindow(this.context, ms);
  }

  /** After each scenario: no page left open. */
  async tidy() {
    if (!this.context) return;
    await this.context.look?.();
    for (const page of this.context.pages().slice(1)) await page.close().catch(() => {});
    await this.house.restoreWan?.().catch(() => {});
    await until('the consent window to be gone', async () => {
      await this.context.look?.();
      return !this.context.pages().some((page) => page.url().includes('/consent.html'));
    }, 5000).catch(() => {});
  }

  async keepArtefacts(name, error) {
    const folder = join(this.out, name.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 60));
    mkdirSync(folder, { recursive: true });
    const pages = this.context?.pages() ?? [];
    for (const [index, page] of pages.entries()) {
      await page.screenshot({ path: join(folder, `page-${index}.png`), timeout: 4000 }).catch(() => {});
    }
    writeFileSync(join(folder, 'report.txt'), [
      error.stack, '', 'Pages:', ...pages.map((page) => page.url()), '', 'Console:', ...this.console.slice(-60),
      '', 'Device:', ...(this.device?.requests() ?? []).slice(-30).map((each) => JSON.stringify(each)),
      '', 'Agent:', this.agent?.process.tail(40) ?? '', '', 'Device log:', this.device?.process.tail(40) ?? '',
    ].join('\n'));
  }

  async strike() {
    await this.context?.close().catch(() => {});
    await this.house.close();
  }
}
