import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FirefoxGuard, toShown } from '../src/background/firefox-guard';
import {
  type Asked,
  type Guarded,
  type Shown,
  grantsOf,
  judgeChain,
  judgeRequest,
  localHostOf,
  readGuarded,
  toGuarded,
} from '../src/background/guard';
import { readGrant } from '../src/protocol/agent';
import { grantMessage } from './grants-data';

const now = 1_700_000_100;
const host = 'media-cache-k3f7x2m7q4ab.local';
const url = `https://${host}:8443/films.json`;
const site = 'https://video.example';
const ca = 'C'.repeat(43);
const key = 'K'.repeat(43);

function guarded(...changes: Record<string, unknown>[]): Guarded[] {
  return toGuarded(changes.map((change) => readGrant(grantMessage(change))), now);
}

function asked(change: Partial<Asked> = {}): Asked {
  return {
    url,
    type: 'xmlhttprequest',
    originUrl: `${site}/page`,
    documentUrl: `${site}/page`,
    ...change,
  };
}

function shown(change: Partial<{ secure: boolean; leaf: string; above: string[] }> = {}): Shown {
  return {
    secure: change.secure ?? true,
    chain: [
      { digest: 'L'.repeat(43), key: change.leaf ?? key },
      ...(change.above ?? [ca]).map((digest) => ({ digest, key: 'X'.repeat(43) })),
    ],
  };
}

// As the guard does it: those of the request's host, then the judgement.
function verdict(all: readonly Guarded[], request: Asked): string {
  return judgeRequest(grantsOf(all, localHostOf(request.url) ?? '', now), request);
}

test('the grant’s own site may go on to be checked, with whatever CORS and sockets can do', () => {
  for (const type of ['xmlhttprequest', 'media', 'image', 'font', 'websocket', 'other']) {
    assert.equal(verdict(guarded({}), asked({ type })), 'check', type);
  }
  const socket = asked({ url: `wss://${host}:8443/ws`, type: 'websocket' });
  assert.equal(verdict(guarded({}), socket), 'check');
});

test('the origin is compared exactly: scheme, host and port', () => {
  for (const other of [
    'https://evil.example/',
    'https://sub.video.example/',
    'https://video.example:8443/',
    'http://video.example/',
    'https://video.example.evil.example/',
    'moz-extension://6a1d2c3e-0f4b-4c5d-8e9f-a0b1c2d3e4f5/home.html',
    'moz-nullprincipal:{6a1d2c3e-0f4b-4c5d-8e9f-a0b1c2d3e4f5}',
    'data:text/html,x',
    'about:blank',
    'nonsense',
  ]) {
    assert.equal(verdict(guarded({}), asked({ originUrl: other })), 'cancel', other);
    assert.equal(verdict(guarded({}), asked({ documentUrl: other })), 'cancel', other);
  }
  assert.equal(verdict(guarded({}), { url, type: 'image' }), 'cancel', 'nobody is named');
  assert.equal(verdict(guarded({}), { url, type: 'image', originUrl: site }), 'check');
});

test('no document and no frame of a granted host, for nobody, typed or linked', () => {
  for (const type of ['main_frame', 'sub_frame']) {
    assert.equal(verdict(guarded({}), asked({ type })), 'cancel', type);
    assert.equal(verdict(guarded({}), { url, type }), 'cancel', type);
  }
});

test('unencrypted, with a dot at the end, or a name below: never', () => {
  for (const bad of [
    `http://${host}:8443/`,
    `ws://${host}:8443/`,
    `https://${host}.:8443/`,
    `https://x.${host}:8443/`,
  ]) {
    assert.equal(verdict(guarded({}), asked({ url: bad })), 'cancel', bad);
  }
  assert.equal(verdict(guarded({}), asked({ url: `https://x${host}/` })), 'not_ours');
  assert.equal(verdict(guarded({}), asked({ url: 'https://printer.local/' })), 'not_ours');
});

test('pending, suspended and ended: blocked for the site too, until the agent says it is safe', () => {
  for (const state of ['pending', 'suspended', 'revoked']) {
    assert.equal(verdict(guarded({ state }), asked()), 'cancel', state);
    assert.equal(judgeChain(guarded({ state }), asked(), shown()), 'cancel', state);
  }
  assert.deepEqual(guarded({ state: 'revoked', block_until: now }), []);
  const [kept] = guarded({ state: 'revoked', block_until: now + 1 });
  assert.ok(kept !== undefined);
  assert.deepEqual(grantsOf([kept], host, now + 1), [], 'kept, and over meanwhile');
});

