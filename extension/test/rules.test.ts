import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readGrant } from '../src/protocol/agent';
import { kNearbyPatterns, makeRules, sameRules } from '../src/background/rules';
import { grantMessage } from './grants-data';

const now = 1_700_000_100;
const none: ReadonlySet<string> = new Set();
const host = 'media-cache-k3f7x2m7q4ab.local';

test('an active grant: the host is blocked for all, then allowed for its site', () => {
  const rules = makeRules([readGrant(grantMessage())], none, now);
  const block = rules.find((rule) => rule.condition.requestDomains?.includes(`${host}.`));
  const allow = rules.find((rule) => rule.action.type === 'allow');
  assert.ok(block && allow);
  assert.equal(block.action.type, 'block');
  assert.equal(block.condition.initiatorDomains, undefined);
  for (const type of ['main_frame', 'sub_frame', 'xmlhttprequest', 'websocket', 'media', 'image']) {
    assert.ok(block.condition.resourceTypes.includes(type), type);
  }
  assert.deepEqual(allow.condition.initiatorDomains, ['video.example']);
  assert.deepEqual(allow.condition.requestDomains, [host]);
  assert.ok(!allow.condition.resourceTypes.includes('main_frame'));
  assert.ok(!allow.condition.resourceTypes.includes('sub_frame'));
  assert.ok(allow.priority > block.priority);
});

test('no rule ever excludes initiators', () => {
  const text = JSON.stringify(makeRules([readGrant(grantMessage())], none, now));
  assert.ok(!text.includes('excluded'));
});

test('pending, suspended and ended grants are blocked and allowed for nobody', () => {
  for (const state of ['pending', 'suspended', 'revoked']) {
    const rules = makeRules([readGrant(grantMessage({ state }))], none, now);
    assert.equal(rules.length, 1, state);
    assert.equal(rules[0]?.action.type, 'block');
  }
});

test('an ended grant is blocked until the agent says it is safe, no longer', () => {
  const ended = readGrant(grantMessage({ state: 'revoked', block_until: now + 1 }));
  assert.equal(makeRules([ended], none, now).length, 1);
  assert.equal(makeRules([ended], none, now + 1).length, 0);
});

test('a host granted anew is allowed again, beside its ended grant', () => {
  const old = readGrant(grantMessage({ state: 'revoked', id: 'f'.repeat(32) }));
  const rules = makeRules([old, readGrant(grantMessage())], none, now);
  assert.equal(rules.filter((rule) => rule.condition.requestDomains).length, 2);
  assert.ok(rules.some((rule) => rule.action.type === 'allow'));
});

test('hosts share a rule only where the same sites may reach them', () => {
  const one = (host: string, origin: string): ReturnType<typeof readGrant> =>
    readGrant(grantMessage({ host: `${host}.local`, url: `https://${host}.local:8443`, origin }));
  const rules = makeRules(
    [
      one('media-cache-aaaaaaaaaaaa', 'https://video.example'),
      one('media-cache-bbbbbbbbbbbb', 'https://photos.example'),
      one('media-cache-cccccccccccc', 'https://video.example'),
    ],
    none,
    now,
  );
  const allowed = rules
    .filter((rule) => rule.action.type === 'allow')
    .map((rule) => [rule.condition.initiatorDomains, rule.condition.requestDomains]);
  assert.deepEqual(allowed, [
    [['photos.example'], ['media-cache-bbbbbbbbbbbb.local']],
    [['video.example'], ['media-cache-aaaaaaaaaaaa.local', 'media-cache-cccccccccccc.local']],
  ]);
});

test('ten thousand grants of a hundred sites stay far below every browser’s limit', () => {
  const grants = Array.from({ length: 10_000 }, (_, i) => {
    const host = `media-cache-${i.toString(26).replace(/[0-9]/g, (d) => 'qrstuvwxyz'[Number(d)] ?? 'q').padStart(12, '2')}.local`;
    return readGrant(
      grantMessage({ host, url: `https://${host}:8443`, origin: `https://s${i % 100}.example` }),
    );
  });
  const rules = makeRules(grants, none, now);
  assert.ok(rules.length <= 1 + 100 + kNearbyPatterns.length);
  const allowed = rules.filter((rule) => rule.action.type === 'allow');
  const hosts = allowed.flatMap((rule) => rule.condition.requestDomains ?? []);
  assert.equal(new Set(hosts).size, 10_000);
});

test('direct grants have no rules', () => {
  assert.deepEqual(makeRules([readGrant(grantMessage({ origin: null }))], none, now), []);
});

test('the rest of the house is held back, below the device, unless switched on', () => {
  const grants = [readGrant(grantMessage())];
  const rules = makeRules(grants, none, now);
  const nearby = rules.filter((rule) => rule.condition.regexFilter !== undefined);
  const allow = rules.find((rule) => rule.action.type === 'allow');
  assert.equal(nearby.length, kNearbyPatterns.length);
  for (const rule of nearby) {
    assert.deepEqual(rule.condition.initiatorDomains, ['video.example']);
    assert.ok(!rule.condition.resourceTypes.includes('main_frame'));
    assert.ok(allow && rule.priority < allow.priority);
  }
  const open = makeRules(grants, new Set(['video.example']), now);
  assert.ok(open.every((rule) => rule.condition.regexFilter === undefined));
});

test('what counts as nearby', () => {
  const matches = (url: string): boolean =>
    kNearbyPatterns.some((pattern) => new RegExp(pattern, 'i').test(url));
  const inside = [
    'http://10.0.0.1/',
    'https://10.255.255.255:8443/x',
    'http://172.16.0.1/',
    'http://172.31.255.1/',
    'http://192.168.1.1/admin',
    'ws://192.168.1.1:80/s',
    'http://169.254.1.2/',
    'http://100.64.0.1/',
    'http://100.127.1.1/',
    'http://[fd00::1]/',
    'http://[fe80::1]/',
    'http://[::ffff:c0a8:101]/',
    'https://printer.local/',
    'https://printer.local./',
    'https://a.b.local:8443/x',
    'http://user:pw@192.168.1.1/',
  ];
  const outside = [
    'http://11.0.0.1/',
    'http://172.15.0.1/',
    'http://172.32.0.1/',
    'http://192.169.1.1/',
    'http://100.63.0.1/',
    'http://100.128.0.1/',
    'https://10.example.com/',
    'https://192.168.example.com/',
    'https://local.example/',
    'https://printer.local.example/',
    'https://example.com/printer.local/',
    'https://example.com/?u=http://192.168.1.1/',
    'http://127.0.0.1/',
    'http://[2001:db8::1]/',
  ];
  for (const url of inside) assert.ok(matches(url), url);
  for (const url of outside) assert.ok(!matches(url), url);
});

test('rules as the browser gives them back are recognised', () => {
  const rules = makeRules([readGrant(grantMessage())], none, now);
  const given = [...rules].reverse().map((rule) => ({
    ...rule,
    condition: { ...rule.condition, resourceTypes: [...rule.condition.resourceTypes].reverse() },
  }));
  assert.ok(sameRules(rules, given));
  assert.ok(!sameRules(rules, given.slice(1)));
});
