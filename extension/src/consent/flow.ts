// The consent window's states as a pure machine: what is shown, and what follows from news of the
// service worker or an act of the person. No DOM, no timers, no messages of its own.
//
//   asking -> looking -> (name) -> code -> working -> (network -> working) -> done
//     |           \------------------------^ (a device that is known needs no code)
//     |  `name` where no web service asks but the person adds a device, who is not asked first either
//     \ skipped where an administrator has consented for the person, and nobody is named to sign in with
//   `network` for a device without one, which takes it over Bluetooth once the code was right
//   any -> problem -> looking again, or asking again where nothing could start yet
import type { CodeRequest, Device, ProposedName } from '../protocol/agent';
import type { ConsentCommand, ConsentNews } from '../protocol/internal';
import type { ErrorCode } from '../protocol/names';
import * as names from '../protocol/names';
import type { Verdict } from '../protocol/trust';
import type {
  Flow,
  Nearby,
  NearbyState,
  NearbyTrouble,
  Of,
  Problem,
  Row,
  Steps,
  View,
} from './views';

export type * from './views';

export type Act =
  | { readonly kind: 'allow' }
  | { readonly kind: 'select'; readonly key: string }
  | { readonly kind: 'continue' }
  | { readonly kind: 'settled' } // the list has been filling for kSettleMs
  | { readonly kind: 'call'; readonly text: string } // the name that the address is to have
  | { readonly kind: 'submit'; readonly text: string }
  | { readonly kind: 'wifi'; readonly ssid: string | null; readonly psk: string }
  | {
      readonly kind: 'radio';
      readonly nearby: NearbyState;
      readonly trouble: NearbyTrouble | null;
    }
  | { readonly kind: 'search' } // by the agent, for a browser that has no Bluetooth
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
function looking({ nearby }: Flow): Of<'looking'> {
  return {
    state: 'looking',
    rows: [],
    selected: null,
    available: true,
    busy: false,
    settled: false,
    nearby,
  };
}

export const kStart: Flow = {
  question: null,
  verdict: null,
  auto: false,
  picked: null,
  nearby: { state: 'idle', trouble: null },
  view: { state: 'asking', ready: false },
};

