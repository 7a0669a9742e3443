// LocalDevices and LocalDevice as pages see them.
import { type PageDevice, readPageDevice } from '../protocol/internal';
import { kTypeShape } from '../protocol/agent';
import { type Bridge, Refused } from './bridge';
import { errorFor } from './errors';

interface Inside {
  readonly bridge: Bridge;
  readonly fetch: typeof fetch;
}

export class LocalDevice extends EventTarget {
  readonly #inside: Inside;
  readonly #device: PageDevice;
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
    if (response.status !== 401) {
      void again.body?.cancel().catch(() => undefined);
      return response;
    }
    await this.renew();
    return this.#send(again);
  }

  // Opens the session or makes it anew; before <video> or WebSocket with a device of getDevices().
  async renew(): Promise<void> {
    await this.#call('open');
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

  async #send(request: Request): Promise<Response> {
    try {
      return await this.#inside.fetch(request);
    } catch (error) {
      if (request.signal.aborted || !(error instanceof TypeError)) throw error;
      await this.#call('status');
      throw errorFor('unreachable');
    }
  }

  async #call(method: 'open' | 'forget' | 'status'): Promise<void> {
    if (this.#gone) throw errorFor('gone');
    try {
      await this.#inside.bridge.call({ method, device: this.id });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.failure === 'gone') this.#end();
      throw errorFor(error.failure);
    }
  }
}

export interface RequestOptions {
  readonly filters: readonly { readonly type: string }[];
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

export function makeLocalDevices(bridge: Bridge, target: Window & typeof globalThis): LocalDevices {
  const devices = new Map<string, LocalDevice>();
  const inside: Inside = { bridge, fetch: target.fetch.bind(target) };
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
      try {
        return deviceFor(await bridge.call({ method: 'request', types }));
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
