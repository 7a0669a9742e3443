import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arming, kArmingMs } from '../src/consent/arming';
import {
  type Act,
  type Flow,
  type NearbyState,
  type NearbyTrouble,
  act,
  hear,
  kMaxRows,
  kStart,
} from '../src/consent/flow';
import { type ProposedName, readDevice } from '../src/protocol/agent';
import type { ConsentCommand, ConsentNews } from '../src/protocol/internal';
import { readVerdict } from '../src/protocol/trust';
import { deviceMessage, policyMessage, siteMessage } from './grants-data';

const question: Extract<ConsentNews, { kind: 'question' }> = {
  kind: 'question',
  question: {
    origin: 'https://video.example',
    types: ['media-cache'],
    sso: null,
    localNetwork: 'prompt',
    moved: false,
  },
};
const setup = { ready: true, rootInstalled: true, restartNeeded: false };
const make = { standing: 'none', maker: null, model: null } as const;
const ready: ConsentNews = {
  kind: 'agent',
  agent: { state: 'ready', setup },
  verdict: readVerdict(policyMessage()),
};
const judged = (change: Record<string, unknown>): ConsentNews => ({
  ...ready,
  verdict: readVerdict(policyMessage(change)),
});
const found: ConsentNews = { kind: 'found', device: readDevice(deviceMessage()) };
const askForCode: ConsentNews = {
  kind: 'code',
  code: { kind: 'digits8', left: 5 },
  host: null,
};
const wrong: ConsentNews = { kind: 'failed', code: 'wrong_code', left: 4, again: true };

function play(...steps: (ConsentNews | Act)[]): { flow: Flow; sent: ConsentCommand[] } {
  const acts = ['allow', 'select', 'continue', 'settled', 'call', 'submit', 'again', 'lost_worker', 'radio', 'wifi', 'search'];
  let flow = kStart;
  const sent: ConsentCommand[] = [];
  for (const one of steps) {
    const isAct = acts.includes(one.kind) && !('refused' in one);
    const step = isAct ? act(flow, one as Act) : hear(flow, one as ConsentNews);
    flow = step.flow;
    sent.push(...step.send);
  }
  return { flow, sent };
}

const toList = [question, ready, { kind: 'allow' }, found] as const;
const toCode = [
  ...toList,
  { kind: 'select', key: 'k1' },
  { kind: 'continue' },
  askForCode,
] as const;

test('from the question to done', () => {
  const { flow, sent } = play(
    ...toCode,
    { kind: 'submit', text: ' 1234 5678 ' },
    wrong,
    { kind: 'submit', text: '8765-4321' },
    { kind: 'progress', step: 'check', done: false, waiting: false, make: null },
    { kind: 'progress', step: 'check', done: true, waiting: false, make: null },
    { kind: 'done', deviceName: 'Living room', url: null, make, warnings: [] },
  );
  assert.equal(flow.view.state, 'done');
  assert.deepEqual(sent, [
    { kind: 'look', nearby: false },
    { kind: 'pick', key: 'k1', type: 'media-cache' },
    { kind: 'code', text: '1234 5678' },
    { kind: 'code', text: '8765-4321' },
  ]);
});

test('nothing is looked for before allow, and allow needs a ready agent', () => {
  assert.deepEqual(play(question, { kind: 'allow' }).sent, []);
  assert.deepEqual(play(ready, { kind: 'allow' }).sent, []);
  assert.equal(play(question, ready, found).flow.view.state, 'asking');
});

