import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../src/background/agent-link';
import { NearbyDesk } from '../src/background/nearby-desk';
import type { Act } from '../src/consent/flow';
import { Nearby } from '../src/consent/nearby';
import type { Choice, NearbyDevice, RadioHearing } from '../src/consent/radio';
import { type LinkNews, readEvent } from '../src/protocol/agent';
import { type ConsentCommand, readConsentCommand } from '../src/protocol/internal';
import * as names from '../src/protocol/names';
import { decodeValue, encodeValue, kMaxValue, ridText } from '../src/protocol/nearby';
import { Malformed } from '../src/protocol/read';

const rid = '0102030405060708090a0b0c';

class FakeDevice {
  hearing: RadioHearing | null = null;
  readonly sent: string[] = [];
  closed = 0;
  finished = 0;
  inReach = true;

  connect(hearing: RadioHearing): Promise<string> {
    if (!this.inReach) return Promise.reject(new Error('out of reach'));
    this.hearing = hearing;
    return Promise.resolve(rid);
  }
  send(value: Uint8Array): void {
    this.sent.push(encodeValue(value));
  }
  finish(): void {
    this.finished += 1;
  }
  close(): void {
    this.closed += 1;
  }
}

function makeNearby(choice: (device: FakeDevice) => Choice): {
  nearby: Nearby;
  device: FakeDevice;
  sent: ConsentCommand[];
  acts: string[];
  settle: () => Promise<void>;
} {
  const device = new FakeDevice();
  const sent: ConsentCommand[] = [];
  const acts: string[] = [];
  const nearby = new Nearby({
    choose: () => Promise.resolve(choice(device)),
    send: (command) => void sent.push(command),
    act: (act: Act) => {
      if (act.kind === 'radio') acts.push(`${act.nearby} ${act.trouble ?? ''}`.trim());
    },
    wait: () => Promise.resolve(),
  });
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { nearby, device, sent, acts, settle };
}

const chosen = (device: FakeDevice): Choice => ({
  kind: 'chosen',
  device: device as unknown as NearbyDevice,
});

test('values are copied both ways, and nothing else is done with them', async () => {
  const { nearby, device, sent, acts, settle } = makeNearby(chosen);
  nearby.look();
  await settle();
  assert.deepEqual(acts, ['choosing', 'connecting']);
  device.hearing?.value(new Uint8Array([1, 2, 3]));
  device.hearing?.taken();
  nearby.hear({ kind: 'nearby.send', value: 'BAUG' });
  nearby.hear({ kind: 'nearby.hang_up' });
  device.hearing?.lost();
  assert.deepEqual(sent, [
    { kind: 'nearby.open', again: false, rid },
    { kind: 'nearby.value', value: 'AQID' },
    { kind: 'nearby.taken' },
    { kind: 'nearby.lost' },
  ]);
  assert.deepEqual(device.sent, ['BAUG']);
  assert.equal(device.finished, 1);
  for (const command of sent) assert.deepEqual(readConsentCommand(command), command);
});

test('it connects again when the agent says so, and gives up after a while', async () => {
  const { nearby, device, sent, acts, settle } = makeNearby(chosen);
  nearby.look();
  await settle();
  device.hearing?.lost();
  nearby.hear({ kind: 'nearby.connect' });
  await settle();
  assert.deepEqual(sent.at(-1), { kind: 'nearby.open', again: true, rid });
  device.inReach = false;
  device.hearing?.lost();
  nearby.hear({ kind: 'nearby.connect' });
  await settle();
  assert.deepEqual(sent.at(-1), { kind: 'nearby.close' });
  assert.equal(acts.at(-1), 'idle lost');
  assert.equal(device.closed, 1);
  const before = sent.length;
  nearby.hear({ kind: 'nearby.connect' });
  await settle();
  assert.equal(sent.length, before, 'it is over');
});

test('a list that was closed changes nothing; no Bluetooth and a refusal are said', async () => {
  const none = makeNearby(() => ({ kind: 'none' }));
  none.nearby.look();
  await none.settle();
  assert.deepEqual(none.acts, ['choosing', 'idle']);
  assert.deepEqual(none.sent, []);
  const off = makeNearby(() => ({ kind: 'off' }));
  off.nearby.look();
  await off.settle();
  assert.deepEqual(off.acts, ['choosing', 'idle off']);
  const closed = makeNearby(chosen);
  closed.nearby.look();
  await closed.settle();
  closed.nearby.hear({ kind: 'nearby.closed', code: 'window_closed' });
  assert.equal(closed.acts.at(-1), 'idle window_closed');
  assert.equal(closed.device.closed, 1);
});

test('values have the size that GATT gives them', () => {
  assert.deepEqual([...decodeValue(encodeValue(new Uint8Array(kMaxValue).fill(255)))].length, kMaxValue);
  for (const bad of ['', 'A', '====', 'AQ', encodeValue(new Uint8Array(kMaxValue + 1)), 'AQ==\n']) {
    assert.throws(() => decodeValue(bad), Malformed, bad.slice(0, 10));
  }
  assert.equal(ridText(new Uint8Array(12).fill(16)), '10'.repeat(12));
  assert.throws(() => ridText(new Uint8Array(11)), Malformed);
});

