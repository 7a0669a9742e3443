// Pages of Firefox with the words that the lab's scenarios use for Chromium's: the part of Playwright's
// Page and Locator that is used, on puppeteer-core. Clicks and keys are real ones; everything waits for its
// condition.

import { until } from './process.mjs';

const PATIENCE_MS = 15000;

/**
 * Runs in the page: the element that `steps` lead to, as {found, x, y, ...}. Each step is {css, text?, exact?}:
 * all elements that match it below those of the step before, and hold the text, or are it; or {has}: of
 * those of the step before, the ones that have such a one below them.
 */
function look(steps, want) {
  let scope = [document];
  for (const { css, text, exact, has, index } of steps) {
    const fits = (one) => (exact === undefined || one.textContent.trim() === exact) && (!text || one.textContent.includes(text));
    if (css) scope = scope.flatMap((one) => [...one.querySelectorAll(css)]).filter(fits);
    // Those with something in them that the steps of `has` lead to.
    if (has) scope = scope.filter((one) => has.every((each) => [...one.querySelectorAll(each.css)].some((inner) => each.exact === undefined || inner.textContent.trim() === each.exact)));
    if (index !== undefined) scope = scope.slice(index, index + 1);
  }
  const [element] = scope;
  if (!element) return { found: false, count: 0 };
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  const visible = box.width > 0 && box.height > 0 && style.visibility !== 'hidden';
  const result = { found: true, count: scope.length, visible };
  if (want.attribute !== undefined) result.attribute = element.getAttribute(want.attribute);
  if (want.text) result.text = element.textContent;
  if (want.innerText) result.innerText = element.innerText;
  if (want.point && visible) {
    element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const { x, y, width, height } = element.getBoundingClientRect();
    const hit = document.elementFromPoint(x + width / 2, y + height / 2);
    const label = element.closest('label');
    Object.assign(result, {
      x: x + width / 2, y: y + height / 2,
      reachable: !element.disabled && hit !== null && (element.contains(hit) || hit.contains(element) || (label !== null && label.contains(hit))),
    });
  }
  if (want.focus) {
    element.focus();
    element.select?.();
  }
  return result;
}

export class FirefoxLocator {
  constructor(page, steps) {
    this.page = page;
    this.steps = steps;
  }

  locator(css, { hasText } = {}) {
    return new FirefoxLocator(this.page, [...this.steps, { css, text: hasText }]);
  }

  /** @param {{has: FirefoxLocator}} what  a locator of one step */
  filter({ has }) {
    return new FirefoxLocator(this.page, [...this.steps, { has: has.steps }]);
  }

  first() {
    const last = this.steps.at(-1);
    return new FirefoxLocator(this.page, [...this.steps.slice(0, -1), { ...last, index: 0 }]);
  }

  get name() {
    return this.steps.map(({ css, text, exact, has }) =>
      has ? `that has ${has.map((each) => each.exact ?? each.css).join(' ')}` : text || exact ? `${css} with “${text ?? exact}”` : css).join(' ');
  }

  look(want = {}) {
    return this.page.evaluate(look, this.steps, want);
  }

  async count() {
    return (await this.look()).count;
  }

  async waitFor({ state = 'visible', timeout = PATIENCE_MS } = {}) {
    await until(`${this.name} to be ${state}`, async () => {
      const { found, visible } = await this.look();
      return { visible: found && visible, hidden: !found || !visible, attached: found, detached: !found }[state];
    }, timeout);
  }

