import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originParts, siteKey } from '../src/ui/origin';

test('the registrable domain stands out', () => {
  assert.deepEqual(originParts('https://films.video.example'), {
    scheme: 'https://',
    subdomain: 'films.',
    registrable: 'video.example',
    port: '',
    unusual: false,
  });
  assert.equal(originParts('https://a.b.shop.co.uk')?.registrable, 'shop.co.uk');
  assert.equal(originParts('https://video.example:8443')?.port, ':8443');
});

test('look-alikes by long sub-domains', () => {
  const parts = originParts('https://login.bank.example.secure.evil.test');
  assert.equal(parts?.registrable, 'evil.test');
  assert.equal(parts.subdomain, 'login.bank.example.secure.');
});

test('sites of one hoster are different sites', () => {
  assert.equal(originParts('https://alice.github.io')?.registrable, 'alice.github.io');
});

test('other alphabets are shown in punycode and pointed out', () => {
  const parts = originParts('https://xn--bcher-kva.example');
  assert.equal(parts?.registrable, 'xn--bcher-kva.example');
  assert.equal(parts.unusual, true);
});

test('addresses and single labels stand out whole', () => {
  assert.equal(originParts('https://203.0.113.7')?.registrable, '203.0.113.7');
  assert.equal(originParts('https://[2001:db8::1]:8443')?.registrable, '[2001:db8::1]');
  assert.equal(originParts('https://intranet')?.registrable, 'intranet');
  assert.equal(originParts('https://co.uk')?.registrable, 'co.uk');
});

test('what is not a canonical https origin is not shown', () => {
  for (const text of [
    'http://video.example',
    'https://video.example/',
    'https://user@video.example',
    'https://video.example:443',
    'https://VIDEO.example',
    'https://bücher.example',
    'null',
    '',
    `https://${'a'.repeat(400)}.example`,
  ]) {
    assert.equal(originParts(text), null, text);
  }
});

test('refusals are counted by site', () => {
  assert.equal(siteKey('https://a.video.example'), siteKey('https://b.video.example:8443'));
});
