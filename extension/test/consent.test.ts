import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arming, kArmingMs } from '../src/consent/arming';
import { type Act, type Flow, act, hear, kMaxRows, kStart } from '../src/consent/flow';
import { readDevice } from '../src/protocol/agent';
import type { ConsentCommand, ConsentNews } from '../src/protocol/internal';
import { deviceMessage } from './grants-data';

const question: ConsentNews = {
  kind: 'question',
  question: { origin: 'https://video.example', types: ['media-cache'], localNetwork: 'prompt' },
};
const setup = { ready: true, rootInstalled: true, restartNeeded: false };
const ready: ConsentNews = { kind: 'agent', agent: { state: 'ready', setup }, siteBlocked: false };
const found: ConsentNews = { kind: 'found', device: readDevice(deviceMessage()) };
const askForCode: ConsentNews = { kind: 'code', code: { kind: 'digits8', left: 5 } };
const wrong: ConsentNews = { kind: 'failed', code: 'wrong_code', left: 4, again: true };

function play(...steps: (ConsentNews | Act)[]): { flow: Flow; sent: ConsentCommand[] } {
  const acts = ['allow', 'select', 'continue', 'submit', 'again', 'lost_worker'];
  let flow = kStart;
  const sent: ConsentCommand[] = [];
  for (const one of steps) {
    const step = acts.includes(one.kind) ? act(flow, one as Act) : hear(flow, one as ConsentNews);
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
    { kind: 'progress', step: 'check', done: false },
    { kind: 'progress', step: 'check', done: true },
    { kind: 'done', deviceName: 'Living room', warnings: [] },
  );
  assert.equal(flow.view.state, 'done');
  assert.deepEqual(sent, [
    { kind: 'look' },
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

test('a site that was stopped has no way on', () => {
  const { flow } = play(question, { ...ready, siteBlocked: true });
  assert.deepEqual(flow.view, {
    state: 'problem',
    problem: 'site_blocked',
    device: null,
    again: 'never',
  });
  assert.equal(act(flow, { kind: 'allow' }).flow, flow);
  assert.equal(act(flow, { kind: 'again' }).flow, flow);
});

test('setup that is not finished says what to do', () => {
  const problem = (agent: Extract<ConsentNews, { kind: 'agent' }>['agent']): string => {
    const { view } = play(question, { kind: 'agent', agent, siteBlocked: false }).flow;
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
    { kind: 'lost', key: 'k1' },
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
  assert.deepEqual(sent.slice(-2), [{ kind: 'back' }, { kind: 'look' }]);
});

test('the worker dying in the middle of pairing is said; while looking it is mended', () => {
  const interrupted = play(...toCode, { kind: 'lost_worker' }).flow.view;
  assert.ok(interrupted.state === 'problem' && interrupted.problem === 'interrupted');
  const { flow, sent } = play(...toList, { kind: 'lost_worker' }, question, ready);
  assert.equal(flow.view.state, 'looking');
  assert.deepEqual(sent.at(-1), { kind: 'look' });
});

test('late news does not undo the end', () => {
  const done: ConsentNews = { kind: 'done', deviceName: 'x', warnings: [] };
  const { flow } = play(...toCode, done, wrong, { kind: 'over' });
  assert.equal(flow.view.state, 'done');
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
