// @latchkey/sdk: what a page needs around navigator.localDevices.
import type { LocalDevice, LocalDevices, LocalDeviceRequestOptions } from './types.js';

export type {
  LocalDevice,
  LocalDeviceEventMap,
  LocalDeviceFilter,
  LocalDeviceRequestOptions,
  LocalDeviceSignIn,
  LocalDevices,
  SignedIn,
  SignInOptions,
  SignOutOptions,
} from './types.js';

/** Whether this page can ask for devices. Known from the page's first script on. */
export function isSupported(): boolean {
  return localDevices() !== null;
}

/**
 * navigator.localDevices once it is there, or null when it is not within `timeoutMs`. The extension
 * defines it before the page's own scripts run, so the wait is for unusual cases.
 */
export async function whenReady(timeoutMs = 1000): Promise<LocalDevices | null> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = localDevices();
    if (found !== null || Date.now() >= end) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A device this web service has already, or else one the person chooses now. Call it from a click. */
export async function getOrRequestDevice(options: LocalDeviceRequestOptions): Promise<LocalDevice> {
  const devices = localDevices();
  if (devices === null) throw new DOMException('No device was chosen.', 'NotFoundError');
  const wanted = new Set(options.filters.map((filter) => filter.type));
  const known = await devices.getDevices();
  return known.find((device) => wanted.has(device.type)) ?? devices.requestDevice(options);
}

export type LocalDeviceFailure = 'not_chosen' | 'not_reachable' | 'gone' | 'not_allowed' | 'other';

/** Which of the few things that a page can learn an error says. */
export function failureOf(error: unknown): LocalDeviceFailure {
  const name: unknown = (error as { name?: unknown } | null | undefined)?.name;
  switch (name) {
    case 'NotFoundError':
      return 'not_chosen';
    case 'NetworkError':
      return 'not_reachable';
    case 'InvalidStateError':
      return 'gone';
    case 'NotAllowedError':
      return 'not_allowed';
    default:
      return 'other';
  }
}

/** The absolute address of a path on the device. Throws TypeError for one that leads elsewhere. */
export function urlOn(device: Pick<LocalDevice, 'url'>, path: string | URL): URL {
  const url = new URL(path, device.url);
  if (url.origin !== device.url) throw new TypeError('The path must be on this device.');
  return url;
}

/** Plays a file of the device in a <video> or <audio>: session, cross-origin mode and address. */
export async function playFrom(
  device: LocalDevice,
  media: HTMLMediaElement,
  path: string | URL,
): Promise<void> {
  const url = urlOn(device, path);
  await device.renew();
  media.crossOrigin = 'use-credentials'; // must stand before src does
  media.src = url.href;
}

/** The part of hls.js's configuration that makes its requests to the device carry the session. */
export interface HlsSetup {
  readonly xhrSetup: (xhr: Pick<XMLHttpRequest, 'withCredentials'>, url: string) => void;
  readonly fetchSetup: (context: { readonly url: string }, init: RequestInit) => Request;
}

/** `await device.renew(); new Hls({ ...hlsSetup(device) })`. Other hosts are asked as before. */
export function hlsSetup(device: Pick<LocalDevice, 'url'>): HlsSetup {
  const here = (url: string): boolean => {
    try {
      return new URL(url, device.url).origin === device.url;
    } catch {
      return false;
    }
  };
  return {
    xhrSetup: (xhr, url) => {
      if (here(url)) xhr.withCredentials = true;
    },
    fetchSetup: (context, init) =>
      new Request(context.url, here(context.url) ? { ...init, credentials: 'include' } : init),
  };
}

/** A WebSocket to the device, with the session. */
export async function openSocket(
  device: LocalDevice,
  path: string | URL,
  protocols: string | string[] = [],
): Promise<WebSocket> {
  const url = urlOn(device, path);
  await device.renew();
  url.protocol = 'wss:';
  return new WebSocket(url, protocols);
}

/**
 * For the page that the provider sends people back to (`redirectUri`): hands the answer to the page
 * that called device.signIn(), out of sight of the history, and closes the window.
 */
export function completeSignIn(): void {
  const channel = new BroadcastChannel('latchkey-sign-in');
  channel.postMessage({ search: location.search });
  channel.close();
  history.replaceState(null, '', location.pathname);
  window.close();
}

function localDevices(): LocalDevices | null {
  return typeof navigator === 'undefined' ? null : (navigator.localDevices ?? null);
}
