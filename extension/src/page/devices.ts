// LocalDevices and LocalDevice as pages see them.
import { type PageDevice, readOpened, readPageDevice } from '../protocol/internal';
import { kTypeShape } from '../protocol/agent';
import { type SignInAsk, readSignInAsk } from '../protocol/sign-in';
import { type Bridge, Refused } from './bridge';
import { errorFor } from './errors';
import { type SignedIn, type SignInOptions, type SignOutOptions, SingleSignOn } from './sso';

interface Inside {
  readonly bridge: Bridge;
  readonly fetch: typeof fetch;
  readonly target: Window & typeof globalThis;
}

// What may be sent a second time without knowing whether the first one arrived (RFC 9110, 9.2.2),
// and still can be: a stream is read once.
function isRepeatable(request: Request, init: RequestInit): boolean {
  const isStream = typeof ReadableStream !== 'undefined' && init.body instanceof ReadableStream;
  return !isStream && ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'].includes(request.method);
}

function drop(request: Request): void {
  void request.body?.cancel().catch(() => undefined);
}

export class LocalDevice extends EventTarget {
  readonly #inside: Inside;
  #device: PageDevice;
  #gone = false;

  constructor(inside: Inside, device: PageDevice) {
    super();
    this.#inside = inside;
    this.#device = device;
  }

  get id(): string {
    return this.#device.id;
  }

  get type(): string {
    return this.#device.type;
  }

  get url(): string {
    return this.#device.url;
  }

  // As window.fetch, for paths of this device; opens the session anew when it has ended.
  async fetch(path: string | URL = '/', init: RequestInit = {}): Promise<Response> {
    const url = new URL(path, this.url);
    if (url.origin !== this.url) throw new TypeError('The path must be on this device.');
    if (this.#gone) throw errorFor('gone');
    const request = new Request(url, { ...init, mode: 'cors', credentials: 'include' });
    const again = request.clone();
    const response = await this.#send(request);
    if (response !== null && response.status !== 401) {
      drop(again);
      return response;
    }
    if (response === null && !isRepeatable(request, init)) {
      drop(again);
      throw errorFor('unreachable');
    }
    // The session has ended; or the device could not be reached: perhaps its certificate ran out
    // while everything slept, or it has moved. The agent sees to that before it opens a session.
    await this.#open(response === null ? 'reopen' : 'open');
    const second = await this.#send(this.#here(again, url));
    if (second === null) throw errorFor('unreachable');
    return second;
  }

  // Opens the session or makes it anew; before <video> or WebSocket with a device of getDevices().
  async renew(): Promise<void> {
    await this.#open('open');
  }

  // Signs the person in at the device with an identity provider; from a click, unless silent.
  async signIn(options: SignInOptions): Promise<SignedIn | null> {
    return this.#sso().signIn(options);
  }

  // Who is signed in at the device in this page's session.
  async signedIn(): Promise<SignedIn | null> {
    return this.#sso().state();
  }

  async signOut(options: SignOutOptions = {}): Promise<string | null> {
    return this.#sso().signOut(options);
  }

  #sso(): SingleSignOn {
    return new SingleSignOn((path, init) => this.fetch(path, init), this.#inside.target);
  }

  // Gives the device back: this site can not use it any more.
  async forget(): Promise<void> {
    await this.#call('forget');
    this.#end();
  }

  /** Called when the device was taken back, by whomever. */
  static ended(device: LocalDevice): void {
    device.#end();
  }

  /** Called when what was taken back may be used again. */
  static restored(device: LocalDevice): void {
    if (!device.#gone) return;
    device.#gone = false;
    device.dispatchEvent(new Event('restored'));
  }

  #end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.dispatchEvent(new Event('revoked'));
  }

  // Null: the device could not be reached, and is not gone for good.
  async #send(request: Request): Promise<Response | null> {
    try {
      return await this.#inside.fetch(request);
    } catch (error) {
      if (request.signal.aborted || !(error instanceof TypeError)) throw error;
      await this.#call('status');
      return null;
    }
  }

  async #open(method: 'open' | 'reopen'): Promise<void> {
    const url = readOpened(await this.#call(method));
    // Another port, never another name.
    if (url !== null && new URL(url).hostname === new URL(this.url).hostname) {
      this.#device = { ...this.#device, url };
    }
  }

  // The request as it was, for where the device is now.
  #here(request: Request, url: URL): Request {
    if (url.origin === this.url) return request;
    return new Request(new URL(url.pathname + url.search, this.url), request);
  }

  async #call(method: 'open' | 'reopen' | 'forget' | 'status'): Promise<unknown> {
    if (this.#gone) throw errorFor('gone');
    try {
      return await this.#inside.bridge.call({ method, device: this.id });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.failure === 'gone') this.#end();
      throw errorFor(error.failure);
    }
  }
}

export interface RequestOptions {
  readonly filters: readonly { readonly type: string }[];
  readonly sso?: { readonly issuer: string; readonly clientId?: string };
}

export interface LocalDevices {
  requestDevice(options: RequestOptions): Promise<LocalDevice>;
  getDevices(): Promise<LocalDevice[]>;
  getAvailability(): Promise<boolean>;
}

const kMaxFilters = 8;

// The page's own mistake, told as such; nothing about the person is in it.
export function typesOf(options: unknown): string[] {
  const filters: unknown = (options as Partial<RequestOptions> | null | undefined)?.filters;
  if (!Array.isArray(filters) || filters.length === 0 || filters.length > kMaxFilters) {
    throw new TypeError(`requestDevice needs 1 to ${kMaxFilters} filters.`);
  }
  return filters.map((filter: unknown) => {
    const type: unknown = (filter as { type?: unknown } | null | undefined)?.type;
    if (typeof type !== 'string' || !kTypeShape.test(type)) {
      throw new TypeError('A filter needs a type such as "media-cache".');
    }
    return type;
  });
}

// The same for whom people are to sign in with.
export function ssoOf(options: unknown): SignInAsk | null {
  try {
    return readSignInAsk((options as Partial<RequestOptions> | null | undefined)?.sso);
  } catch {
    throw new TypeError('sso needs the issuer as its provider writes it, and a clientId or none.');
  }
}

export function makeLocalDevices(bridge: Bridge, target: Window & typeof globalThis): LocalDevices {
  const devices = new Map<string, LocalDevice>();
  const inside: Inside = { bridge, fetch: target.fetch.bind(target), target };
  const deviceFor = (value: unknown): LocalDevice => {
    const known = readPageDevice(value);
    const found = devices.get(known.id);
    if (found !== undefined) {
      LocalDevice.restored(found); // it would not have been handed out otherwise
      return found;
    }
    const device = new LocalDevice(inside, known);
    devices.set(known.id, device);
    return device;
  };
  bridge.onEvent = ({ event, device: id }) => {
    const device = devices.get(id);
    if (device !== undefined) LocalDevice[event === 'revoked' ? 'ended' : 'restored'](device);
  };

  return Object.freeze({
    async requestDevice(options: RequestOptions): Promise<LocalDevice> {
      const types = typesOf(options);
      const sso = ssoOf(options);
      try {
        return deviceFor(await bridge.call({ method: 'request', types, sso }));
      } catch {
        throw errorFor('none');
      }
    },

    async getDevices(): Promise<LocalDevice[]> {
      try {
        const list = await bridge.call({ method: 'list' });
        return Array.isArray(list) ? list.map(deviceFor) : [];
      } catch {
        return [];
      }
    },

    // Only that this browser can ask. Never whether there is a device, or anything set up.
    getAvailability(): Promise<boolean> {
      return Promise.resolve(true);
    },
  });
}