test('a site that was stopped has no way on, and the problem says how it was stopped', () => {
  const suspended = { allowed: false, code: 'origin_revoked', site: siteMessage({ state: 'suspended' }) };
  const revoked = { ...suspended, site: siteMessage({ state: 'revoked' }) };
  const cases = [
    [suspended, 'origin_suspended', 'never'],
    [revoked, 'origin_revoked', 'never'],
    [{ allowed: false, code: 'not_allowed' }, 'not_allowed', 'never'],
    [{ allowed: false, code: 'metadata_stale' }, 'metadata_stale', 'agent'],
    [{ allowed: false }, 'not_allowed', 'never'],
  ] as const;
  for (const [change, problem, again] of cases) {
    const { flow } = play(question, judged(change));
    assert.deepEqual(flow.view, { state: 'problem', problem, device: null, again });
    assert.equal(act(flow, { kind: 'allow' }).flow, flow);
    if (again === 'never') assert.equal(act(flow, { kind: 'again' }).flow, flow);
    else assert.deepEqual(act(flow, { kind: 'again' }).send, [{ kind: 'retry' }]);
  }
});

test('a ready agent that gave no verdict is no permission', () => {
  const { flow } = play(question, { ...ready, verdict: null });
  assert.ok(flow.view.state === 'problem' && flow.view.problem === 'internal');
  assert.deepEqual(act(flow, { kind: 'allow' }).send, []);
});

test('what a provider says while the window is open counts at once', () => {
  const revoked = readVerdict(policyMessage({ site: siteMessage({ state: 'revoked' }) }));
  const news: ConsentNews = { kind: 'verdict', verdict: revoked };
  for (const start of [[question, ready], toList, toCode]) {
    const { view } = play(...start, news).flow;
    assert.ok(view.state === 'problem' && view.problem === 'origin_revoked');
  }
  const known: ConsentNews = { kind: 'verdict', verdict: readVerdict(policyMessage()) };
  assert.equal(play(...toCode, known).flow.view.state, 'code');
});

test('a device that was revoked cannot be picked', () => {
  const device = readDevice(deviceMessage({ standing: 'revoked', known: true }));
  const { flow, sent } = play(
    question,
    ready,
    { kind: 'allow' },
    { kind: 'found', device },
    { kind: 'select', key: 'k1' },
    { kind: 'continue' },
  );
  assert.ok(flow.view.state === 'looking' && flow.view.selected === null);
  assert.deepEqual(sent, [{ kind: 'look', nearby: false }]);
});

test('what the check found is kept through the steps', () => {
  const proven = { standing: 'proven', maker: 'Nordlicht', model: 'C2' } as const;
  const { view } = play(
    ...toCode,
    { kind: 'progress', step: 'check', done: true, waiting: false, make: proven },
    { kind: 'progress', step: 'issue', done: false, waiting: false, make: null },
  ).flow;
  assert.ok(view.state === 'working');
  assert.deepEqual(view.make, proven);
});

const known = (key: string): ConsentNews => ({
  kind: 'found',
  device: readDevice(deviceMessage({ key, known: true })),
});
const consented = judged({ consented: true });

test('an administrator does not agree to with whom a person signs in', () => {
  const sso = { issuer: 'https://accounts.example', clientId: null };
  const asked = { ...question, question: { ...question.question, sso } };
  const { flow, sent } = play(asked, consented);
  assert.deepEqual(flow.view, { state: 'asking', ready: true });
  assert.deepEqual(sent, []);
  assert.deepEqual(play(asked, consented, { kind: 'allow' }).sent, [{ kind: 'look', nearby: false }]);
});

test('with an administrator’s consent nothing is asked, and the one known device is taken', () => {
  const first = play(question, consented);
  assert.equal(first.flow.view.state, 'looking');
  assert.deepEqual(first.sent, [{ kind: 'look', nearby: false }]);
  assert.deepEqual(play(question, consented, known('k1')).sent.length, 1, 'not before it settled');
  const picked = { kind: 'pick', key: 'k1', type: 'media-cache' };
  const stranger: ConsentNews = { kind: 'found', device: readDevice(deviceMessage({ key: 'k2' })) };
  for (const order of [
    [known('k1'), { kind: 'settled' }],
    [{ kind: 'settled' }, known('k1')],
    [stranger, known('k1'), { kind: 'settled' }],
  ] as (ConsentNews | Act)[][]) {
    assert.deepEqual(play(question, consented, ...order).sent.at(-1), picked);
  }
});

