// The control page's thinking: what its search finds, what a copy of it all holds, and what its desk
// asks of the agent and of the rules.
import assert from 'node:assert/strict';
import test from 'node:test';
import { AgentError } from '../src/background/agent-link';
import { ControlDesk } from '../src/background/control-desk';
import { exportName, exportText } from '../src/control/export';
import { countOf, plain, search, slice } from '../src/control/search';
import { type Grant, readGrant } from '../src/protocol/agent';
import {
  type ControlMessage,
  type ControlState,
  type Details,
  readControlMessage,
} from '../src/protocol/control';
import type { HomeState } from '../src/protocol/internal';
import { Malformed } from '../src/protocol/read';
import { byDevice, bySite } from '../src/ui/groups';
import { grantMessage } from './grants-data';

const id = (digit: string): string => digit.repeat(32);
const deviceId = (digit: string): string => digit.repeat(64);
const make = (digit: string, device: string, name: string, origin: string | null): Grant =>
  readGrant(
    grantMessage({
      id: id(digit),
      origin,
      device: { id: deviceId(device), name, model: 'Box 2', maker: 'Ärger & Söhne', standing: 'none' },
    }),
  );
const household = [
  make('1', 'a', 'Living room', 'https://video.example'),
  make('2', 'a', 'Living room', 'https://photos.example'),
  make('3', 'b', 'Küche', 'https://video.example'),
  make('4', 'c', '居間のカメラ', null),
];
const words = (): string => 'media cache';
const found = (query: string): readonly string[] =>
  search(byDevice(household), query, words)
    .flatMap((group) => group.grants.map((one) => one.id[0] ?? ''))
    .sort();

// --- search ---

test('the search finds by name, web service, maker and kind, and all words have to be there', () => {
  assert.deepEqual(found(''), ['1', '2', '3', '4']);
  assert.deepEqual(found('   '), ['1', '2', '3', '4']);
  assert.deepEqual(found('living photos'), ['2']);
  assert.deepEqual(found('photos living'), ['2']);
  assert.deepEqual(found('living kuche'), []);
  assert.deepEqual(found('video.example'), ['1', '3']);
  assert.deepEqual(found('MEDIA CACHE'), ['1', '2', '3', '4']);
  assert.deepEqual(found('no such thing'), []);
});

test('the search does not mind marks, case and width of letters', () => {
  assert.deepEqual(found('KUCHE'), ['3']);
  assert.deepEqual(found('arger sohne living'), ['1', '2']);
  assert.deepEqual(found('居間'), ['4']);
  assert.equal(plain('ＫÜCHE '), 'kuche');
});

test('the search keeps to the view: a group with nothing left in it goes', () => {
  const groups = search(bySite(household), 'kuche', words);
  assert.equal(groups.length, 1);
  assert.equal(countOf(groups), 1);
  assert.equal(groups[0]?.title.origin, 'https://video.example');
});

test('a long list comes a page at a time, also where one device has thousands', () => {
  const one = byDevice(Array.from({ length: 500 }, () => make('1', 'a', 'Attic', null)));
  assert.equal(countOf(slice(one, 60)), 60);
  assert.equal(countOf(slice(byDevice(household), 3)), 3);
  assert.equal(countOf(slice(byDevice(household), 400)), 4);
  assert.equal(countOf(slice([], 60)), 0);
});

// --- a copy of it all ---

const state: ControlState = {
  agent: { state: 'ready', setup: { ready: true, rootInstalled: true, restartNeeded: false } },
  grants: household,
  nearby: ['video.example'],
  providers: [],
  devices: [
    {
      id: deviceId('a'),
      name: 'Living room',
      type: 'media-cache',
      maker: null,
      model: null,
      standing: 'none',
      since: 1_700_000_000,
      reset: false,
    },
  ],
} as unknown as ControlState;

const details: Details = {
  certificate: {
    subject: 'media-cache-k3f7x2m7q4ab.local',
    validFrom: 1_700_000_001,
    validTo: 1_700_600_002,
    renewAt: 1_700_300_003,
    key: 'a1'.repeat(32),
    issuer: 'b2'.repeat(32),
  },
  proof: {
    standing: 'proven',
    maker: 'Nordlicht',
    model: 'Nordlicht C2',
    provider: 'Example provider',
    modelId: '12345678-0000-4000-8000-123456789abc',
    proved: 1_699_999_999,
  },
};
const copied = (of: ControlState = state): string =>
  exportText(of, Object.fromEntries(of.grants.map((grant) => [grant.id, details])), 1_700_000_100);

