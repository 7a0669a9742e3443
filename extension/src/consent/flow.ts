// The consent window's states as a pure machine: what is shown, and what follows from news of the
// service worker or an act of the person. No DOM, no timers, no messages of its own.
//
//   asking -> looking -> code -> working -> done
//                 \--------------^ (a device that is known needs no code)
//   any -> problem -> looking again, or asking again where nothing could start yet
import type { CodeRequest, Device, PairStep } from '../protocol/agent';
import type { ConsentCommand, ConsentNews, Question } from '../protocol/internal';
import type { ErrorCode } from '../protocol/names';
import * as names from '../protocol/names';

export type SetupProblem =
  | 'not_installed'
  | 'not_running'
  | 'too_old'
  | 'setup_needed'
  | 'restart_needed'
  | 'site_blocked'
  | 'interrupted';
export type Problem = SetupProblem | ErrorCode;

export interface Row extends Device {
  readonly away: boolean; // was found, is not seen any more; keeps its place so that nothing jumps
}

export type Steps = Readonly<Record<PairStep, 'waiting' | 'running' | 'done'>>;

export type CodeTrouble = 'none' | 'wrong' | 'shape';

export type View =
  | { readonly state: 'asking'; readonly ready: boolean }
  | {
      readonly state: 'looking';
      readonly rows: readonly Row[];
      readonly selected: string | null;
      readonly available: boolean;
      readonly busy: boolean;
    }
  | {
      readonly state: 'code';
      readonly device: Device;
      readonly code: CodeRequest;
      readonly trouble: CodeTrouble;
      readonly busy: boolean;
      readonly tries: number; // codes refused so far: each one is announced anew
    }
  | { readonly state: 'working'; readonly device: Device; readonly steps: Steps }
  | { readonly state: 'done'; readonly deviceName: string; readonly warnings: readonly string[] }
  | {
      readonly state: 'problem';
      readonly problem: Problem;
      readonly device: Device | null;
      readonly again: 'looking' | 'agent' | 'never';
    }
  | { readonly state: 'over' };

export interface Flow {
  readonly question: Question | null;
  readonly picked: Device | null;
  readonly view: View;
}

export type Act =
  | { readonly kind: 'allow' }
  | { readonly kind: 'select'; readonly key: string }
  | { readonly kind: 'continue' }
  | { readonly kind: 'submit'; readonly text: string }
  | { readonly kind: 'again' }
  | { readonly kind: 'lost_worker' };

export interface Step {
  readonly flow: Flow;
  readonly send: readonly ConsentCommand[];
}

export const kMaxRows = 50;
const kNoSteps: Steps = { check: 'waiting', issue: 'waiting', try: 'waiting' };
const kLooking: View = {
  state: 'looking',
  rows: [],
  selected: null,
  available: true,
  busy: false,
};

export const kStart: Flow = {
  question: null,
  picked: null,
  view: { state: 'asking', ready: false },
};

export function act(flow: Flow, what: Act): Step {
  const { view } = flow;
  switch (what.kind) {
    case 'allow':
      if (view.state !== 'asking' || !view.ready || flow.question === null) return stay(flow);
      return { flow: { ...flow, view: kLooking }, send: [{ kind: 'look' }] };
    case 'select': {
      if (view.state !== 'looking' || view.busy) return stay(flow);
      const row = view.rows.find((one) => one.key === what.key && !one.away);
      if (row === undefined) return stay(flow);
      return show(flow, { ...view, selected: row.key });
    }
    case 'continue': {
      if (view.state !== 'looking' || view.busy) return stay(flow);
      const row = view.rows.find((one) => one.key === view.selected && !one.away);
      if (row === undefined) return stay(flow);
      return {
        flow: { ...flow, picked: row, view: { ...view, busy: true } },
        send: [{ kind: 'pick', key: row.key, type: row.type }],
      };
    }
    case 'submit': {
      const text = what.text.trim();
      if (view.state !== 'code' || view.busy || text === '') return stay(flow);
      return {
        flow: { ...flow, view: { ...view, busy: true, trouble: 'none' } },
        send: [{ kind: 'code', text: text.slice(0, 400) }],
      };
    }
    case 'again':
      if (view.state !== 'problem') return stay(flow);
      if (view.again === 'looking') {
        return {
          flow: { ...flow, picked: null, view: kLooking },
          send: [{ kind: 'back' }, { kind: 'look' }],
        };
      }
      if (view.again === 'agent') {
        return {
          flow: { ...flow, view: { state: 'asking', ready: false } },
          send: [{ kind: 'retry' }],
        };
      }
      return stay(flow);
    case 'lost_worker':
      return lostWorker(flow);
  }
}

