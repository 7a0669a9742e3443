import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  readDevice,
  readEvent,
  readGrant,
  readGrantPage,
  readHello,
  readPairBegin,
  readTicket,
} from '../src/protocol/agent';
import { readErrorCode } from '../src/protocol/errors';
import { Malformed } from '../src/protocol/read';
import { cleanName } from '../src/protocol/words';
import { deviceMessage, grantMessage } from './grants-data';

test('a grant as the agent writes it', () => {
  const grant = readGrant(grantMessage());
  assert.equal(grant.otherKey, false);
  const stranger = { ...(grantMessage()['device'] as object), other_key: true };
  assert.equal(readGrant(grantMessage({ device: stranger })).otherKey, true);
  assert.equal(grant.deviceName, 'Living room');
  assert.equal(grant.url, 'https://media-cache-k3f7x2m7q4ab.local:8443');
  const plain = readGrant(
    grantMessage({ port: 443, url: 'https://media-cache-k3f7x2m7q4ab.local', origin: null }),
  );
  assert.equal(plain.origin, null);
});

test('grants of another shape are refused', () => {
  const wrong: Record<string, unknown>[] = [
    { id: 'x' },
    { id: 7 },
    { origin: 'http://video.example' },
    { origin: 'https://video.example/' },
    { host: 'video.example' },
    { host: 'a.b.local' },
    { host: 'MEDIA.local' },
    { port: 0 },
    { port: 1.5 },
    { url: 'https://evil.example' },
    { url: 'javascript:alert(1)' },
    { state: 'great' },
    { type: '../x' },
    { device: null },
    { device: { id: 'short', name: '' } },
    { created: -1 },
    { block_until: '7' },
  ];
  for (const change of wrong) {
    assert.throws(() => readGrant(grantMessage(change)), Malformed, JSON.stringify(change));
  }
  assert.throws(() => readGrantPage({ grants: Array.from({ length: 5001 }, () => grantMessage()) }));
  assert.throws(() => readGrantPage({ grants: {} }), Malformed);
  assert.throws(() => readGrantPage(null), Malformed);
});

test('names cannot carry control, bidirectional or zero-width characters', () => {
  assert.equal(cleanName('Living\u202e mo\u200bor\u0007\u2066'), 'Living moor');
  assert.equal(cleanName('  a \n\t b  '), 'a b');
  assert.equal(cleanName('x'.repeat(500)).length, 63);
  assert.equal(cleanName('居間のキャッシュ'), '居間のキャッシュ');
});

test('devices', () => {
  assert.equal(readDevice(deviceMessage({ warning: 'same_name' })).sameName, true);
  assert.equal(readDevice(deviceMessage({ warning: 'new_kind' })).sameName, false);
  for (const change of [{ key: '' }, { key: 'x'.repeat(200) }, { name: 1 }, { known: 'yes' }]) {
    assert.throws(() => readDevice(deviceMessage(change)), Malformed);
  }
});

test('events: known ones, unknown ones, wrong ones', () => {
  assert.equal(readEvent('weather', {}), null);
  assert.deepEqual(readEvent('discover.state', { network: 'unavailable' }), {
    kind: 'network',
    available: false,
  });
  assert.deepEqual(
    readEvent('pair.failed', {
      session: 's',
      code: 'wrong_code',
      message: 'x',
      left: 4,
      again: true,
    }),
    { kind: 'failed', session: 's', code: 'wrong_code', left: 4, again: true },
  );
  assert.throws(() => readEvent('pair.progress', { session: 's', step: 'fly', state: 'done' }));
  assert.throws(() => readEvent('discover.found', null));
  assert.throws(() => readEvent('grants.changed', { id: 'x', state: 'active' }));
});

test('answers', () => {
  const setup = { root_installed: true, restart_needed: false };
  assert.equal(readHello({ version: '1', protocol: 1, ready: true, setup }).ready, true);
  assert.throws(() => readHello({ version: '1', protocol: 2, ready: true, setup }), Malformed);
  assert.equal(readPairBegin({ session: 's', state: 'working' }).state, 'working');
  assert.throws(() => readPairBegin({ session: 's', state: 'code' }), Malformed);
  const code = { kind: 'digits8', left: 5 };
  const asked = { session: 's', state: 'code', code };
  assert.deepEqual(readPairBegin(asked), { ...asked, host: null });
  assert.deepEqual(readPairBegin({ ...asked, host: 'roof.local' }), { ...asked, host: 'roof.local' });
  for (const host of ['bank.example', 'x.local.bank.example', 'https://x.local', null, 7]) {
    assert.throws(() => readPairBegin({ ...asked, host }), Malformed);
  }
  assert.throws(() => readPairBegin({ session: '', state: 'working' }), Malformed);
  assert.equal(readTicket({ ticket: 'a.b.c', url: 'https://x.local' }).ticket, 'a.b.c');
  assert.throws(() => readTicket({ ticket: 'a\r\nX: y', url: 'https://x.local' }), Malformed);
  assert.equal(readErrorCode('wrong_code'), 'wrong_code');
  assert.equal(readErrorCode('something_new'), 'internal');
  assert.equal(readErrorCode({}), 'internal');
});

test('a proposed name and its host belong together', () => {
  const named = { session: 's1', state: 'name', name: 'attic', host: 'attic.local', trouble: null };
  assert.deepEqual(readPairBegin(named), {
    session: 's1',
    state: 'name',
    proposed: { name: 'attic', host: 'attic.local', port: null, trouble: null },
  });
  const ported = readPairBegin({ ...named, port: 8443 });
  assert.equal(ported.state === 'name' && ported.proposed.port, 8443);
  for (const wrong of [
    { name: 'cellar' },
    { host: 'attic.example', name: 'attic' },
    { host: 'xn--attic-.local', name: 'a' },
    { trouble: 'bad' },
    { port: 0 },
    { port: 65536 },
    { port: '443' },
    { trouble: undefined },
  ]) {
    assert.throws(() => readPairBegin({ ...named, ...wrong }), Malformed);
  }
});