interface Copy {
  readonly format: string;
  readonly permissions: readonly Record<string, unknown>[];
  readonly devices: readonly unknown[];
  readonly may_reach_other_things: readonly string[];
}

function keysOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysOf(inner)]);
}

test('the copy holds every permission and device, as JSON that others can read', () => {
  const copy = JSON.parse(copied()) as Copy;
  assert.equal(copy.format, 'latchkey-list');
  assert.equal(copy.permissions.length, household.length);
  const column = (key: string): unknown[] => copy.permissions.map((entry) => entry[key]);
  assert.deepEqual(column('web_service'), household.map((grant) => grant.origin));
  assert.deepEqual(new Set(column('since')), new Set(['2023-11-14T22:13:20.000Z']));
  assert.deepEqual(new Set(column('last_used')), new Set([null]));
  assert.equal(copy.devices.length, 1);
  assert.deepEqual(copy.may_reach_other_things, ['video.example']);
  assert.equal(exportName(1_700_000_100), 'latchkey-2023-11-14.json');
});

test('the copy holds what it names and nothing besides: no keys, tickets, codes or profiles', () => {
  // Whatever else may come to stand in the state one day is not written because it is there.
  const planted = (kind: string): Record<string, string> =>
    Object.fromEntries(
      ['ticket', 'session', 'code', 'secret', 'profile', 'keys', 'authorities', 'private_key'].map(
        (name) => [name, `PLANTED-${kind}-${name}`],
      ),
    );
  const more = {
    ...state,
    ...planted('state'),
    grants: state.grants.map((one) => ({ ...one, ...planted('grant') })),
    devices: state.devices.map((one) => ({ ...one, ...planted('device') })),
    providers: [{ name: 'P', state: 'fresh', checked: null, ...planted('provider') }],
  } as unknown as ControlState;
  const text = copied(more);
  assert.ok(!text.includes('PLANTED'), text);
  const known = new Set(
    ['format', 'version', 'made', 'devices', 'permissions', 'may_reach_other_things', 'providers']
      .concat(['id', 'name', 'type', 'maker', 'model', 'standing', 'since', 'was_reset'])
      .concat(['web_service', 'web_service_name', 'web_service_standing', 'device', 'device_name'])
      .concat(['address', 'last_used', 'valid_until', 'state', 'reason', 'paused', 'asked'])
      .concat(['certificate', 'for', 'valid_from', 'valid_to', 'renewal', 'key_sha256', 'issuer_sha256'])
      .concat(['proof', 'model_id', 'proved', 'provider']),
  );
  assert.deepEqual([...new Set(keysOf(JSON.parse(text)))].filter((key) => !known.has(key)), []);
});

test('the copy holds all that the page shows, under Details too', () => {
  // By what a person sees: each value of the state and of the details stands in the copy, times as such.
  const written = (value: unknown): string =>
    typeof value === 'number' && value > 1_000_000
      ? new Date(value * 1000).toISOString()
      : String(value);
  const [first] = (JSON.parse(copied()) as Copy).permissions;
  const text = JSON.stringify(first);
  assert.ok(details.certificate !== null);
  for (const [name, value] of Object.entries({ ...details.certificate, ...details.proof })) {
    assert.ok(text.includes(`"${written(value)}"`), `${name} is not in the copy`);
  }
  for (const device of state.devices) {
    for (const value of [device.id, device.name, device.type, device.since]) {
      assert.ok(copied().includes(written(value)), String(value));
    }
  }
  // What the agent had no details of any more says so.
  const bare = JSON.parse(exportText(state, {}, 1)) as Copy;
  assert.equal(bare.permissions[0]?.['certificate'], null);
});

// --- the desk ---

interface Made {
  readonly desk: ControlDesk;
  readonly done: string[];
  answers: Record<string, unknown>;
}

const certificate = {
  subject: 'media-cache-k3f7x2m7q4ab.local',
  valid_from: 1,
  valid_to: 2,
  renew_at: 1,
  key: 'a'.repeat(64),
  issuer: 'b'.repeat(64),
};
const proof = { standing: 'none', maker: null, model: null, provider: null, model_id: null, proved: null };

