import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentLink } from '../src/background/agent-link';
import { type Asked, type Asking, RequestDesk } from '../src/background/request-desk';
import { type Grant, readDevice, readGrant } from '../src/protocol/agent';
import type { ConsentNews } from '../src/protocol/internal';
import { deviceMessage, grantMessage, policyMessage, siteMessage } from './grants-data';

const page = { origin: 'https://video.example', tabId: 1, documentId: 'D' };
const setup = { ready: true, rootInstalled: true, restartNeeded: false };
const token = 'a'.repeat(32);
const asks = (...types: string[]): Asked => ({ types, sso: null, localNetwork: 'prompt' });

interface Desk {
  readonly desk: RequestDesk;
  readonly calls: string[];
  readonly told: (Grant | null)[];
  readonly visited: string[];
  readonly closed: number[];
  readonly news: ConsentNews[];
  readonly port: { postMessage(message: ConsentNews): void };
  readonly kept: { asking: Asking | null };
  readonly answers: Record<string, unknown>;
  clock: number;
}

function makeDesk(kept: { asking: Asking | null } = { asking: null }): Desk {
  const calls: string[] = [];
  const told: (Grant | null)[] = [];
  const visited: string[] = [];
  const closed: number[] = [];
  const news: ConsentNews[] = [];
  const answers: Record<string, unknown> = {
    'policy.check': policyMessage(),
    'pair.begin': { session: 's1', state: 'code', code: { kind: 'digits8', left: 5 } },
  };
  const agent = {
    status: { state: 'ready', setup },
    ready: () => Promise.resolve(setup),
    call: (method: string, params: unknown) => {
      calls.push(`${method} ${JSON.stringify(params)}`);
      return Promise.resolve(answers[method] ?? {});
    },
    reset: () => undefined,
  };
  const made = {
    calls,
    told,
    visited,
    closed,
    news,
    kept,
    answers,
    clock: 0,
    port: { postMessage: (message: ConsentNews) => void news.push(message) },
  };
  const desk: RequestDesk = new RequestDesk({
    agent: agent as unknown as AgentLink,
    loadAsking: () => Promise.resolve(kept.asking),
    saveAsking: (asking) => {
      kept.asking = asking;
      return Promise.resolve();
    },
    loadLimits: () => Promise.resolve({}),
    saveLimits: () => Promise.resolve(),
    openWindow: () => Promise.resolve(7),
    visit: (grant) => {
      visited.push(grant.url);
      return Promise.resolve();
    },
    focusWindow: () => Promise.resolve(),
    closeWindow: (id) => {
      closed.push(id);
      return Promise.resolve();
    },
    sync: () => Promise.resolve(),
    grantIds: () => Promise.resolve(new Set()),
    tellPage: (_, grant) => {
      told.push(grant);
      return Promise.resolve();
    },
    newId: () => 'b'.repeat(32),
    now: () => made.clock,
  });
  return Object.assign(made, { desk });
}

async function upToCode(made: Desk): Promise<void> {
  assert.equal(await made.desk.begin(page, token, asks('media-cache')), true);
  await made.desk.command(made.port, { kind: 'open', request: 'b'.repeat(32) });
  await made.desk.command(made.port, { kind: 'look', nearby: false });
  await made.desk.command(made.port, { kind: 'pick', key: 'k1', type: 'media-cache' });
}

const done = (): { kind: 'done'; session: string; grant: Grant; warnings: string[] } => ({
  kind: 'done',
  session: 's1',
  grant: readGrant(grantMessage()),
  warnings: [],
});

test('by the computer’s own Bluetooth only where the person asked for that', async () => {
  const made = makeDesk();
  await upToCode(made);
  await made.desk.command(made.port, { kind: 'look', nearby: true });
  const looks = made.calls.filter((call) => call.startsWith('discover.start'));
  assert.deepEqual(looks, [
    'discover.start {"type":"media-cache"}',
    'discover.start {"type":"media-cache","nearby":true}',
  ]);
  await made.desk.agentEvent({ kind: 'bluetooth', available: false });
  assert.deepEqual(made.news.at(-1), { kind: 'bluetooth', available: false });
});

test('with whom people sign in goes to the window and, as it was shown, to the agent', async () => {
  const made = makeDesk();
  const sso = { issuer: 'https://accounts.example/', clientId: 'video' };
  await made.desk.begin(page, token, { ...asks('media-cache'), sso });
  await made.desk.command(made.port, { kind: 'open', request: 'b'.repeat(32) });
  const [first] = made.news;
  assert.ok(first?.kind === 'question');
  assert.deepEqual(first.question.sso, sso);
  await made.desk.command(made.port, { kind: 'pick', key: 'k1', type: 'media-cache' });
  assert.equal(
    made.calls.at(-1),
    'pair.begin {"origin":"https://video.example","type":"media-cache","key":"k1",' +
      '"sso":{"issuer":"https://accounts.example/","client":"video"}}',
  );
  // A page that names no client: none is made up.
  const other = makeDesk();
  await other.desk.begin(page, token, { ...asks('nas'), sso: { ...sso, clientId: null } });
  await other.desk.command(other.port, { kind: 'open', request: 'b'.repeat(32) });
  await other.desk.command(other.port, { kind: 'pick', key: 'k1', type: 'nas' });
  assert.ok(other.calls.at(-1)?.endsWith('"sso":{"issuer":"https://accounts.example/"}}'));
});

