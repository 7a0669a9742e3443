import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import {
  type LocalDevice,
  type LocalDevices,
  failureOf,
  getOrRequestDevice,
  hlsSetup,
  isSupported,
  openSocket,
  playFrom,
  urlOn,
  whenReady,
} from '../src/index.js';

const url = 'https://media-cache-k3f7x2m7q4ab.local:8443';
let renewed = 0;
const device = {
  id: 'a',
  type: 'media-cache',
  url,
  renew: () => {
    renewed += 1;
    return Promise.resolve();
  },
} as unknown as LocalDevice;

function browser(known: LocalDevice[] | null): void {
  const localDevices: Partial<LocalDevices> | undefined =
    known === null
      ? undefined
      : { getDevices: () => Promise.resolve(known), requestDevice: () => Promise.resolve(device) };
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { localDevices } });
}

afterEach(() => {
  renewed = 0;
  browser(null);
});

test('feature detection', async () => {
  browser(null);
  assert.equal(isSupported(), false);
  assert.equal(await whenReady(60), null);
  browser([]);
  assert.equal(isSupported(), true);
  assert.ok(await whenReady());
});

test('a device that comes late is waited for', async () => {
  browser(null);
  setTimeout(() => {
    browser([]);
  }, 80);
  assert.ok(await whenReady(5000));
});

test('a known device of the kind, or else the question', async () => {
  const options = { filters: [{ type: 'media-cache' }] };
  const other = { ...device, type: 'printer' } as LocalDevice;
  const known = { ...device, id: 'known' } as LocalDevice;
  browser([other, known]);
  assert.equal((await getOrRequestDevice(options)).id, 'known');
  browser([other]);
  assert.equal((await getOrRequestDevice(options)).id, 'a');
  browser(null);
  await assert.rejects(getOrRequestDevice(options), { name: 'NotFoundError' });
});

test('failures', () => {
  assert.equal(failureOf(new DOMException('', 'NotFoundError')), 'not_chosen');
  assert.equal(failureOf(new DOMException('', 'NetworkError')), 'not_reachable');
  assert.equal(failureOf(new DOMException('', 'InvalidStateError')), 'gone');
  assert.equal(failureOf(new DOMException('', 'NotAllowedError')), 'not_allowed');
  assert.equal(failureOf(null), 'other');
});

test('addresses stay on the device', () => {
  assert.equal(urlOn(device, '/films/a b').href, `${url}/films/a%20b`);
  assert.throws(() => urlOn(device, 'https://evil.example/'), TypeError);
  assert.throws(() => urlOn(device, '//evil.example/'), TypeError);
});

test('video: session first, then cross-origin mode, then the address', async () => {
  const order: string[] = [];
  const video = {
    set crossOrigin(value: string) {
      order.push(`${value} after ${renewed}`);
    },
    set src(value: string) {
      order.push(value);
    },
  };
  await playFrom(device, video as unknown as HTMLMediaElement, '/a.mp4');
  assert.deepEqual(order, ['use-credentials after 1', `${url}/a.mp4`]);
});

test('hls.js: the session goes to the device and nowhere else', () => {
  const setup = hlsSetup(device);
  const ask = (target: string): boolean => {
    const xhr = { withCredentials: false };
    setup.xhrSetup(xhr, target);
    return xhr.withCredentials;
  };
  assert.equal(ask(`${url}/a.m3u8`), true);
  assert.equal(ask('https://cdn.example/a.ts'), false);
  assert.equal(ask(`${url}.evil.example/a.ts`), false);
  assert.equal(setup.fetchSetup({ url: `${url}/a.ts` }, {}).credentials, 'include');
  assert.equal(setup.fetchSetup({ url: 'https://cdn.example/' }, {}).credentials, 'same-origin');
});

test('sockets go over wss', async () => {
  const made: string[] = [];
  Object.defineProperty(globalThis, 'WebSocket', {
    configurable: true,
    value: function (target: URL) {
      made.push(target.href);
    },
  });
  await openSocket(device, '/events');
  assert.deepEqual(made, [`${url.replace('https', 'wss')}/events`]);
  assert.equal(renewed, 1);
});