function makeDesk(answers: Record<string, unknown> = {}): Made {
  const done: string[] = [];
  const made: Made = {
    done,
    answers: {
      'devices.list': { devices: [] },
      'grants.pause': { delivered: true },
      'grants.resume': { delivered: true },
      'grants.revoke': { delivered: true },
      'devices.forget': { delivered: true, ended: 1 },
      'certificate.renew': { not_after: 5 },
      'grants.details': { certificate: certificateMessage(), proof },
      ...answers,
    },
    desk: new ControlDesk({
      call: async (method, params) => {
        done.push(`${method} ${JSON.stringify(params)}`);
        const answer = made.answers[method];
        if (answer instanceof Error) throw answer;
        return Promise.resolve(answer);
      },
      sync: async () => {
        done.push('sync');
        return Promise.resolve();
      },
      mark: async (grant, next) => {
        done.push(`mark ${grant} ${next}`);
        return Promise.resolve();
      },
      setNearby: async (site, allowed) => {
        done.push(`nearby ${site} ${String(allowed)}`);
        return Promise.resolve();
      },
      add: async () => {
        done.push('add');
        return Promise.resolve(true);
      },
      state: async () => Promise.resolve({ ...state, devices: undefined } as unknown as HomeState),
      sleep: async (ms) => {
        done.push(`sleep ${String(ms)}`);
        return Promise.resolve();
      },
    }),
  };
  return made;
}

function certificateMessage(): Record<string, unknown> {
  return {
    subject: certificate.subject,
    valid_from: certificate.valid_from,
    valid_to: certificate.valid_to,
    renew_at: certificate.renew_at,
    key: certificate.key,
    sha256: 'c'.repeat(64),
    issuer_key: 'd'.repeat(64),
    issuer_sha256: certificate.issuer,
    issuer_valid_to: 9,
    issuer: certificate.issuer,
  };
}

const one = id('1');
const kList = 'devices.list {}';

test('pausing and removing: the agent first, then the rules at once, then the list', async () => {
  const made = makeDesk();
  const paused = await made.desk.handle({ kind: 'control.grant', action: 'pause', grant: one });
  assert.deepEqual(made.done, [`grants.pause {"id":"${one}"}`, `mark ${one} suspended`, 'sync', kList]);
  assert.equal(paused.failed, null);
  assert.equal(paused.delivered, true);
  made.done.length = 0;
  made.answers['grants.revoke'] = { delivered: false };
  const removed = await made.desk.handle({ kind: 'control.grant', action: 'remove', grant: one });
  assert.deepEqual(made.done, [`grants.revoke {"id":"${one}"}`, `mark ${one} revoked`, 'sync', kList]);
  assert.equal(removed.delivered, false);
});

test('what the agent refuses is not marked, and the reason comes back with how things stand', async () => {
  const made = makeDesk({ 'grants.revoke': new AgentError('not_granted') });
  const reply = await made.desk.handle({ kind: 'control.grant', action: 'remove', grant: one });
  assert.equal(reply.failed, 'not_granted');
  assert.deepEqual(made.done, [`grants.revoke {"id":"${one}"}`, kList]);
  assert.equal(reply.state.grants.length, household.length);
  made.answers['grants.pause'] = new Error('the port closed');
  const lost = await made.desk.handle({ kind: 'control.grant', action: 'pause', grant: one });
  assert.equal(lost.failed, 'no_agent');
  assert.ok(!made.done.some((line) => line.startsWith('mark')));
});

test('resuming waits for the agent to say what stands: nothing is marked as allowed', async () => {
  const made = makeDesk();
  await made.desk.handle({ kind: 'control.grant', action: 'resume', grant: one });
  assert.deepEqual(made.done, [`grants.resume {"id":"${one}"}`, 'sync', kList]);
});

test('details change nothing; renewing shows the new ones', async () => {
  const made = makeDesk();
  const details = await made.desk.handle({ kind: 'control.grant', action: 'details', grant: one });
  assert.deepEqual(made.done, [`grants.details {"id":"${one}"}`, kList]);
  assert.equal(details.details?.certificate?.key, certificate.key);
  made.done.length = 0;
  const renewed = await made.desk.handle({ kind: 'control.grant', action: 'renew', grant: one });
  assert.deepEqual(made.done, [
    `certificate.renew {"id":"${one}"}`,
    'sync',
    `grants.details {"id":"${one}"}`,
    kList,
  ]);
  assert.equal(renewed.details?.certificate?.subject, certificate.subject);
});