test('the way to a device: the origin is the page’s, the page hears at the end', async () => {
  const made = makeDesk();
  await upToCode(made);
  await made.desk.command(made.port, { kind: 'code', text: '12345678' });
  await made.desk.agentEvent(done());
  assert.equal(made.told.length, 0);
  await made.desk.command(made.port, { kind: 'seen' });
  assert.equal(made.told[0]?.origin, page.origin);
  assert.deepEqual(made.calls, [
    'policy.check {"origin":"https://video.example","type":"media-cache"}',
    'discover.start {"type":"media-cache"}',
    'pair.begin {"origin":"https://video.example","type":"media-cache","key":"k1"}',
    'pair.code {"session":"s1","code":"12345678"}',
    'discover.stop {}',
  ]);
  assert.deepEqual(
    made.news.map((one) => one.kind),
    ['question', 'agent', 'code', 'done'],
  );
});

test('one question at a time', async () => {
  const made = makeDesk();
  const both = await Promise.all([
    made.desk.begin(page, token, asks('nas')),
    made.desk.begin({ ...page, tabId: 2 }, token, asks('nas')),
  ]);
  assert.deepEqual(both, [true, false]);
});

test('closing the window refuses, ends the pairing, and after two a site has to wait', async () => {
  const made = makeDesk();
  await upToCode(made);
  await made.desk.windowClosed(7);
  await made.desk.windowClosed(7);
  assert.deepEqual(made.told, [null]);
  assert.ok(made.calls.includes('pair.cancel {"session":"s1"}'));
  await made.desk.begin(page, token, asks('nas'));
  await made.desk.windowClosed(7);
  assert.equal(await made.desk.begin(page, token, asks('nas')), false);
  made.clock = 60_000;
  assert.equal(await made.desk.begin(page, token, asks('nas')), true);
});

test('a grant that was finished after the window closed is taken back', async () => {
  const made = makeDesk();
  await upToCode(made);
  await made.desk.windowClosed(7);
  await made.desk.agentEvent(done());
  assert.deepEqual(made.told, [null]);
  assert.ok(made.calls.at(-1)?.startsWith('grants.revoke'));
});

test('a grant for another origin, or of another session, is not handed over', async () => {
  const made = makeDesk();
  await upToCode(made);
  await made.desk.agentEvent({ ...done(), session: 's2' });
  const grant = readGrant(grantMessage({ origin: 'https://other.example' }));
  await made.desk.agentEvent({ ...done(), grant });
  await made.desk.windowClosed(7);
  assert.deepEqual(made.told, [null]);
});

test('a worker that starts again knows the question, and the page gets its answer', async () => {
  const kept: { asking: Asking | null } = { asking: null };
  const first = makeDesk(kept);
  await upToCode(first);
  await first.desk.agentEvent(done());
  const second = makeDesk(kept);
  await second.desk.windowClosed(7);
  assert.equal(second.told[0]?.id, grantMessage()['id']);
});

test('devices of a kind that was not asked for are not shown', async () => {
  const made = makeDesk();
  await upToCode(made);
  const device = readDevice(deviceMessage({ type: 'printer' }));
  await made.desk.agentEvent({ kind: 'found', device });
  assert.ok(made.news.every((one) => one.kind !== 'found'));
});

test('a window of another question, or a second one, is told that it is over', async () => {
  const made = makeDesk();
  await upToCode(made);
  const heard: string[] = [];
  const stranger = { postMessage: (message: ConsentNews) => void heard.push(message.kind) };
  await made.desk.command(stranger, { kind: 'open', request: 'c'.repeat(32) });
  await made.desk.command(stranger, { kind: 'code', text: '1' });
  assert.deepEqual(heard, ['over', 'over']);
  assert.ok(!made.calls.some((call) => call.startsWith('pair.code')));
});

test('the page leaving ends it without an answer', async () => {
  const made = makeDesk();
  await upToCode(made);
  await made.desk.pageLeft((asking) => asking.token === 'f'.repeat(32));
  assert.deepEqual(made.closed, []);
  await made.desk.pageLeft((asking) => asking.token === token);
  assert.deepEqual(made.closed, [7]);
  assert.deepEqual(made.told, []);
});

const verdicts = (made: Desk): (ConsentNews & { kind: 'agent' | 'verdict' })[] =>
  made.news.filter((one) => one.kind === 'agent' || one.kind === 'verdict');