test('consent of an administrator chooses no device where there are several, or only new ones', () => {
  const settled: Act = { kind: 'settled' };
  for (const seen of [[known('k1'), known('k2')], [found], []]) {
    assert.deepEqual(play(question, consented, ...seen, settled).sent, [{ kind: 'look', nearby: false }]);
  }
  // Nor after the person took the choice over, or after it failed once.
  const taken = play(question, consented, known('k1'), { kind: 'select', key: 'k1' }, settled);
  assert.deepEqual(taken.sent, [{ kind: 'look', nearby: false }]);
  const off: ConsentNews = { kind: 'failed', code: 'unreachable', left: null, again: false };
  const failed = play(question, consented, known('k1'), settled, off, { kind: 'again' });
  const again = hear(failed.flow, known('k1')).flow;
  assert.deepEqual(act(again, settled).send, []);
  // And not at all without it.
  assert.deepEqual(play(...toList, known('k1'), settled).sent, [{ kind: 'look', nearby: false }]);
});

test('setup that is not finished says what to do', () => {
  const problem = (agent: Extract<ConsentNews, { kind: 'agent' }>['agent']): string => {
    const { view } = play(question, { kind: 'agent', agent, verdict: null }).flow;
    return view.state === 'problem' ? view.problem : view.state;
  };
  assert.equal(problem({ state: 'not_installed' }), 'not_installed');
  assert.equal(
    problem({ state: 'ready', setup: { ...setup, rootInstalled: false } }),
    'setup_needed',
  );
  assert.equal(
    problem({ state: 'ready', setup: { ...setup, restartNeeded: true } }),
    'restart_needed',
  );
});

test('rows keep their place: a device that went away stays, unpicked', () => {
  const second: ConsentNews = { kind: 'found', device: readDevice(deviceMessage({ key: 'k2' })) };
  const { flow } = play(
    ...toList,
    second,
    { kind: 'select', key: 'k1' },
    { kind: 'lost', key: 'k1', into: null },
  );
  assert.ok(flow.view.state === 'looking');
  assert.deepEqual(
    flow.view.rows.map((row) => [row.key, row.away]),
    [
      ['k1', true],
      ['k2', false],
    ],
  );
  assert.equal(flow.view.selected, null);
  assert.deepEqual(act(flow, { kind: 'continue' }).send, []);
  assert.deepEqual(act(flow, { kind: 'select', key: 'k1' }).flow, flow);
});

test('a flood of devices is bounded', () => {
  const flood = Array.from({ length: 2000 }, (_, i): ConsentNews => ({
    kind: 'found',
    device: readDevice(deviceMessage({ key: `f${i}` })),
  }));
  const { view } = play(...toList, ...flood).flow;
  assert.ok(view.state === 'looking' && view.rows.length === kMaxRows);
});

test('a wrong code keeps the window open and says how many are left', () => {
  const { view } = play(...toCode, { kind: 'submit', text: '1' }, wrong).flow;
  assert.ok(view.state === 'code');
  assert.deepEqual([view.trouble, view.code.left, view.busy, view.tries], ['wrong', 4, false, 1]);
});

test('no more tries: a problem from which one can look again', () => {
  const locked: ConsentNews = { kind: 'failed', code: 'locked', left: 0, again: false };
  const { flow, sent } = play(...toCode, { kind: 'submit', text: '1' }, locked, { kind: 'again' });
  assert.equal(flow.view.state, 'looking');
  assert.deepEqual(sent.slice(-2), [{ kind: 'back' }, { kind: 'look', nearby: false }]);
});

