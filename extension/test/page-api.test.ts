import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GestureGate } from '../src/content/gesture';
import { refusalDelayMs } from '../src/content/delay';
import { type Bridge, Refused } from '../src/page/bridge';
import { type LocalDevice, makeLocalDevices, ssoOf, typesOf } from '../src/page/devices';
import { errorFor } from '../src/page/errors';
import { type PageEvent, kFailures } from '../src/protocol/internal';

const device = {
  id: 'A'.repeat(22),
  type: 'media-cache',
  url: 'https://media-cache-k3f7x2m7q4ab.local:8443',
};
const options = { filters: [{ type: 'media-cache' }] };

type Answer = (method: string) => unknown;
type Fetch = (request: Request) => Promise<Response>;

function localDevices(answer: Answer, fetch: Fetch = () => Promise.resolve(new Response())) {
  const bridge = {
    call: (request: { method: string }) =>
      new Promise((resolve) => {
        resolve(answer(request.method));
      }),
    onEvent: (event: PageEvent): void => {
      assert.fail(event.event);
    },
  };
  const target = { fetch: (request: Request) => fetch(request) };
  return { bridge, api: makeLocalDevices(bridge as unknown as Bridge, target as never) };
}

function refuse(failure: (typeof kFailures)[number]): never {
  throw new Refused(failure);
}

async function outcome(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'fine',
    (error: unknown) => {
      assert.ok(error instanceof Error);
      return `${error.constructor.name} ${error.name} ${error.message}`;
    },
  );
}

test('every refusal of requestDevice is one and the same', async () => {
  const seen = new Set<string>();
  for (const failure of kFailures) {
    seen.add(await outcome(localDevices(() => refuse(failure)).api.requestDevice(options)));
  }
  seen.add(await outcome(localDevices(() => ({ id: 7 })).api.requestDevice(options)));
  assert.deepEqual([...seen], ['DOMException NotFoundError No device was chosen.']);
});

test('later failures say at most: not reachable, gone, not allowed', () => {
  assert.deepEqual(
    kFailures.map((failure) => errorFor(failure).name),
    ['NotFoundError', 'NetworkError', 'InvalidStateError', 'NotAllowedError'],
  );
});

test('getDevices never fails and hands out one object for one device', async () => {
  assert.deepEqual(await localDevices(() => refuse('unreachable')).api.getDevices(), []);
  const { api } = localDevices(() => [device]);
  const [first] = await api.getDevices();
  const [second] = await api.getDevices();
  assert.ok(first !== undefined && first === second);
  assert.deepEqual(Object.keys(first), []);
});

test('a session that ended is opened again, once, with the body intact', async () => {
  const bodies: string[] = [];
  let opened = 0;
  const { api } = localDevices(
    (method) => (method === 'open' ? void (opened += 1) : [device]),
    async (request) => {
      bodies.push(await request.text());
      assert.equal(request.credentials, 'include');
      assert.equal(request.mode, 'cors');
      return new Response(null, { status: bodies.length === 1 ? 401 : 200 });
    },
  );
  const [found] = await api.getDevices();
  const response = await found?.fetch('/films', { method: 'POST', body: 'x' });
  assert.equal(response?.status, 200);
  assert.deepEqual(bodies, ['x', 'x']);
  assert.equal(opened, 1);
});

test('a device that keeps saying 401 is asked twice, not for ever', async () => {
  let asked = 0;
  const { api } = localDevices(
    (method) => (method === 'list' ? [device] : null),
    () => {
      asked += 1;
      return Promise.resolve(new Response(null, { status: 401 }));
    },
  );
  const [found] = await api.getDevices();
  assert.equal((await found?.fetch('/'))?.status, 401);
  assert.equal(asked, 2);
});

test('fetch stays on the device', async () => {
  const { api } = localDevices(() => [device]);
  const [found] = await api.getDevices();
  assert.ok(found);
  for (const path of ['https://evil.example/', '//evil.example/', 'http://x.local/']) {
    assert.match(await outcome(found.fetch(path)), /^TypeError/);
  }
});

test('not reachable and gone are told apart; abort is the page’s own', async () => {
  const failing = (answer: Answer) =>
    localDevices(answer, (request) =>
      Promise.reject(
        request.signal.aborted ? new DOMException('', 'AbortError') : new TypeError('failed'),
      ),
    ).api;
  const [off] = await failing((method) => (method === 'list' ? [device] : null)).getDevices();
  assert.match(await outcome(off?.fetch('/') ?? Promise.resolve()), /NetworkError/);
  const aborted = off?.fetch('/', { signal: AbortSignal.abort() }) ?? Promise.resolve();
  assert.match(await outcome(aborted), /AbortError/);
  const [gone] = await failing((method) =>
    method === 'list' ? [device] : refuse('gone'),
  ).getDevices();
  assert.match(await outcome(gone?.fetch('/') ?? Promise.resolve()), /InvalidStateError/);
});

