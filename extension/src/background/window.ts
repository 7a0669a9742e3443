import type { Page } from './sender';

// As small as it can be; and with the browser's own bars around it.
export type WindowKind = 'popup' | 'normal';
const kSizes = { popup: [400, 600], normal: [520, 740] } as const;

// Opens the consent window over the middle of the window that asked, or of the one in use. Returns its id.
export async function openConsentWindow(
  request: string,
  near: Page | null,
  kind: WindowKind,
): Promise<number> {
  const [width, height] = kSizes[kind];
  const base =
    near === null
      ? await chrome.windows.getLastFocused()
      : await chrome.windows.get((await chrome.tabs.get(near.tabId)).windowId);
  const left = (base.left ?? 0) + Math.max(0, Math.round(((base.width ?? width) - width) / 2));
  const top = (base.top ?? 0) + Math.max(0, Math.round(((base.height ?? height) - height) / 3));
  const made = await chrome.windows.create({
    type: kind,
    url: chrome.runtime.getURL(`consent.html#${request}`),
    width,
    height,
    left,
    top,
    focused: true,
  });
  if (made?.id === undefined) throw new Error('no window');
  return made.id;
}
