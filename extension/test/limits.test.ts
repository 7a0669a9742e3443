import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AskLimits } from '../src/background/limits';

test('two refusals in a minute make a site wait a minute', () => {
  const limits = new AskLimits();
  limits.refused('video.example', 1000);
  assert.equal(limits.mayAsk('video.example', 2000), true);
  limits.refused('video.example', 11_000);
  assert.equal(limits.mayAsk('video.example', 11_001), false);
  assert.equal(limits.mayAsk('video.example', 70_999), false);
  assert.equal(limits.mayAsk('video.example', 71_000), true);
  assert.equal(limits.mayAsk('other.example', 11_001), true);
});

test('refusals further apart than a minute cost nothing', () => {
  const limits = new AskLimits();
  for (let i = 0; i < 10; i += 1) limits.refused('video.example', i * 61_000);
  assert.equal(limits.mayAsk('video.example', 9 * 61_000 + 1), true);
});

test('waits double, up to an hour', () => {
  const limits = new AskLimits();
  let now = 0;
  let longest = 0;
  for (let i = 0; i < 12; i += 1) {
    limits.refused('video.example', now);
    limits.refused('video.example', now);
    let end = now;
    while (!limits.mayAsk('video.example', end)) end += 1000;
    longest = end - now;
    now = end;
  }
  assert.equal(longest, 3_600_000);
});

test('many names together are limited as well', () => {
  const limits = new AskLimits();
  for (let i = 0; i < 8; i += 1) limits.refused(`site-${i}.example`, 1000 + i);
  assert.equal(limits.mayAsk('fresh.example', 2000), false);
  assert.equal(limits.mayAsk('fresh.example', 62_000), true);
});

test('being allowed clears the count, and the state survives being written down', () => {
  const limits = new AskLimits();
  limits.refused('video.example', 0);
  limits.refused('video.example', 1);
  const again = new AskLimits(JSON.parse(JSON.stringify(limits.save())) as never);
  assert.equal(again.mayAsk('video.example', 2), false);
  again.allowed('video.example');
  assert.equal(again.mayAsk('video.example', 2), true);
});

test('a clock turned back does not lock a site out for ever', () => {
  const limits = new AskLimits();
  limits.refused('video.example', 1e12);
  limits.refused('video.example', 1e12);
  assert.equal(limits.mayAsk('video.example', 0), true);
});

test('the number of sites remembered is bounded', () => {
  const limits = new AskLimits();
  for (let i = 0; i < 1000; i += 1) limits.refused(`s${i}.example`, i * 100_000);
  assert.ok(Object.keys(limits.save()).length <= 200);
});
