// The consent window's states as a pure machine: what is shown, and what follows from news of the
// service worker or an act of the person. No DOM, no timers, no messages of its own.
//
//   asking -> looking -> (name) -> code -> working -> done
//     |           \------------------------^ (a device that is known needs no code)
//     |  `name` where no web service asks but the person adds a device, who is not asked first either
//     \ skipped where an administrator has consented for the person, and nobody is named to sign in with
//   any -> problem -> looking again, or asking again where nothing could start yet
import type { CodeRequest, Device, Locked, Make, PairStep, ProposedName } from '../protocol/agent';
import type { ConsentCommand, ConsentNews, Question } from '../protocol/internal';
import type { ErrorCode } from '../protocol/names';
import * as names from '../protocol/names';
import type { Verdict } from '../protocol/trust';

export type SetupProblem =
  | 'not_installed'
  | 'not_running'
  | Locked
  | 'too_old'
  | 'setup_needed'
  | 'restart_needed'
  | 'interrupted';
export type Problem = SetupProblem | 'origin_suspended' | ErrorCode;

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
      readonly settled: boolean;
    }
  | {
      readonly state: 'name';
      readonly device: Device;
      readonly proposed: ProposedName;
      readonly busy: boolean;
      readonly tries: number; // names given so far: each answer is announced anew
    }
  | {
      readonly state: 'code';
      readonly device: Device;
      readonly host: string | null; // the one address that this can make work
      readonly code: CodeRequest;
      readonly trouble: CodeTrouble;
      readonly busy: boolean;
      readonly tries: number; // codes refused so far: each one is announced anew
    }
  | {
      readonly state: 'working';
      readonly device: Device;
      readonly steps: Steps;
      readonly make: Make | null; // null until it was checked
    }
  | {
      readonly state: 'done';
      readonly deviceName: string;
      readonly url: string | null;
      readonly make: Make;
      readonly warnings: readonly string[];
    }
  | {
      readonly state: 'problem';
      readonly problem: Problem;
      readonly device: Device | null;
      readonly again: 'looking' | 'agent' | 'never';
    }
  | { readonly state: 'over' };

export interface Flow {
  readonly question: Question | null;
  readonly verdict: Verdict | null; // the last one the agent gave
  // Consented by an administrator, and neither the person nor a failure has taken the choice over.
  readonly auto: boolean;
  readonly picked: Device | null;
  readonly view: View;
}

export type Act =
  | { readonly kind: 'allow' }
  | { readonly kind: 'select'; readonly key: string }
  | { readonly kind: 'continue' }
  | { readonly kind: 'settled' } // the list has been filling for kSettleMs
  | { readonly kind: 'call'; readonly text: string } // the name that the address is to have
  | { readonly kind: 'submit'; readonly text: string }
  | { readonly kind: 'again' }
  | { readonly kind: 'lost_worker' };

export interface Step {
  readonly flow: Flow;
  readonly send: readonly ConsentCommand[];
}

export const kMaxRows = 50;
// How long devices have to show themselves before one is taken as the only one.
export const kSettleMs = 2000;
const kNoSteps: Steps = { check: 'waiting', issue: 'waiting', try: 'waiting' };
const kLooking: View = {
  state: 'looking',
  rows: [],
  selected: null,
  available: true,
  busy: false,
  settled: false,
};

export const kStart: Flow = {
  question: null,
  verdict: null,
  auto: false,
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
      const row = view.rows.find((one) => one.key === what.key && mayPick(one));
      if (row === undefined) return stay(flow);
      return show({ ...flow, auto: false }, { ...view, selected: row.key });
    }
    case 'continue': {
      if (view.state !== 'looking' || view.busy) return stay(flow);
      const row = view.rows.find((one) => one.key === view.selected && mayPick(one));
      return row === undefined ? stay(flow) : pick(flow, view, row);
    }
    case 'settled':
      return view.state === 'looking' ? goOnAlone(flow, { ...view, settled: true }) : stay(flow);
    case 'call': {
      const text = what.text.trim();
      if (view.state !== 'name' || view.busy || text === '') return stay(flow);
      return {
        flow: { ...flow, view: { ...view, busy: true } },
        send: [{ kind: 'name', text: text.slice(0, 100) }],
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
          flow: { ...flow, auto: false, picked: null, view: kLooking },
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
    case 'verdict':
      return hearVerdict(flow, news.verdict) ?? stay({ ...flow, verdict: news.verdict });
    case 'found':
    case 'lost':
    case 'network':
      return view.state === 'looking' ? goOnAlone(flow, updateRows(view, news)) : stay(flow);
    case 'name':
      return hearName(flow, news.proposed);
    case 'code':
      if (!isBeforeCode(view) || flow.picked === null) return stay(flow);
      return show(flow, {
        state: 'code',
        device: flow.picked,
        host: news.host,
        code: news.code,
        trouble: 'none',
        busy: false,
        tries: 0,
      });
    case 'working':
      if (flow.picked === null || !isBeforeCode(view)) return stay(flow);
      return show(flow, { state: 'working', device: flow.picked, steps: kNoSteps, make: null });
    case 'progress':
      return hearProgress(flow, news);
    case 'done':
      if (view.state !== 'working' && view.state !== 'code') return stay(flow);
      return show(flow, {
        state: 'done',
        deviceName: news.deviceName,
        url: news.url,
        make: news.make,
        warnings: news.warnings,
      });
    case 'failed':
      return hearFailed(flow, news);
    case 'over':
      return view.state === 'done' ? stay(flow) : show(flow, { state: 'over' });
  }
}