test('granted anew beside an ended grant of the same host', () => {
  const both = guarded({ state: 'revoked', id: 'f'.repeat(32), ca: 'D'.repeat(43) }, {});
  assert.equal(verdict(both, asked()), 'check');
  assert.equal(judgeChain(both, asked(), shown()), 'pass');
  assert.equal(judgeChain(both, asked(), shown({ above: ['D'.repeat(43)] })), 'unknown');
});

test('the chain: the grant’s authority above, one of the device’s keys below', () => {
  const all = guarded({ keys: [key, 'N'.repeat(43)], ca_before: 'B'.repeat(43) });
  assert.equal(judgeChain(all, asked(), shown()), 'pass');
  assert.equal(judgeChain(all, asked(), shown({ leaf: 'N'.repeat(43) })), 'pass');
  assert.equal(judgeChain(all, asked(), shown({ above: ['R'.repeat(43), ca] })), 'pass');
  assert.equal(judgeChain(all, asked(), shown({ above: ['B'.repeat(43)] })), 'pass', 'rolled over');
  assert.equal(judgeChain(all, asked(), shown({ leaf: 'M'.repeat(43) })), 'unknown');
  assert.equal(judgeChain(all, asked(), shown({ above: ['D'.repeat(43)] })), 'unknown');
  assert.equal(judgeChain(all, asked(), shown({ above: [] })), 'unknown');
  const itself = { secure: true, chain: [{ digest: ca, key }] };
  assert.equal(judgeChain(all, asked(), itself), 'unknown', 'an authority is above, not the leaf');
});

test('no chain, or one that the browser itself did not take for good: cancelled', () => {
  assert.equal(judgeChain(guarded({}), asked(), null), 'cancel');
  assert.equal(judgeChain(guarded({}), asked(), { secure: true, chain: [] }), 'cancel');
  assert.equal(judgeChain(guarded({}), asked(), shown({ secure: false })), 'cancel');
  assert.equal(judgeChain(guarded({ ca: null }), asked(), shown()), 'unknown');
  assert.equal(judgeChain(guarded({ keys: [] }), asked(), shown()), 'unknown');
});

test('a chain is good for its own site only', () => {
  const two = guarded(
    {},
    { id: 'f'.repeat(32), origin: 'https://photos.example', ca: 'P'.repeat(43) },
  );
  assert.equal(judgeChain(two, asked(), shown({ above: ['P'.repeat(43)] })), 'unknown');
});

test('direct: anybody may visit, by https with the device’s own chain; nothing is left after the end', () => {
  const direct = guarded({ origin: null });
  for (const request of [asked({ type: 'main_frame' }), { url, type: 'main_frame' }]) {
    assert.equal(verdict(direct, request), 'check');
    assert.equal(judgeChain(direct, request, shown()), 'pass');
    assert.equal(judgeChain(direct, request, shown({ above: ['D'.repeat(43)] })), 'unknown');
  }
  assert.equal(verdict(direct, asked({ originUrl: 'https://evil.example/' })), 'check');
  assert.deepEqual(guarded({ origin: null, state: 'revoked' }), []);
  assert.equal(verdict(guarded({}, { origin: null }), { url, type: 'main_frame' }), 'cancel');
});

test('what was kept is read back, and nothing else', () => {
  const all = guarded({}, { origin: null, id: 'e'.repeat(32) });
  assert.deepEqual(readGuarded(JSON.parse(JSON.stringify(all))), all);
  assert.equal(readGuarded([{ ...all[0], authorities: ['short'] }]), null);
  assert.equal(readGuarded([{ ...all[0], host: 'video.example' }]), null);
  assert.equal(readGuarded({}), null);
});

test('digests as Firefox writes them become the agent’s', () => {
  const hex = Array.from({ length: 32 }, (_, at) => at.toString(16).padStart(2, '0').toUpperCase());
  const bytes = Buffer.from(hex.join(''), 'hex');
  const { chain } = toShown({
    state: 'secure',
    certificates: [
      {
        fingerprint: { sha256: hex.join(':') },
        subjectPublicKeyInfoDigest: { sha256: `${'+/'.repeat(21)}8=` },
      },
    ],
  });
  assert.deepEqual(chain, [{ digest: bytes.toString('base64url'), key: `${'-_'.repeat(21)}8` }]);
});