test('a device that cannot be reached is asked once more, after the agent has looked', async () => {
  const calls: string[] = [];
  const urls: string[] = [];
  const { api } = localDevices(
    (method) => {
      if (method === 'list') return [device];
      calls.push(method);
      return method === 'reopen' ? { url: device.url.replace('8443', '9443') } : null;
    },
    async (request) => {
      urls.push(`${request.method} ${request.url} ${await request.text()}`);
      if (urls.length === 1) throw new TypeError('the certificate ran out');
      return new Response('film');
    },
  );
  const [found] = (await api.getDevices()) as [LocalDevice];
  const response = await found.fetch('/film?a=b', { method: 'PUT', body: 'x' });
  assert.equal(await response.text(), 'film');
  assert.deepEqual(calls, ['status', 'reopen']);
  assert.deepEqual(urls, [
    `PUT ${device.url}/film?a=b x`,
    `PUT ${device.url.replace('8443', '9443')}/film?a=b x`,
  ]);
  assert.equal(found.url, device.url.replace('8443', '9443'), 'it has moved');
});

test('what may have arrived, or cannot be read again, is not sent again', async () => {
  for (const init of [
    { method: 'POST', body: 'x' },
    { method: 'PUT', body: new ReadableStream(), duplex: 'half' },
  ]) {
    let sent = 0;
    const { api } = localDevices(
      (method) => (method === 'list' ? [device] : null),
      () => {
        sent += 1;
        return Promise.reject(new TypeError('failed'));
      },
    );
    const [found] = (await api.getDevices()) as [LocalDevice];
    assert.match(await outcome(found.fetch('/', init)), /NetworkError/);
    assert.equal(sent, 1);
  }
});

test('the agent moves a device to another port, never to another name', async () => {
  for (const url of ['https://evil.local:8443', 'https://evil.example', 7, null]) {
    const { api } = localDevices((method) => (method === 'list' ? [device] : { url }));
    const [found] = (await api.getDevices()) as [LocalDevice];
    await found.renew();
    assert.equal(found.url, device.url);
  }
});

test('a device that is taken back says so once and is gone', async () => {
  const { api, bridge } = localDevices(() => [device]);
  const [found] = (await api.getDevices()) as [LocalDevice];
  let events = 0;
  found.addEventListener('revoked', () => (events += 1));
  bridge.onEvent({ event: 'revoked', device: device.id });
  bridge.onEvent({ event: 'revoked', device: device.id });
  assert.equal(events, 1);
  assert.match(await outcome(found.fetch('/')), /InvalidStateError/);
  assert.match(await outcome(found.renew()), /InvalidStateError/);
});

test('a device that is given back is the same object, and works again', async () => {
  const { api, bridge } = localDevices((method) => (method === 'list' ? [device] : null));
  const [found] = (await api.getDevices()) as [LocalDevice];
  const heard: string[] = [];
  for (const name of ['revoked', 'restored']) {
    found.addEventListener(name, () => heard.push(name));
  }
  const event = (what: 'revoked' | 'restored'): void => {
    bridge.onEvent({ event: what, device: device.id });
  };
  event('restored');
  assert.deepEqual(heard, [], 'nothing was gone');
  event('revoked');
  event('restored');
  assert.equal(await outcome(found.fetch('/')), 'fine');
  event('revoked');
  assert.ok((await api.getDevices())[0] === found, 'the list tells, too');
  assert.equal(await outcome(found.fetch('/')), 'fine');
  assert.deepEqual(heard, ['revoked', 'restored', 'revoked', 'restored']);
  bridge.onEvent({ event: 'restored', device: 'B'.repeat(22) }); // of another page
});

test('options that are no options are the page’s own mistake', () => {
  for (const wrong of [
    undefined,
    null,
    {},
    { filters: [] },
    { filters: [{}] },
    { filters: ['x'] },
  ]) {
    assert.throws(() => typesOf(wrong), TypeError);
  }
  assert.deepEqual(typesOf(options), ['media-cache']);
});

test('whom people sign in with is told as the page’s mistake where it is one', async () => {
  assert.equal(ssoOf(options), null);
  const sso = { issuer: 'https://accounts.example', clientId: 'video' };
  assert.deepEqual(ssoOf({ ...options, sso }), sso);
  for (const wrong of [{}, { issuer: 'accounts.example' }, { ...sso, clientId: '' }, 'x']) {
    assert.throws(() => ssoOf({ ...options, sso: wrong }), TypeError);
  }
  const { api } = localDevices(() => assert.fail('the person was asked'));
  await assert.rejects(
    api.requestDevice({ ...options, sso: { issuer: 'http://accounts.example' } }),
    TypeError,
  );
});

test('one prompt for each gesture', () => {
  const gate = new GestureGate();
  assert.equal(gate.take(false, 0), false);
  gate.gesture();
  assert.equal(gate.take(true, 0), true);
  assert.equal(gate.take(true, 10), false);
  gate.gesture();
  assert.equal(gate.take(true, 20), true);
  assert.equal(gate.take(true, 30), false);
});

test('refusals nobody made are as late as a person might be', () => {
  assert.equal(refusalDelayMs(0), 2000);
  assert.ok(refusalDelayMs(0.999999) < 6000);
});
