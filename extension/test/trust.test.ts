import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDevice, readEvent, readGrant } from '../src/protocol/agent';
import { Malformed } from '../src/protocol/read';
import { readProviders, readSite, readVerdict } from '../src/protocol/trust';
import { deviceMessage, grantMessage, policyMessage, siteMessage } from './grants-data';

test('a verdict as the agent gives it', () => {
  assert.deepEqual(readVerdict(policyMessage({ consented: true })), {
    allowed: true,
    code: null,
    message: null,
    site: { state: 'known', name: 'Film House', provider: 'Example Trust' },
    consented: true,
  });
  const refused = readVerdict(
    policyMessage({ allowed: false, code: 'metadata_stale', message: 'x\u202ey', consented: true }),
  );
  assert.deepEqual(
    [refused.allowed, refused.code, refused.message, refused.consented],
    [false, 'metadata_stale', 'xy', false],
  );
});

test('a verdict that contradicts itself is a refusal', () => {
  for (const state of ['suspended', 'revoked']) {
    const verdict = readVerdict(policyMessage({ site: siteMessage({ state }), consented: true }));
    assert.deepEqual([verdict.allowed, verdict.code], [false, 'origin_revoked']);
    assert.equal(verdict.consented, false);
  }
  assert.equal(readVerdict(policyMessage({ allowed: false })).code, 'not_allowed');
});

test('verdicts of another shape are none', () => {
  for (const change of [
    { allowed: 1 },
    { site: { state: 'fine', name: null, provider: null } },
    { site: siteMessage({ name: 7 }) },
    { consented: 'yes' },
  ]) {
    assert.throws(() => readVerdict(policyMessage(change)), Malformed, JSON.stringify(change));
  }
});

test('an agent without a word about trust claims nothing', () => {
  const grant = grantMessage({ device: { id: 'ab'.repeat(32), name: 'x' }, site: undefined });
  const { standing, site, hold } = readGrant(grant);
  assert.deepEqual([standing, site.state, hold], ['none', 'none', null]);
  assert.equal(readDevice(deviceMessage({ standing: undefined, proven: true })).standing, 'none');
});

test('standing, site and hold are one of the words there are', () => {
  assert.equal(readDevice(deviceMessage({ standing: 'proven' })).standing, 'proven');
  assert.throws(() => readDevice(deviceMessage({ standing: 'excellent' })), Malformed);
  assert.equal(readGrant(grantMessage({ hold: 'device_reset' })).hold, 'device_reset');
  assert.throws(() => readGrant(grantMessage({ hold: 'because' })), Malformed);
  assert.throws(() => readGrant(grantMessage({ site: siteMessage({ state: 'x' }) })), Malformed);
});

test('a registered name is as clean as a device’s', () => {
  assert.equal(readSite(siteMessage({ name: 'Film\u202e House\u200b' })).name, 'Film House');
  assert.equal(readSite(siteMessage({ name: '\u200b' })).name, null);
});

test('what the check of a device found comes with its progress', () => {
  const progress = { session: 's', step: 'check', state: 'done' };
  const told = { standing: 'proven', maker: 'Nordlicht', model: 'C2' };
  const event = readEvent('pair.progress', { ...progress, device: told });
  assert.ok(event?.kind === 'progress');
  assert.deepEqual(event.make, told);
  assert.ok(readEvent('pair.progress', progress)?.kind === 'progress');
  assert.throws(() => readEvent('pair.progress', { ...progress, device: { standing: 'x' } }), Malformed);
  assert.deepEqual(readEvent('trust.changed', {}), { kind: 'trust' });
});

test('providers', () => {
  const provider = { name: 'Example Trust', url: 'https://x', state: 'stale', checked: null };
  assert.deepEqual(readProviders({ providers: [provider] }), [
    { name: 'Example Trust', state: 'stale', checked: null },
  ]);
  assert.throws(() => readProviders({ providers: [{ ...provider, state: 'x' }] }), Malformed);
  assert.throws(() => readProviders({ providers: Array(33).fill(provider) }), Malformed);
});