// --- the shell, on a browser that does what the test says ---

type Listener = (details: Asked & { requestId: string }) => Promise<{ cancel?: boolean }>;

function inBrowser(options: {
  guarded: () => Promise<readonly Guarded[]>;
  heard?: () => Promise<unknown>;
  refresh?: () => Promise<unknown>;
  certificates?: Shown;
}) {
  const listeners: Listener[] = [];
  const event = { addListener: (listener: Listener) => listeners.push(listener) };
  const hex = (digest: string): string => Buffer.from(digest, 'base64url').toString('hex');
  const webRequest = {
    onBeforeRequest: event,
    onHeadersReceived: event,
    getSecurityInfo: () =>
      options.certificates === undefined
        ? Promise.reject(new Error('no such request'))
        : Promise.resolve({
            state: options.certificates.secure ? 'secure' : 'broken',
            certificates: options.certificates.chain.map((one) => ({
              fingerprint: { sha256: hex(one.digest) },
              subjectPublicKeyInfoDigest: { sha256: one.key },
            })),
          }),
  };
  new FirefoxGuard({
    webRequest: webRequest,
    guarded: options.guarded,
    heard: options.heard ?? (() => Promise.resolve()),
    refresh: options.refresh ?? (() => Promise.resolve()),
    now: () => now,
  });
  const [before, received] = listeners;
  assert.ok(before !== undefined && received !== undefined);
  const stops = async (listener: Listener, request: Asked): Promise<boolean> =>
    (await listener({ ...request, requestId: '1' })).cancel === true;
  return {
    before: (request: Asked) => stops(before, request),
    received: (request: Asked) => stops(received, request),
  };
}

// 43 characters that are a digest's encoding, whichever way they are turned.
const digest = (fill: number): string => Buffer.alloc(32, fill).toString('base64url');
const real: Shown = { secure: true, chain: [{ digest: digest(1), key }, { digest: digest(2), key }] };

test('the shell: what fits goes on, what does not is cancelled, so is every exception', async () => {
  const fits = () => Promise.resolve(guarded({ ca: digest(2) }));
  const browser = inBrowser({ guarded: fits, certificates: real });
  assert.equal(await browser.before(asked()), false);
  assert.equal(await browser.received(asked()), false);
  assert.equal(await browser.before(asked({ originUrl: 'https://evil.example/' })), true);
  assert.equal(await browser.received(asked({ originUrl: 'https://evil.example/' })), true);
  const blind = inBrowser({ guarded: fits });
  assert.equal(await blind.received(asked()), true, 'no security information');
  const broken = inBrowser({ guarded: () => Promise.reject(new Error('no storage')) });
  assert.equal(await broken.before(asked()), true);
});

test('the shell: an unknown key is asked after once, and only the answer counts', async () => {
  let known = guarded({ ca: digest(2), keys: ['O'.repeat(43)] });
  let asks = 0;
  const options = {
    guarded: () => Promise.resolve(known),
    refresh: () => {
      asks += 1;
      return Promise.resolve();
    },
    certificates: real,
  };
  assert.equal(await inBrowser(options).received(asked()), true, 'the agent knows no more');
  assert.equal(asks, 1);
  const renewed = {
    ...options,
    refresh: () => {
      known = guarded({ ca: digest(2) });
      return Promise.resolve();
    },
  };
  assert.equal(await inBrowser(renewed).received(asked()), false, 'it was renewed meanwhile');
  known = guarded({ ca: digest(3) });
  const gone = { ...options, refresh: () => Promise.reject(new Error('unreachable')) };
  assert.equal(await inBrowser(gone).received(asked()), true, 'nobody to ask');
});

test('the shell: an unknown name waits for the agent’s list, then is judged by it', async () => {
  let known: Guarded[] = [];
  const browser = inBrowser({
    guarded: () => Promise.resolve(known),
    heard: () => {
      known = guarded({});
      return Promise.resolve();
    },
  });
  assert.equal(await browser.before(asked({ originUrl: 'https://evil.example/' })), true);
  const printer = asked({ url: 'https://printer.local/', originUrl: 'https://evil.example/' });
  assert.equal(await browser.before(printer), false, 'no business of ours');
});