test('the worker dying in the middle of pairing is said; while looking it is mended', () => {
  const interrupted = play(...toCode, { kind: 'lost_worker' }).flow.view;
  assert.ok(interrupted.state === 'problem' && interrupted.problem === 'interrupted');
  const { flow, sent } = play(...toList, { kind: 'lost_worker' }, question, ready);
  assert.equal(flow.view.state, 'looking');
  assert.deepEqual(sent.at(-1), { kind: 'look', nearby: false });
});

test('late news does not undo the end', () => {
  const done: ConsentNews = { kind: 'done', deviceName: 'x', url: null, make, warnings: [] };
  const { flow } = play(...toCode, done, wrong, { kind: 'over' });
  assert.equal(flow.view.state, 'done');
});

const adding: ConsentNews = {
  kind: 'question',
  question: { origin: null, types: [], sso: null, localNetwork: 'granted', moved: false },
};
const proposal = (change: Partial<ProposedName> = {}): ConsentNews => ({
  kind: 'name',
  proposed: { name: 'living-room', host: 'living-room.local', port: 443, trouble: 'shape', ...change },
});

test('adding a device: nobody asks, a name is agreed on before the code', () => {
  const toName = [adding, ready, found, { kind: 'select', key: 'k1' }, { kind: 'continue' }] as const;
  const { flow, sent } = play(
    ...toName,
    proposal(),
    { kind: 'call', text: ' Attic ' },
    proposal({ name: 'attic', host: 'attic.local', trouble: 'taken' }),
    { kind: 'call', text: 'roof' },
    { kind: 'call', text: 'twice' },
  );
  assert.ok(flow.view.state === 'name' && flow.view.busy && flow.view.tries === 1);
  assert.deepEqual(sent, [
    { kind: 'look', nearby: false },
    { kind: 'pick', key: 'k1', type: 'media-cache' },
    { kind: 'name', text: 'Attic' },
    { kind: 'name', text: 'roof' },
  ]);
  // The name was free as it was typed: no further proposal, and the code is for that address.
  const code = hear(flow, { ...askForCode, host: 'roof.local' }).flow.view;
  assert.ok(code.state === 'code' && code.host === 'roof.local');
  const url = 'https://attic.local';
  const done = play(...toName, proposal(), { kind: 'working' }, { kind: 'done', deviceName: 'x', url, make, warnings: [] });
  assert.ok(done.flow.view.state === 'done' && done.flow.view.url === url);
  assert.equal(play(...toName, proposal(), { kind: 'lost_worker' }).flow.view.state, 'problem');
  assert.equal(play(...toName, proposal(), { kind: 'failed', code: 'name_conflict', left: null, again: false }).flow.view.state, 'problem');
});

test('allow answers after 600 ms in focus, and starts over when it is lost', () => {
  const arming = new Arming();
  assert.equal(arming.armed(10_000), false);
  arming.focus(true, 0);
  arming.focus(true, 300);
  assert.equal(arming.armed(kArmingMs - 1), false);
  assert.equal(arming.armed(kArmingMs), true);
  arming.focus(false, 700);
  assert.equal(arming.armed(5000), false);
  arming.focus(true, 5000);
  assert.equal(arming.armed(5599), false);
  assert.equal(arming.armed(5600), true);
});

const radio = (nearby: NearbyState, trouble: NearbyTrouble | null = null): Act => ({
  kind: 'radio',
  nearby,
  trouble,
});
const linked = (change: Record<string, unknown> = {}): ConsentNews => ({
  kind: 'found',
  device: readDevice(deviceMessage({ key: 'k9', name: '', nearby: 'linked', ...change })),
});
const viewOf = (flow: Flow): unknown => flow.view;