test('a revocation reaches an open window and ends the pairing', async () => {
  const made = makeDesk();
  await upToCode(made);
  made.answers['policy.check'] = policyMessage({
    allowed: false,
    code: 'origin_revoked',
    site: siteMessage({ state: 'revoked' }),
  });
  await made.desk.agentEvent({ kind: 'trust' });
  assert.equal(verdicts(made).at(-1)?.verdict?.allowed, false);
  assert.ok(made.calls.includes('pair.cancel {"session":"s1"}'));
});

test('an agent that gives no answer, or a wrong one, gives no verdict', async () => {
  for (const answer of [null, {}, { allowed: 'yes' }, policyMessage({ site: { state: 'great' } })]) {
    const made = makeDesk();
    made.answers['policy.check'] = answer;
    await upToCode(made);
    assert.equal(verdicts(made)[0]?.verdict, null);
  }
});

test('consent has to cover every kind of device that was asked for', async () => {
  const made = makeDesk();
  made.answers['policy.check'] = policyMessage({ consented: true });
  await upToCode(made);
  assert.equal(verdicts(made)[0]?.verdict?.consented, true);

  const both = makeDesk();
  let asked = 0;
  Object.defineProperty(both.answers, 'policy.check', {
    get: () => policyMessage({ consented: (asked += 1) === 1 }),
  });
  await both.desk.begin(page, token, asks('nas', 'printer'));
  await both.desk.command(both.port, { kind: 'open', request: 'b'.repeat(32) });
  assert.equal(verdicts(both)[0]?.verdict?.consented, false);
  assert.equal(asked, 2);
});

test('trying again where news was missing asks the providers', async () => {
  const made = makeDesk();
  made.answers['policy.check'] = policyMessage({ allowed: false, code: 'metadata_stale' });
  await made.desk.begin(page, token, asks('nas'));
  await made.desk.command(made.port, { kind: 'open', request: 'b'.repeat(32) });
  await made.desk.command(made.port, { kind: 'retry' });
  assert.deepEqual(
    made.calls.map((call) => call.split(' ')[0]),
    ['policy.check', 'metadata.refresh', 'policy.check'],
  );
});

test('adding a device: no page, no limits, the person opens it from the window', async () => {
  const made = makeDesk();
  const address = { host: 'attic.local', port: 443, url: 'https://attic.local' };
  made.answers['pair.begin'] = {
    session: 's1',
    state: 'name',
    name: 'attic',
    host: 'attic.local',
    trouble: 'shape',
  };
  made.answers['pair.name'] = {
    session: 's1',
    state: 'code',
    code: { kind: 'digits8', left: 5 },
    host: 'living-room.local',
  };
  for (let i = 0; i < 5; i += 1) {
    assert.equal(await made.desk.add(), true);
    assert.equal(await made.desk.add(), false);
    await made.desk.windowClosed(7);
  }
  await made.desk.add();
  await made.desk.command(made.port, { kind: 'open', request: 'b'.repeat(32) });
  await made.desk.command(made.port, { kind: 'look', nearby: false });
  const device = readDevice(deviceMessage({ type: 'something-new' }));
  await made.desk.agentEvent({ kind: 'found', device });
  await made.desk.command(made.port, { kind: 'pick', key: 'k1', type: 'nas' });
  await made.desk.command(made.port, { kind: 'visit' });
  await made.desk.command(made.port, { kind: 'name', text: 'attic' });
  const grant = readGrant(grantMessage({ origin: null, ...address }));
  await made.desk.agentEvent({ ...done(), grant });
  await made.desk.command(made.port, { kind: 'visit' });
  await made.desk.command(made.port, { kind: 'close' });
  assert.deepEqual(
    made.news.map((one) => one.kind),
    ['question', 'agent', 'found', 'name', 'code', 'done'],
  );
  assert.deepEqual(made.visited, ['https://attic.local']);
  assert.deepEqual(made.told, []);
  assert.deepEqual(
    made.calls.filter((call) => call.startsWith('pair.')),
    [
      'pair.begin {"origin":null,"type":"nas","key":"k1"}',
      'pair.name {"session":"s1","name":"attic"}',
    ],
  );
  assert.equal(made.calls.some((call) => call.startsWith('policy.check')), false);
});

test('a grant for a web service is never the end of adding a device', async () => {
  const made = makeDesk();
  await made.desk.add();
  await made.desk.command(made.port, { kind: 'open', request: 'b'.repeat(32) });
  await made.desk.command(made.port, { kind: 'pick', key: 'k1', type: 'nas' });
  await made.desk.agentEvent(done());
  const [last] = made.news.slice(-1);
  assert.ok(last?.kind === 'failed' && last.code === 'internal');
});

test('a web service cannot be given a name', async () => {
  const made = makeDesk();
  await upToCode(made);
  await made.desk.command(made.port, { kind: 'name', text: 'attic' });
  assert.equal(made.calls.some((call) => call.startsWith('pair.name')), false);
});