export function hear(flow: Flow, news: ConsentNews): Step {
  const { view } = flow;
  switch (news.kind) {
    case 'question':
      return { flow: { ...flow, question: news.question }, send: [] };
    case 'agent':
      return hearAgent(flow, news);
    case 'found':
    case 'lost':
    case 'network':
      return view.state === 'looking' ? show(flow, updateRows(view, news)) : stay(flow);
    case 'code':
      if (view.state !== 'looking' || flow.picked === null) return stay(flow);
      return show(flow, {
        state: 'code',
        device: flow.picked,
        code: news.code,
        trouble: 'none',
        busy: false,
        tries: 0,
      });
    case 'working':
      if (flow.picked === null || view.state !== 'looking') return stay(flow);
      return show(flow, { state: 'working', device: flow.picked, steps: kNoSteps });
    case 'progress':
      return hearProgress(flow, news.step, news.done);
    case 'done':
      if (view.state !== 'working' && view.state !== 'code') return stay(flow);
      return show(flow, { state: 'done', deviceName: news.deviceName, warnings: news.warnings });
    case 'failed':
      return hearFailed(flow, news);
    case 'over':
      return view.state === 'done' ? stay(flow) : show(flow, { state: 'over' });
  }
}

function hearAgent(flow: Flow, news: Extract<ConsentNews, { kind: 'agent' }>): Step {
  const { view } = flow;
  const problem = setupProblem(news);
  if (view.state !== 'asking') {
    // The worker was restarted under an open window; what was being looked for is asked again.
    if (view.state === 'looking' && problem === null) {
      return { flow: { ...flow, view: { ...view, busy: false } }, send: [{ kind: 'look' }] };
    }
    return stay(flow);
  }
  if (problem === null) return show(flow, { state: 'asking', ready: true });
  const again = problem === 'site_blocked' ? 'never' : 'agent';
  return show(flow, { state: 'problem', problem, device: null, again });
}

function setupProblem(news: Extract<ConsentNews, { kind: 'agent' }>): SetupProblem | null {
  const { agent } = news;
  switch (agent.state) {
    case 'connecting':
      return 'not_running';
    case 'not_installed':
    case 'not_running':
    case 'too_old':
      return agent.state;
    case 'ready':
      if (news.siteBlocked) return 'site_blocked';
      if (!agent.setup.rootInstalled) return 'setup_needed';
      if (agent.setup.restartNeeded) return 'restart_needed';
      return agent.setup.ready ? null : 'setup_needed';
  }
}

type Looking = Extract<View, { state: 'looking' }>;

function updateRows(
  view: Looking,
  news: Extract<ConsentNews, { kind: 'found' | 'lost' | 'network' }>,
): Looking {
  switch (news.kind) {
    case 'found': {
      const row: Row = { ...news.device, away: false };
      const at = view.rows.findIndex((one) => one.key === row.key);
      if (at >= 0) return { ...view, rows: view.rows.map((one, i) => (i === at ? row : one)) };
      return view.rows.length >= kMaxRows ? view : { ...view, rows: [...view.rows, row] };
    }
    case 'lost':
      return {
        ...view,
        rows: view.rows.map((one) => (one.key === news.key ? { ...one, away: true } : one)),
        selected: view.selected === news.key && !view.busy ? null : view.selected,
      };
    case 'network':
      return { ...view, available: news.available };
  }
}

function hearProgress(flow: Flow, step: PairStep, done: boolean): Step {
  const { view } = flow;
  if (view.state !== 'code' && view.state !== 'working') return stay(flow);
  const before = view.state === 'working' ? view.steps : kNoSteps;
  const steps: Steps = { ...before, [step]: done ? 'done' : 'running' };
  return show(flow, { state: 'working', device: view.device, steps });
}

function hearFailed(flow: Flow, news: Extract<ConsentNews, { kind: 'failed' }>): Step {
  const { view } = flow;
  if (view.state === 'done' || view.state === 'over') return stay(flow);
  const device = flow.picked;
  if (news.again && device !== null && (view.state === 'code' || view.state === 'working')) {
    const code: CodeRequest =
      view.state === 'code' ? view.code : { kind: names.kDigits8, left: news.left ?? 0 };
    return show(flow, {
      state: 'code',
      device,
      code: { ...code, left: news.left ?? code.left },
      trouble: news.code === names.kMalformed ? 'shape' : 'wrong',
      busy: false,
      tries: view.state === 'code' ? view.tries + 1 : 1,
    });
  }
  const again = isFinal(news.code) ? 'never' : view.state === 'asking' ? 'agent' : 'looking';
  return show(flow, { state: 'problem', problem: news.code, device, again });
}

// Where trying again can not help, and must not be offered.
function isFinal(code: ErrorCode): boolean {
  return code === names.kOriginRevoked || code === names.kDeviceRevoked;
}

function lostWorker(flow: Flow): Step {
  const { view } = flow;
  const pairing =
    view.state === 'code' || view.state === 'working' || (view.state === 'looking' && view.busy);
  if (!pairing) return stay(flow);
  return show(flow, {
    state: 'problem',
    problem: 'interrupted',
    device: flow.picked,
    again: 'looking',
  });
}

function show(flow: Flow, view: View): Step {
  return { flow: { ...flow, view }, send: [] };
}

function stay(flow: Flow): Step {
  return { flow, send: [] };
}