function makeDesk(): { desk: NearbyDesk; calls: string[]; news: LinkNews[]; refuse: () => void } {
  const calls: string[] = [];
  const news: LinkNews[] = [];
  let refused = false;
  const desk = new NearbyDesk({
    call: (method, params) => {
      calls.push(`${method} ${JSON.stringify(params)}`);
      if (refused) return Promise.reject(new AgentError(names.kLocked));
      return Promise.resolve(method === names.kNearbyOpen ? { link: 'n1' } : {});
    },
    say: (one) => void news.push(one),
  });
  return {
    desk,
    calls,
    news,
    refuse: () => {
      refused = true;
    },
  };
}

test('the worker passes on what is for the link there is, and drops the rest', async () => {
  const { desk, calls, news } = makeDesk();
  await desk.command({ kind: 'nearby.value', value: 'AQ==' });
  assert.deepEqual(calls, [], 'no link yet');
  await desk.command({ kind: 'nearby.open', again: false, rid });
  await desk.command({ kind: 'nearby.value', value: 'AQ==' });
  await desk.command({ kind: 'nearby.taken' });
  await desk.command({ kind: 'nearby.lost' });
  await desk.command({ kind: 'nearby.open', again: true, rid });
  desk.hear('n1', { kind: 'nearby.send', value: 'Ag==' });
  desk.hear('n2', { kind: 'nearby.send', value: 'Aw==' });
  desk.hear('n1', { kind: 'nearby.closed', code: null });
  desk.hear('n1', { kind: 'nearby.send', value: 'BA==' });
  assert.deepEqual(calls, [
    `nearby.open {"rid":"${rid}"}`,
    'nearby.value {"link":"n1","value":"AQ=="}',
    'nearby.taken {"link":"n1"}',
    'nearby.lost {"link":"n1"}',
    `nearby.open {"rid":"${rid}","link":"n1"}`,
  ]);
  assert.deepEqual(news, [
    { kind: 'nearby.send', value: 'Ag==' },
    { kind: 'nearby.closed', code: null },
  ]);
});

test('the agent hears when the window is gone, and the window when the agent is', async () => {
  const left = makeDesk();
  await left.desk.command({ kind: 'nearby.open', again: false, rid });
  left.desk.drop();
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(left.calls.at(-1), 'nearby.close {"link":"n1"}');
  const { desk, news, refuse } = makeDesk();
  await desk.command({ kind: 'nearby.open', again: false, rid });
  desk.gone();
  desk.gone();
  assert.deepEqual(news, [{ kind: 'nearby.closed', code: 'unreachable' }]);
  refuse();
  await desk.command({ kind: 'nearby.open', again: false, rid });
  assert.deepEqual(news.at(-1), { kind: 'nearby.closed', code: 'locked' });
  await desk.command({ kind: 'nearby.open', again: true, rid });
  assert.deepEqual(news.at(-1), { kind: 'nearby.closed', code: 'unreachable' });
});

test('events of a link, read strictly', () => {
  const link = 'n12';
  assert.deepEqual(readEvent('nearby.send', { link, value: 'AQ==' }), {
    kind: 'nearby',
    link,
    news: { kind: 'nearby.send', value: 'AQ==' },
  });
  assert.deepEqual(readEvent('nearby.closed', { link, code: 'window_closed' }), {
    kind: 'nearby',
    link,
    news: { kind: 'nearby.closed', code: 'window_closed' },
  });
  assert.throws(() => readEvent('nearby.send', { link, value: 'no base64' }), Malformed);
  assert.throws(() => readEvent('nearby.hang_up', { link: 'x' }), Malformed);
  assert.deepEqual(readEvent('pair.network_wanted', { session: 'p1', trouble: 'refused' }), {
    kind: 'network_wanted',
    session: 'p1',
    refused: true,
  });
  assert.throws(() => readConsentCommand({ kind: 'wifi', ssid: 's'.repeat(33), psk: '' }), Malformed);
  assert.throws(() => readConsentCommand({ kind: 'nearby.value', value: 'A'.repeat(1000) }), Malformed);
});

test('what is lost may have become another', () => {
  assert.deepEqual(readEvent(names.kDiscoverLost, { key: 'd1' }), { kind: 'lost', key: 'd1', into: null });
  assert.deepEqual(readEvent(names.kDiscoverLost, { key: 'd1', into: 'd2' }), { kind: 'lost', key: 'd1', into: 'd2' });
  assert.throws(() => readEvent(names.kDiscoverLost, { key: 'd1', into: 3 }), Malformed);
});

test('how it stands with the computer’s own Bluetooth is no word on the network', () => {
  const state = (params: Record<string, unknown>): unknown => readEvent(names.kDiscoverState, params);
  assert.deepEqual(state({ nearby: 'looking' }), { kind: 'bluetooth', available: true });
  assert.deepEqual(state({ nearby: 'unavailable', message: 'x' }), { kind: 'bluetooth', available: false });
  assert.deepEqual(state({ network: 'looking' }), { kind: 'network', available: true });
  assert.throws(() => state({ nearby: 'perhaps' }), Malformed);
  assert.throws(() => state({}), Malformed);
});