  async #settled(want, timeout, what) {
    return until(`${this.name} to ${what}`, async () => {
      const seen = await this.look(want);
      return seen.found && seen;
    }, timeout);
  }

  async getAttribute(name, { timeout = PATIENCE_MS } = {}) {
    return (await this.#settled({ attribute: name }, timeout, 'be there')).attribute;
  }

  async textContent({ timeout = PATIENCE_MS } = {}) {
    return (await this.#settled({ text: true }, timeout, 'be there')).text;
  }

  async innerText({ timeout = PATIENCE_MS } = {}) {
    return (await this.#settled({ innerText: true }, timeout, 'be there')).innerText;
  }

  /** With a real pointer, once the element is in reach and stands still. */
  async click({ timeout = PATIENCE_MS } = {}) {
    let before = null;
    const { x, y } = await until(`${this.name} to be clickable`, async () => {
      const seen = await this.look({ point: true });
      const still = seen.reachable && before?.x === seen.x && before?.y === seen.y;
      before = seen.reachable ? seen : null;
      return still && seen;
    }, timeout);
    await this.page.raw.mouse.click(x, y);
  }

  async fill(text, { timeout = PATIENCE_MS } = {}) {
    await this.waitFor({ timeout });
    await this.look({ focus: true });
    await this.page.raw.keyboard.press('Delete');
    await this.page.raw.keyboard.type(text);
  }
}

export class FirefoxPage {
  /**
   * @param {import('puppeteer-core').Page} raw
   * @param {import('./firefox.mjs').FirefoxContext} context
   */
  constructor(raw, context) {
    this.raw = raw;
    this.context = context;
    this.gone = false;
    this.address = null; // of the extension's pages, which the browser calls about:blank
  }

  url() {
    return this.address ?? this.raw.url();
  }

  /** Asks the page itself where it is. */
  async lookUp() {
    this.address = await this.raw.evaluate(() => location.href).catch(() => null);
  }

  isClosed() {
    return this.gone || this.raw.isClosed();
  }

  on(event, listener) {
    this.raw.on(event, listener);
  }

  /** Runs in every document of this tab before its own scripts. */
  addInitScript(work) {
    return this.raw.evaluateOnNewDocument(work);
  }

  evaluate(work, ...words) {
    return this.raw.evaluate(work, ...words);
  }

  locator(css, { hasText } = {}) {
    return new FirefoxLocator(this, [{ css, text: hasText }]);
  }

  /** The elements whose text is exactly this. */
  getByText(text, { exact } = {}) {
    if (!exact) throw new Error('only exact texts are found here');
    return new FirefoxLocator(this, [{ css: '*', exact: text }]);
  }

  async goto(url) {
    if (!url.startsWith('moz-extension:')) return this.raw.goto(url, { waitUntil: 'load' });
    // For its own pages the browser reports no load: the page is asked.
    const going = this.raw.goto(url, { timeout: PATIENCE_MS }).catch(() => {});
    await until(`${url} to be there`, () => this.raw.evaluate((wanted) => location.href === wanted && document.readyState === 'complete', url).catch(() => false));
    void going;
    this.address = url;
    return null;
  }

  waitForSelector(css, { timeout, state } = {}) {
    return this.locator(css).waitFor({ timeout, state });
  }

  waitForFunction(work, word = null, { timeout = 30000 } = {}) {
    return until(`the page: ${String(work).slice(0, 120)}`, () => this.raw.evaluate(work, word), timeout);
  }

  click(css, options) {
    return this.locator(css).click(options);
  }

  fill(css, text) {
    return this.locator(css).fill(text);
  }

  getAttribute(css, name) {
    return this.locator(css).getAttribute(name);
  }

  textContent(css) {
    return this.locator(css).textContent();
  }

  screenshot({ path }) {
    return this.raw.screenshot({ path });
  }

  setViewportSize({ width, height }) {
    return this.raw.setViewport({ width, height, deviceScaleFactor: 1 });
  }

  bringToFront() {
    return this.raw.bringToFront();
  }

  async waitForEvent(event, { timeout = PATIENCE_MS } = {}) {
    if (event !== 'close') throw new Error(`no waiting for ${event} here`);
    await until('the window to close', async () => {
      await this.context.look();
      return this.isClosed();
    }, timeout);
  }

  async close() {
    await this.raw.close();
    this.gone = true;
  }
}