type AgentNews = Extract<ConsentNews, { kind: 'agent' }>;

function hearAgent(before: Flow, news: AgentNews): Step {
  const { verdict } = news;
  const refused = verdict === null ? null : hearVerdict(before, verdict);
  if (refused !== null) return refused;
  const flow = verdict === null ? before : { ...before, verdict };
  const { view } = flow;
  const problem = problemOf(news);
  if (view.state !== 'asking') {
    // The worker was restarted under an open window; what was being looked for is asked again.
    if (view.state === 'looking' && problem === null) {
      return { flow: { ...flow, view: { ...view, busy: false } }, send: [{ kind: 'look' }] };
    }
    return stay(flow);
  }
  if (problem !== null) return show(flow, { state: 'problem', problem, device: null, again: 'agent' });
  if (flow.question !== null && flow.question.origin === null) {
    return { flow: { ...flow, view: kLooking }, send: [{ kind: 'look' }] };
  }
  // With whom people sign in is for the person to see, whatever an administrator has consented to.
  if (verdict?.consented === true && flow.question !== null && flow.question.sso === null) {
    return { flow: { ...flow, auto: true, view: kLooking }, send: [{ kind: 'look' }] };
  }
  return show(flow, { state: 'asking', ready: true });
}

// A refusal counts at every moment before the end: a provider may have spoken while the window was
// open. Null where there is none.
function hearVerdict(flow: Flow, verdict: Verdict): Step | null {
  const { state } = flow.view;
  if (verdict.allowed || state === 'done' || state === 'over') return null;
  const problem = verdict.site.state === names.kSuspended ? 'origin_suspended' : verdict.code;
  const again = problem === names.kMetadataStale ? 'agent' : 'never';
  const view: View = { state: 'problem', problem: problem ?? names.kNotAllowed, device: null, again };
  return show({ ...flow, verdict }, view);
}

function problemOf({ agent, verdict }: AgentNews): Problem | null {
  switch (agent.state) {
    case 'connecting':
      return 'not_running';
    case 'not_installed':
    case 'not_running':
    case 'too_old':
    case 'locked_keyring':
    case 'locked_passphrase':
    case 'locked_other':
      return agent.state;
    case 'ready':
      if (!agent.setup.rootInstalled) return 'setup_needed';
      if (agent.setup.restartNeeded) return 'restart_needed';
      if (!agent.setup.ready) return 'setup_needed';
      // Nobody said that it may.
      return verdict === null ? names.kInternal : null;
  }
}

export function mayPick(row: Row): boolean {
  return !row.away && row.standing !== names.kRevoked;
}

function pick(flow: Flow, view: Looking, row: Row): Step {
  return {
    flow: { ...flow, picked: row, view: { ...view, selected: row.key, busy: true } },
    send: [{ kind: 'pick', key: row.key, type: row.type }],
  };
}

// With an administrator's consent the one device that this computer knows is taken without asking;
// none or several are the person's to choose from, and a new one always needs its code.
function goOnAlone(flow: Flow, view: Looking): Step {
  const known = view.rows.filter((row) => row.known && mayPick(row));
  const [only] = known;
  if (!flow.auto || !view.settled || view.busy || known.length !== 1 || only === undefined) {
    return show(flow, view);
  }
  return pick({ ...flow, auto: false }, view, only);
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

function isBeforeCode(view: View): view is Extract<View, { state: 'looking' | 'name' }> {
  return view.state === 'looking' || view.state === 'name';
}

function hearName(flow: Flow, proposed: ProposedName): Step {
  const { view } = flow;
  if (!isBeforeCode(view) || flow.picked === null) return stay(flow);
  const tries = view.state === 'name' ? view.tries + 1 : 0;
  return show(flow, { state: 'name', device: flow.picked, proposed, busy: false, tries });
}

function hearProgress(flow: Flow, news: Extract<ConsentNews, { kind: 'progress' }>): Step {
  const { view } = flow;
  if (view.state !== 'code' && view.state !== 'working') return stay(flow);
  const before = view.state === 'working' ? view : { steps: kNoSteps, make: null };
  const steps: Steps = { ...before.steps, [news.step]: news.done ? 'done' : 'running' };
  const make = news.make ?? before.make;
  return show(flow, { state: 'working', device: view.device, steps, make });
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
      host: view.state === 'code' ? view.host : null,
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
  return (
    code === names.kOriginRevoked || code === names.kDeviceRevoked || code === names.kNotAllowed
  );
}

function lostWorker(flow: Flow): Step {
  const { view } = flow;
  const pairing =
    view.state === 'name' ||
    view.state === 'code' ||
    view.state === 'working' || (view.state === 'looking' && view.busy);
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