test('nearby: what was chosen in the browser’s list is not chosen again', () => {
  const { flow, sent } = play(
    question,
    ready,
    radio('idle'),
    { kind: 'allow' },
    found,
    radio('choosing'),
    radio('connecting'),
    linked(),
  );
  assert.equal(flow.picked?.key, 'k9');
  assert.equal(flow.nearby.state, 'connected');
  assert.deepEqual(sent.at(-1), { kind: 'pick', key: 'k9', type: 'media-cache' });
  // Told again, as after another look around, it is a row like any other.
  const again = play(
    question,
    ready,
    radio('idle'),
    { kind: 'allow' },
    radio('connecting'),
    linked(),
    { kind: 'failed', code: 'unreachable', left: null, again: false },
    { kind: 'again' },
    linked(),
  );
  assert.equal(again.flow.view.state, 'looking');
  assert.deepEqual(again.sent.at(-1), { kind: 'look', nearby: false });
});

const seenNearby = (change: Record<string, unknown> = {}): ConsentNews => ({
  kind: 'found',
  device: readDevice(deviceMessage({ key: 'k9', name: '', nearby: 'seen', ...change })),
});

test('nearby: without Bluetooth in the browser the agent searches by the computer’s', () => {
  const search = play(...toList, found, { kind: 'select', key: 'k1' }, { kind: 'search' });
  assert.deepEqual(search.sent.at(-1), { kind: 'look', nearby: true });
  const { view } = search.flow;
  assert.ok(view.state === 'looking');
  // The agent tells everything anew, under other keys: what was chosen is not what is called so now.
  assert.deepEqual([view.rows, view.selected, view.nearby.state], [[], null, 'searching']);
  // It is only listed: near is nobody's choice.
  const listed = play(...toList, { kind: 'search' }, seenNearby());
  assert.ok(listed.flow.view.state === 'looking' && listed.flow.view.rows.length === 1);
  assert.equal(listed.flow.picked, null);
  assert.deepEqual(listed.sent.at(-1), { kind: 'look', nearby: true });
  // It goes on over what fails, and over a service worker that was stopped.
  const lost: ConsentNews = { kind: 'failed', code: 'unreachable', left: null, again: false };
  const picked = [{ kind: 'select', key: 'k9' }, { kind: 'continue' }] as const;
  const failed = play(...toList, { kind: 'search' }, seenNearby(), ...picked, askForCode, lost);
  assert.equal(failed.flow.view.state === 'problem' && failed.flow.view.problem, 'nearby_lost');
  const again = play(...toList, { kind: 'search' }, seenNearby(), ...picked, askForCode, lost, { kind: 'again' });
  assert.deepEqual(again.sent.at(-1), { kind: 'look', nearby: true });
  assert.deepEqual(play(...toList, { kind: 'search' }, ready).sent.at(-1), { kind: 'look', nearby: true });
});

test('a device that stood in the list twice stands there once, and stays chosen', () => {
  const merged: ConsentNews = { kind: 'lost', key: 'k1', into: 'k9' };
  const both = play(...toList, seenNearby(), { kind: 'select', key: 'k1' }, merged, seenNearby({ name: 'Cache' }));
  const { view } = both.flow;
  assert.ok(view.state === 'looking');
  assert.deepEqual(view.rows.map(({ key, name, away }) => [key, name, away]), [['k9', 'Cache', false]]);
  assert.equal(view.selected, 'k9');
  // In whatever order it is told.
  const early = play(...toList, { kind: 'select', key: 'k1' }, merged, seenNearby());
  assert.ok(early.flow.view.state === 'looking');
  assert.deepEqual([early.flow.view.rows.length, early.flow.view.selected], [1, 'k9']);
});