test('forgetting a device, adding one, and what a web service may reach besides', async () => {
  const made = makeDesk({ 'devices.forget': { ended: 2, delivered: false } });
  const device = deviceId('a');
  const reply = await made.desk.handle({ kind: 'control.forget', device });
  assert.deepEqual(made.done, [`devices.forget {"id":"${device}"}`, 'sync', kList]);
  assert.equal(reply.delivered, false);
  made.done.length = 0;
  await made.desk.handle({ kind: 'control.add' });
  await made.desk.handle({ kind: 'control.nearby', site: 'video.example', allowed: true });
  assert.deepEqual(made.done, ['add', kList, 'nearby video.example true', kList]);
});

test('a copy asks for the details of all, and is whole or is none', async () => {
  const made = makeDesk();
  const reply = await made.desk.handle({ kind: 'control.copy' });
  assert.deepEqual(Object.keys(reply.copy ?? {}).sort(), household.map((grant) => grant.id).sort());
  assert.deepEqual(made.done, [
    'sync',
    ...household.map((grant) => `grants.details {"id":"${grant.id}"}`),
    kList,
  ]);
  // What ended while it was asked for is left out; any other trouble ends it.
  made.answers['grants.details'] = new AgentError('not_granted');
  assert.deepEqual((await made.desk.handle({ kind: 'control.copy' })).copy, {});
  made.answers['grants.details'] = new AgentError('locked');
  const failed = await made.desk.handle({ kind: 'control.copy' });
  assert.equal(failed.copy, null);
  assert.equal(failed.failed, 'locked');
});

test('who else uses a device: asked of the agent, read with care', async () => {
  const device = deviceId('a');
  const person = { person: 2, you: false, since: 5, last_seen: 6, services: 1 };
  const event = { time: 7, kind: 'paired', person: 2, you: false, detail: null };
  const made = makeDesk({ 'devices.people': { people: [person], events: [event] } });
  const reply = await made.desk.handle({ kind: 'control.people', device });
  assert.deepEqual(made.done, [`devices.people {"id":"${device}"}`, kList]);
  assert.deepEqual(reply.people?.people, [{ person: 2, you: false, since: 5, lastSeen: 6, services: 1 }]);
  assert.deepEqual(reply.people.events, [event]);
  for (const bad of [
    {},
    { people: [person], events: [{ ...event, kind: '<b>' }] },
    { people: [person], events: [{ ...event, kind: 'x'.repeat(33) }] },
    { people: [{ ...person, services: '1' }], events: [] },
    { people: Array.from({ length: 201 }, () => person), events: [] },
    { people: [person], events: [{ ...event, detail: 'x'.repeat(301) }] },
  ]) {
    made.answers['devices.people'] = bad;
    const refused = await made.desk.handle({ kind: 'control.people', device });
    assert.equal(refused.people, null, JSON.stringify(bad).slice(0, 80));
    assert.ok(refused.failed !== null);
  }
  made.answers['devices.people'] = new AgentError('unreachable');
  assert.equal((await made.desk.handle({ kind: 'control.people', device })).failed, 'unreachable');
});

test('an agent that knows no list of devices names none, and that is no failure', async () => {
  const made = makeDesk({ 'devices.list': new AgentError('unsupported') });
  const reply = await made.desk.handle({ kind: 'control.state' });
  assert.deepEqual(reply.state.devices, []);
  assert.equal(reply.failed, null);
});

test('messages to the desk: what is not one of them is refused', () => {
  const good: ControlMessage[] = [
    { kind: 'control.state' },
    { kind: 'control.add' },
    { kind: 'control.copy' },
    { kind: 'control.grant', action: 'pause', grant: one },
    { kind: 'control.forget', device: deviceId('a') },
    { kind: 'control.people', device: deviceId('a') },
    { kind: 'control.nearby', site: 'video.example', allowed: false },
  ];
  for (const message of good) assert.deepEqual(readControlMessage(message), message);
  for (const bad of [
    null,
    'control.state',
    { kind: 'control.everything' },
    { kind: 'control.grant', action: 'keys', grant: one },
    { kind: 'control.grant', action: 'pause', grant: '../x' },
    { kind: 'control.grant', action: 'pause' },
    { kind: 'control.forget', device: 'a' },
    { kind: 'control.nearby', site: '', allowed: true },
    { kind: 'control.nearby', site: 'x', allowed: 'yes' },
  ]) {
    assert.throws(() => readControlMessage(bad), Malformed);
  }
});