export function act(flow: Flow, what: Act): Step {
  const { view } = flow;
  switch (what.kind) {
    case 'allow':
      if (view.state !== 'asking' || !view.ready || flow.question === null) return stay(flow);
      return { flow: { ...flow, view: looking(flow) }, send: [look(flow)] };
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
    case 'wifi':
      if (view.state !== 'network' || view.busy || what.ssid === '') return stay(flow);
      return {
        flow: { ...flow, view: { ...view, busy: true, trouble: 'none' } },
        send: [{ kind: 'wifi', ssid: what.ssid, psk: what.psk }],
      };
    case 'radio':
      return onRadio({ ...flow, nearby: { state: what.nearby, trouble: what.trouble } });
    case 'search': {
      if (view.state !== 'looking' || view.busy) return stay(flow);
      // The agent begins anew, and tells all there is again, under other names.
      const { available, settled } = view;
      const searching: Flow = { ...flow, nearby: { state: 'searching', trouble: null } };
      return {
        flow: { ...searching, view: { ...looking(searching), available, settled } },
        send: [look(searching)],
      };
    }
    case 'again':
      if (view.state !== 'problem') return stay(flow);
      if (view.again === 'looking') {
        return {
          flow: { ...flow, auto: false, picked: null, view: looking(flow) },
          send: [{ kind: 'back' }, look(flow)],
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
      if (view.state !== 'looking') return stay(flow);
      if (news.kind === 'found' && news.device.nearby === names.kLinked) return hearLinked(flow, view, news);
      return goOnAlone(flow, updateRows(view, news));
    case 'bluetooth':
      return hearBluetooth(flow, news.available);
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
      return show(flow, working(flow.picked));
    case 'progress':
      return hearProgress(flow, news);
    case 'wifi':
      return hearWifi(flow, news.refused);
    case 'nearby.send':
    case 'nearby.connect':
    case 'nearby.hang_up':
    case 'nearby.closed':
      return stay(flow); // the radio's
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
      return { flow: { ...flow, view: { ...view, busy: false } }, send: [look(flow)] };
    }
    return stay(flow);
  }
  if (problem !== null) return show(flow, { state: 'problem', problem, device: null, again: 'agent' });
  if (flow.question !== null && (flow.question.origin === null || flow.question.moved)) {
    return { flow: { ...flow, view: looking(flow) }, send: [look(flow)] };
  }
  // With whom people sign in is for the person to see, whatever an administrator has consented to.
  if (verdict?.consented === true && flow.question !== null && flow.question.sso === null) {
    return { flow: { ...flow, auto: true, view: looking(flow) }, send: [look(flow)] };
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

type Looking = Of<'looking'>;

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
      if (news.into !== null) return mergeRows(view, news.key, news.into);
      return {
        ...view,
        rows: view.rows.map((one) => (one.key === news.key ? { ...one, away: true } : one)),
        selected: view.selected === news.key && !view.busy ? null : view.selected,
      };
    case 'network':
      return { ...view, available: news.available };
  }
}

// One device that stood here twice: what was chosen of it stays chosen.
function mergeRows(view: Looking, key: string, into: string): Looking {
  const there = view.rows.some((row) => row.key === into);
  const rows = there
    ? view.rows.filter((row) => row.key !== key)
    : view.rows.map((row) => (row.key === key ? { ...row, key: into } : row));
  return { ...view, rows, selected: view.selected === key ? into : view.selected };
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
  if (view.state !== 'code' && view.state !== 'working' && view.state !== 'network') {
    return stay(flow);
  }
  const before =
    view.state === 'working'
      ? view
      : view.state === 'network'
        ? view.before
        : working(view.device);
  const steps: Steps = { ...before.steps, [news.step]: news.done ? 'done' : 'running' };
  const { waiting } = news;
  return show(flow, { ...before, steps, waiting, make: news.make ?? before.make });
}

function working(device: Device): Of<'working'> {
  return { state: 'working', device, steps: kNoSteps, waiting: false, make: null };
}

function hearWifi(flow: Flow, refused: boolean): Step {
  const { view } = flow;
  if (view.state !== 'working' && view.state !== 'network') return stay(flow);
  return show(flow, {
    state: 'network',
    device: view.device,
    trouble: refused ? 'refused' : 'none',
    busy: false,
    tries: view.state === 'network' ? view.tries + 1 : 0,
    before: view.state === 'network' ? view.before : view,
  });
}

// The person chose it in the browser's list, and need not choose it again in this one.
function hearLinked(
  before: Flow,
  view: Looking,
  news: Extract<ConsentNews, { kind: 'found' }>,
): Step {
  const chosen = before.nearby.state === 'connecting';
  const nearby: Nearby = { state: 'connected', trouble: null };
  const flow: Flow = { ...before, nearby };
  const next = { ...updateRows(view, news), nearby };
  const row = next.rows.find((one) => one.key === news.device.key);
  if (!chosen || view.busy || row === undefined || !mayPick(row)) return show(flow, next);
  return pick({ ...flow, auto: false }, next, row);
}

// The agent goes on waiting for a Bluetooth that is off, and says when it is switched on.
function hearBluetooth(flow: Flow, available: boolean): Step {
  const { state, trouble } = flow.nearby;
  if (state !== 'searching' && !(state === 'idle' && trouble === 'off')) return stay(flow);
  const nearby: Nearby = available
    ? { state: 'searching', trouble: null }
    : { state: 'idle', trouble: 'off' };
  return onRadio({ ...flow, nearby });
}

function look({ nearby }: Flow): ConsentCommand {
  return { kind: 'look', nearby: nearby.state === 'searching' };
}

function onRadio(flow: Flow): Step {
  const { view, nearby } = flow;
  return view.state === 'looking' ? show(flow, { ...view, nearby }) : stay(flow);
}

// What could not be reached: over which way, and how far it had come.
function problemWith(code: ErrorCode, device: Device | null, view: View): Problem {
  if (code !== names.kUnreachable || (device?.nearby ?? null) === null) return code;
  const made = view.state === 'working' && view.steps.issue === 'done';
  return made ? 'nearby_absent' : 'nearby_lost';
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
  return show(flow, { state: 'problem', problem: problemWith(news.code, device, view), device, again });
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
    view.state === 'working' ||
    view.state === 'network' || (view.state === 'looking' && view.busy);
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
