// What a person does in the consent window, one function a step.

import { until } from './process.mjs';

const isConsent = (page) => /^(?:chrome|moz)-extension:\/\/[a-z0-9-]+\/consent\.html/.test(page.url()) && !page.isClosed();

/** The open consent window, if there is one. */
export function openConsent(context) {
  return context.pages().find(isConsent) ?? null;
}

/** Waits for the consent window. */
export function consentWindow(context, ms = 10000) {
  return until('the consent window', async () => {
    await context.look?.(); // Firefox does not say where its own pages are; they have to be asked.
    return openConsent(context);
  }, ms);
}

export const stateOf = (window) => window.getAttribute('main', 'data-state');

export async function waitState(window, state, ms = 15000) {
  await window.waitForSelector(`main[data-state="${state}"]`, { timeout: ms });
}

export async function allow(window) {
  await waitState(window, 'asking');
  await window.locator('#allow:enabled').click();
}

/** Picks the device a person would recognise by `name`. */
export async function pick(window, name) {
  await waitState(window, 'looking');
  const named = window.getByText(name, { exact: true }); // not "Living room cache #2"
  await window.locator('[data-testid="device"]').filter({ has: named }).locator('label').click({ timeout: 15000 });
  await window.locator('#continue:enabled').click();
}

export async function typeCode(window, code) {
  await waitState(window, 'code');
  await window.locator('[data-testid="code"]').fill(code);
  await window.locator('#continue:enabled').click();
}

/**
 * The whole of it, up to "done". `code` is typed if the window asks for one.
 * @returns {Promise<{window: import('playwright-core').Page, asked: boolean}>} asked: for a code
 */
export async function consent(context, { name, code }) {
  const window = await consentWindow(context);
  await allow(window);
  await pick(window, name);
  await window.waitForSelector(['code', 'working', 'done', 'problem'].map((state) => `main[data-state="${state}"]`).join(), { timeout: 15000 });
  const asked = await stateOf(window) === 'code';
  if (asked) await typeCode(window, code ?? '00000000');
  await Promise.race([
    waitState(window, 'done', 20000),
    window.waitForSelector('main[data-state="problem"], #code-trouble .note', { timeout: 20000 }).then(async () => {
      throw new Error(`the consent window says: ${(await window.locator('main').innerText()).replaceAll('\n', ' ')}`);
    }),
  ]);
  return { window, asked };
}

export async function refuse(window) {
  await window.locator('#deny, #close').first().click();
  if (!window.isClosed()) await window.waitForEvent('close', { timeout: 5000 });
}
