// What a person does to add a device they open themselves.

import { consentWindow, pick, waitState } from './consent.mjs';

/** Opens the toolbar's popup as a page of its own, which is the same page. */
export async function openHome(context, worker) {
  const page = await context.newPage();
  await page.goto(new URL('home.html', worker.url()).href);
  await page.locator('#list > *').first().waitFor();
  return page;
}

/**
 * Presses "Add a device" and picks one by its name; with `which` "new", the one of that name that is not
 * the person's yet. @returns the window, with the proposed name in it
 */
export async function beginAdding(context, worker, name, which) {
  const home = await openHome(context, worker);
  await home.click('#add');
  const window = await consentWindow(context);
  if (which === 'new') await pickNew(window, name);
  else await pick(window, name);
  await waitState(window, 'name');
  await home.close();
  return window;
}

/** Confirms the name in the field, or another one. */
export async function callIt(window, name) {
  if (name) await window.locator('#name').fill(name);
  await window.locator('#continue:enabled').click();
}

async function pickNew(window, name) {
  await waitState(window, 'looking');
  const rows = window.locator('[data-testid="device"]', { hasText: name });
  await rows.filter({ has: window.locator('.tag:not(.yours)') }).locator('label').click({ timeout: 15000 });
  await window.locator('#continue:enabled').click();
}
