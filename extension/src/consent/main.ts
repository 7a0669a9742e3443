// The consent window: joins the flow, the screens and the service worker.
import type { Make } from '../protocol/agent';
import type { ConsentCommand, ConsentNews } from '../protocol/internal';
import { kConsentPort } from '../protocol/internal';
import * as names from '../protocol/names';
import type { Verdict } from '../protocol/trust';
import { byId } from '../ui/dom';
import { icon } from '../ui/icons';
import { fillTexts, text } from '../ui/text';
import { Arming } from './arming';
import { type Act, type Flow, type Step, act, hear, kStart } from './flow';
import { Nearby, isLinkNews } from './nearby';
import { chooseNearby, hasRadio } from './radio';
import { type Doing, type Screen, makeScreen } from './screens';

const kCloseAfterMs = 2000;

const request = location.hash.slice(1);
const arming = new Arming();
let flow: Flow = kStart;
let screen: Screen | null = null;
let port: chrome.runtime.Port | null = null;
let pointerInside = false;
// Whether the browser can show its list of devices nearby over this window.
let roomy = false;

const nearby = new Nearby({
  choose: chooseNearby,
  send: (command) => {
    send(command);
  },
  act: (what) => {
    take(act(flow, what));
  },
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
});

const doing: Doing = {
  act: (what: Act) => {
    // The gate is asked again at the click: what the button looks like is not what decides.
    const first = what.kind === 'allow' || (what.kind === 'continue' && addsDevice());
    if (first && !arming.armed(performance.now())) return;
    take(act(flow, what));
  },
  visit: () => {
    send({ kind: 'visit' });
    doing.close();
  },
  lookNearby: () => {
    if (!hasRadio()) take(act(flow, { kind: 'search' }));
    else if (roomy) nearby.look();
    else send({ kind: 'nearby.window' });
  },
  refuse: () => {
    send({ kind: 'refuse' });
    closeSoon();
  },
  close: () => {
    send({ kind: 'close' });
    closeSoon();
  },
};

function send(command: ConsentCommand): void {
  (port ?? connect()).postMessage(command);
}

function connect(): chrome.runtime.Port {
  const made = chrome.runtime.connect({ name: kConsentPort });
  port = made;
  made.onMessage.addListener((news: ConsentNews) => {
    if (isLinkNews(news)) nearby.hear(news);
    else take(hear(flow, news));
  });
  made.onDisconnect.addListener(() => {
    // The service worker was stopped. It is started again by asking for it.
    if (port !== made) return;
    port = null;
    nearby.forget();
    take(act(flow, { kind: 'lost_worker' }));
    setTimeout(() => port ?? connect(), 200);
  });
  made.postMessage({ kind: 'open', request } satisfies ConsentCommand);
  return made;
}

function take(step: Step): void {
  const before = flow;
  flow = step.flow;
  const fresh =
    screen === null ||
    before.view.state !== flow.view.state ||
    (flow.view.state === 'asking' &&
      (before.question !== flow.question || !sameVerdict(before.verdict, flow.verdict))) ||
    (flow.view.state === 'problem' && before.view !== flow.view);
  if (fresh) draw();
  else screen?.update(flow.view);
  gate();
  for (const command of step.send) send(command);
}

function draw(): void {
  const { view } = flow;
  screen = makeScreen(flow, doing);
  const main = byId('main');
  main.dataset['state'] = view.state;
  main.replaceChildren(...screen.body);
  main.scrollTop = 0;
  byId('actions').replaceChildren(...screen.buttons);
  const heading = main.querySelector('h1');
  (screen.focus ?? heading)?.focus({ preventScroll: true });
  byId('said').textContent = heading?.textContent ?? '';
  document.title = `${heading?.textContent ?? ''} – ${text('windowTitle')}`;
  if (view.state === 'done' && view.url === null) finishWhenSeen(view.warnings.length > 0 || hasToBeRead(view.make));
}

// What nobody vouches for is no reason to stop, but must not vanish before it was read.
function hasToBeRead({ standing }: Make): boolean {
  return standing !== names.kNone && standing !== names.kProven;
}

function sameVerdict(a: Verdict | null, b: Verdict | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function addsDevice(): boolean {
  return flow.question !== null && flow.question.origin === null;
}

// Keeps the allow button in step with the focus of the window.
function gate(): void {
  const now = performance.now();
  arming.focus(document.hasFocus() && document.visibilityState === 'visible', now);
  const first = addsDevice() && flow.view.state === 'looking' ? '#continue' : '#allow';
  const allow = document.querySelector<HTMLButtonElement>(first);
  if (allow === null) return;
  allow.disabled = !(arming.armed(now) && allow.dataset['ready'] === 'true');
}

// Done: after two seconds the page goes on, and the window closes by itself unless it is still
// being looked at: while the pointer is in it, or where there is a warning to read.
function finishWhenSeen(warned: boolean): void {
  setTimeout(() => {
    send({ kind: 'seen' });
    if (warned) return;
    const timer = setInterval(() => {
      if (pointerInside) return;
      clearInterval(timer);
      doing.close();
    }, 100);
  }, kCloseAfterMs);
}

// The service worker closes the window; should it be gone, the window does so itself.
function closeSoon(): void {
  setTimeout(() => {
    window.close();
  }, 500);
}

fillTexts(document);
byId('brand').append(icon('key'), text('brand'));
document.addEventListener('pointermove', () => {
  pointerInside = true;
});
document.documentElement.addEventListener('pointerleave', () => {
  pointerInside = false;
});
window.addEventListener('blur', gate);
window.addEventListener('focus', gate);
document.addEventListener('visibilitychange', gate);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && event.isTrusted) doing.refuse();
});
setInterval(gate, 50);
void chrome.windows.getCurrent().then(({ type }) => {
  roomy = type === 'normal';
});
draw();
connect();