test('nearby: a computer without Bluetooth says so, and may be asked again', () => {
  const none: ConsentNews = { kind: 'bluetooth', available: false };
  const off = play(...toList, { kind: 'search' }, none);
  assert.deepEqual(off.flow.nearby, { state: 'idle', trouble: 'off' });
  assert.deepEqual(play(...toList, { kind: 'search' }, none, { kind: 'search' }).sent.at(-1), { kind: 'look', nearby: true });
  // It is switched on meanwhile.
  const on = play(...toList, { kind: 'search' }, none, { kind: 'bluetooth', available: true });
  assert.deepEqual(on.flow.nearby, { state: 'searching', trouble: null });
  // Nobody asked for it.
  assert.deepEqual(play(...toList, none).flow.nearby, { state: 'idle', trouble: null });
  // Not while a device is being reached, whose row would be gone.
  const busy = play(...toList, found, { kind: 'select', key: 'k1' }, { kind: 'continue' }, { kind: 'search' });
  assert.ok(busy.flow.view.state === 'looking' && busy.flow.view.busy && busy.flow.nearby.state === 'idle');
});

test('nearby: trouble is said where it was', () => {
  const off = play(question, ready, radio('idle'), { kind: 'allow' }, radio('idle', 'off'));
  assert.deepEqual(off.flow.view.state === 'looking' && off.flow.view.nearby, { state: 'idle', trouble: 'off' });
  // Later states do not show it, and do not lose it.
  const coded = play(...toCode, radio('idle', 'lost'));
  assert.equal(coded.flow.view.state, 'code');
  assert.equal(coded.flow.nearby.trouble, 'lost');
});

test('nearby: a lost connection and a device that does not turn up are different troubles', () => {
  const upTo = [question, ready, radio('idle'), { kind: 'allow' }, radio('connecting'), linked(), askForCode] as const;
  const lost: ConsentNews = { kind: 'failed', code: 'unreachable', left: null, again: false };
  const early = play(...upTo, lost);
  assert.equal(early.flow.view.state === 'problem' && early.flow.view.problem, 'nearby_lost');
  const late = play(
    ...upTo,
    { kind: 'progress', step: 'issue', done: true, waiting: false, make: null },
    { kind: 'progress', step: 'try', done: false, waiting: true, make: null },
    lost,
  );
  assert.equal(late.flow.view.state === 'problem' && late.flow.view.problem, 'nearby_absent');
  const network = play(...toCode, lost);
  assert.equal(network.flow.view.state === 'problem' && network.flow.view.problem, 'unreachable');
});

test('nearby: a device without network is given one, and what was done by then stays done', () => {
  const checked: ConsentNews = { kind: 'progress', step: 'check', done: true, waiting: false, make: null };
  const asked = play(...toCode, checked, { kind: 'wifi', refused: false });
  assert.equal(asked.flow.view.state, 'network');
  assert.deepEqual(asked.sent.filter((one) => one.kind === 'wifi'), []);
  const answered = play(
    ...toCode,
    checked,
    { kind: 'wifi', refused: false },
    { kind: 'wifi', ssid: '', psk: 'ignored' },
    { kind: 'wifi', ssid: 'Home', psk: 'correct horse' },
    { kind: 'wifi', ssid: 'twice', psk: 'correct horse' },
  );
  assert.deepEqual(answered.sent.filter((one) => one.kind === 'wifi'), [{ kind: 'wifi', ssid: 'Home', psk: 'correct horse' }]);
  assert.ok(!JSON.stringify(viewOf(answered.flow)).includes('horse'), 'the window keeps the password');
  const refused = play(
    ...toCode,
    checked,
    { kind: 'wifi', refused: false },
    { kind: 'wifi', ssid: 'Home', psk: 'wrong horse' },
    { kind: 'wifi', refused: true },
  );
  const { view } = refused.flow;
  assert.ok(view.state === 'network' && view.trouble === 'refused' && view.tries === 1 && !view.busy);
  const on = play(
    ...toCode,
    checked,
    { kind: 'wifi', refused: false },
    { kind: 'wifi', ssid: null, psk: '' },
    { kind: 'progress', step: 'issue', done: false, waiting: false, make: null },
  );
  assert.deepEqual(on.flow.view.state === 'working' && on.flow.view.steps, {
    check: 'done',
    issue: 'running',
    try: 'waiting',
  });
});
