import type { Page } from './sender';

const kWidth = 400;
const kHeight = 600;

// Opens the consent window over the middle of the window that asked, or of the one in use. Returns its id.
export async function openConsentWindow(request: string, near: Page | null): Promise<number> {
  const base =
    near === null
      ? await chrome.windows.getLastFocused()
      : await chrome.windows.get((await chrome.tabs.get(near.tabId)).windowId);
  const left = (base.left ?? 0) + Math.max(0, Math.round(((base.width ?? kWidth) - kWidth) / 2));
  const top = (base.top ?? 0) + Math.max(0, Math.round(((base.height ?? kHeight) - kHeight) / 3));
  const made = await chrome.windows.create({
    type: 'popup',
    url: chrome.runtime.getURL(`consent.html#${request}`),
    width: kWidth,
    height: kHeight,
    left,
    top,
    focused: true,
  });
  if (made?.id === undefined) throw new Error('no window');
  return made.id;
}
