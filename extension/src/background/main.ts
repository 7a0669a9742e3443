// The service worker: joins the parts and the browser. Listeners are registered before anything is
// awaited, since the browser may have started this worker to deliver the very event.
import type { AgentEvent, Grant } from '../protocol/agent';
import { readTicket } from '../protocol/agent';
import {
  type AgentStatus,
  type ContentMessage,
  type ContentReply,
  type Failure,
  type HomeMessage,
  type HomeState,
  type WorkerMessage,
  kConsentPort,
  readConsentCommand,
  readContentMessage,
  readHomeMessage,
} from '../protocol/internal';
import * as names from '../protocol/names';
import { type Provider, readProviders } from '../protocol/trust';
import { readControlMessage } from '../protocol/control';
import { arrived } from './arrival';
import { AgentError, AgentLink } from './agent-link';
import { ControlDesk } from './control-desk';
import { GrantBook, toPageDevice } from './grant-book';
import { startGuard } from './guard-keeper';
import type { LimitsState } from './limits';
import { type Asking, type ConsentPort, RequestDesk } from './request-desk';
import { type Rule, siteOf } from './rules';
import { type Page, isLive, isOwnPage, leftBy, pageOf } from './sender';
import { kReconnectAlarm, Reconnector } from './reconnect';
import { type Attempts, SignIn, watchAnswers } from './sign-in';
import { localValue, newId, profileId, sessionValue } from './storage';
import { Watchers } from './watchers';
import { openConsentWindow } from './window';

const kFreshenEveryMs = 5000;
const kFreshenPatienceMs = 3000;
let freshenedAt = 0;

const asking = sessionValue<Asking | null>('asking', null);
const limits = sessionValue<LimitsState>('limits', {});
const grantsKept = sessionValue<unknown>('grants', null);
const watching = sessionValue<unknown>('watchers', null);
const agentSeen = sessionValue<AgentStatus>('agent', { state: 'not_running' });
const signIns = sessionValue<Attempts>('signins', {});
const nearby = localValue<readonly string[]>('nearby', []);

// Only where the browser lets an extension decide each request.
const guardKeeper = startGuard({
  heard: () => firstHeard(),
  refresh: (grant) => book.refresh(grant),
});

const agent: AgentLink = new AgentLink({
  connect: () => chrome.runtime.connectNative(names.kNativeHostName),
  disconnectReason: () => chrome.runtime.lastError?.message ?? '',
  profile: profileId,
  version: chrome.runtime.getManifest().version,
  onEvent: (event) => {
    run(agentEvent(event));
  },
  onStatus: (status) => {
    desk.agentStatus(status);
    run(agentSeen.save(status));
    if (status.state === 'ready') run(book.sync());
    if (status.state !== 'connecting') run(reconnector.after(status.state));
  },
});

const book: GrantBook = new GrantBook({
  call: (method, params) => agent.call(method, params),
  load: grantsKept.load,
  save: grantsKept.save,
  resourceTypes: Object.values<string>(chrome.declarativeNetRequest.ResourceType),
  nearbyAllowed: async () => new Set(await nearby.load()),
  currentRules: async () =>
    (await chrome.declarativeNetRequest.getDynamicRules()) as unknown as Rule[],
  replaceRules: (remove, add) =>
    chrome.declarativeNetRequest.updateDynamicRules({
      removeRuleIds: [...remove],
      addRules: add as unknown as chrome.declarativeNetRequest.Rule[],
    }),
  onKnown: async (grants) => {
    await guardKeeper?.know(grants);
  },
  onEnded: (ended) => {
    run(tellWatchers(ended, 'revoked'));
  },
  onRestored: (restored) => {
    run(tellWatchers(restored, 'restored'));
  },
  now: () => Math.floor(Date.now() / 1000),
});

const control = new ControlDesk({
  call: (method, params) => agent.call(method, params),
  sync: async () => {
    await agent.ready();
    await book.sync();
  },
  mark: (id, state) => book.mark(id, state),
  setNearby,
  add: () => desk.add(),
  state: homeState,
  sleep: (ms) =>
    new Promise((done) => {
      setTimeout(done, ms);
    }),
});

const watchers = new Watchers(watching.load, watching.save);
const reconnector = new Reconnector(() => agent.ready());

const desk: RequestDesk = new RequestDesk({
  agent,
  loadAsking: asking.load,
  saveAsking: asking.save,
  loadLimits: limits.load,
  saveLimits: limits.save,
  openWindow: openConsentWindow,
  visit,
  focusWindow: async (id) => {
    await chrome.windows.update(id, { focused: true, drawAttention: true });
  },
  closeWindow: (id) => chrome.windows.remove(id).catch(() => undefined),
  sync: () => book.sync(),
  grantIds: async () => new Set((await book.active()).map((grant) => grant.id)),
  tellPage: async (question, grant) => {
    if (grant !== null) await watchers.add(question.page);
    await tell(question.page, {
      kind: 'outcome',
      token: question.token,
      device: grant === null ? null : await toPageDevice(grant),
    });
  },
  newId,
  now: () => Date.now(),
});

const signIn = new SignIn({
  grants: async () => {
    await freshen();
    return book.all();
  },
  refresh: () => book.sync().catch(() => undefined),
  mint: async (grant, nonce) => {
    const more = nonce === null ? {} : { [names.kNonce]: nonce };
    const params = { [names.kId]: grant.id, [names.kOrigin]: null, ...more };
    return readTicket(await agent.call(names.kTicketMint, params));
  },
  post: (url, init) => fetch(url, init),
  arrived: (tabId, url) => arrived(chrome.tabs, tabId, url),
  reload: (tabId) => chrome.tabs.reload(tabId),
  load: signIns.load,
  save: signIns.save,
  now: () => Date.now(),
});

watchAnswers((answer) => signIn.answered(answer));

chrome.runtime.onMessage.addListener((message: unknown, sender, reply) => {
  if (isOwnPage(sender, chrome.runtime.id, chrome.runtime.getURL('control.html'))) {
    run(control.handle(readControlMessage(message)).then(reply));
    return true;
  }
  if (isOwnPage(sender, chrome.runtime.id, chrome.runtime.getURL('home.html'))) {
    run(homeMessage(readHomeMessage(message)).then(reply));
    return true;
  }
  const left = leftBy(sender, chrome.runtime.id, message);
  if (left !== null) {
    run(desk.pageLeft((one) => one.token === left.token && one.page?.tabId === left.tabId));
    return false;
  }
  const page = isLive(sender) ? pageOf(sender, chrome.runtime.id) : null;
  if (page === null) {
    reply(refusal('none'));
    return false;
  }
  run(contentMessage(page, message).then(reply));
  return true;
});

chrome.runtime.onConnect.addListener((port) => {
  const sender = port.sender ?? {};
  const url = chrome.runtime.getURL('consent.html');
  if (port.name !== kConsentPort || !isOwnPage(sender, chrome.runtime.id, url)) {
    port.disconnect();
    return;
  }
  const consent: ConsentPort = {
    postMessage: (news) => {
      postTo(port, news);
    },
  };
  port.onMessage.addListener((message: unknown) => {
    run(desk.command(consent, readConsentCommand(message)));
  });
  port.onDisconnect.addListener(() => {
    desk.portGone(consent);
  });
});

chrome.windows.onRemoved.addListener((windowId) => {
  run(desk.windowClosed(windowId));
});

chrome.tabs.onRemoved.addListener((tabId) => {
  run(watchers.removeTab(tabId));
  run(desk.pageLeft((question) => question.page?.tabId === tabId));
});

chrome.alarms.onAlarm.addListener((alarm) => {
  if (alarm.name === kReconnectAlarm) run(reconnector.alarm());
});

// Reasons for the browser to start the worker when it starts itself.
chrome.runtime.onStartup.addListener(() => undefined);
chrome.runtime.onInstalled.addListener(() => undefined);

run(agent.ready());

// --- content scripts ---

async function contentMessage(page: Page, raw: unknown): Promise<ContentReply> {
  let message: ContentMessage;
  try {
    message = readContentMessage(raw);
  } catch {
    return refusal('none');
  }
  switch (message.kind) {
    case 'request': {
      const { token, types, sso, localNetwork } = message;
      const begun = await desk.begin(page, token, { types, sso, localNetwork });
      return begun ? { ok: true, value: null } : refusal('none');
    }
    case 'left':
      return refusal('none');
    case 'list':
      return { ok: true, value: await devicesOf(page) };
    case 'ticket':
    case 'forget':
    case 'status': {
      await freshen();
      const grant = await book.find(page.origin, message.device);
      if (grant === null) return refusal('gone');
      return withGrant(page, grant, message);
    }
  }
}

async function devicesOf(page: Page): Promise<unknown> {
  await freshen();
  const grants = await book.forOrigin(page.origin);
  if (grants.length > 0) await watchers.add(page);
  return Promise.all(grants.map(toPageDevice));
}

async function withGrant(
  page: Page,
  grant: Grant,
  message: Extract<ContentMessage, { device: string }>,
): Promise<ContentReply> {
  try {
    switch (message.kind) {
      case 'status':
        return { ok: true, value: null };
      case 'forget':
        await agent.call(names.kGrantsRevoke, { [names.kId]: grant.id });
        await book.mark(grant.id, 'revoked');
        run(book.sync());
        return { ok: true, value: null };
      case 'ticket': {
        const nonce = message.nonce === null ? {} : { [names.kNonce]: message.nonce };
        const failed = message.failed ? { [names.kFailed]: true } : {};
        const params = { [names.kId]: grant.id, [names.kOrigin]: page.origin, ...nonce, ...failed };
        const { ticket, url } = readTicket(await agent.call(names.kTicketMint, params));
        if (url !== grant.url) {
          // The device has moved to another port, and the list has not come yet.
          await book.sync();
          const now = await book.find(page.origin, message.device);
          if (url !== now?.url) return refusal('unreachable');
        }
        return { ok: true, value: { ticket, url } };
      }
    }
  } catch (error) {
    return refusal(failureOf(error));
  }
}

let firstHearing: Promise<void> | null = null;

// The agent's list, once in the life of this worker; where it cannot be asked, tried now and then.
function firstHeard(): Promise<void> {
  firstHearing ??= agent
    .ready()
    .then(() => book.sync())
    .catch(() => {
      setTimeout(() => {
        firstHearing = null;
      }, kFreshenEveryMs);
    });
  return firstHearing;
}

// A worker that just started knows only what it kept; the agent may know better. Pages can make this
// happen as often as they like, so it is tried now and then only, and not waited for long.
async function freshen(): Promise<void> {
  if (agent.status.state === 'ready' || Date.now() - freshenedAt < kFreshenEveryMs) return;
  freshenedAt = Date.now();
  const fresh = agent.ready().then(
    () => book.sync(),
    () => undefined,
  );
  await Promise.race([fresh, new Promise((resolve) => setTimeout(resolve, kFreshenPatienceMs))]);
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof AgentError)) return 'unreachable';
  switch (error.code) {
    case names.kNotGranted:
    case names.kExpired:
    case names.kDeviceRevoked:
    case names.kOriginRevoked:
      return 'gone';
    // Who is trusted and why is the person's business: to a page all of it is "not allowed".
    case names.kAttestationFailed:
    case names.kMetadataStale:
    case names.kNotAllowed:
      return 'denied';
    case names.kMalformed:
    case names.kUnsupported:
    case names.kWindowClosed:
    case names.kWrongCode:
    case names.kLocked:
    case names.kNameConflict:
    case names.kUnreachable:
    case names.kCancelled:
    case names.kInternal:
      return 'unreachable';
  }
}

function refusal(failure: Failure): ContentReply {
  return { ok: false, failure };
}

async function tell(
  to: { readonly tabId: number; readonly documentId: string | null },
  message: WorkerMessage,
): Promise<void> {
  const options = to.documentId === null ? { frameId: 0 } : { documentId: to.documentId };
  // The document may be gone by now: then there is nobody to tell.
  await chrome.tabs.sendMessage(to.tabId, message, options).catch(() => undefined);
}

// --- the agent ---

async function agentEvent(event: AgentEvent): Promise<void> {
  if (event.kind === 'changed') {
    if (event.state !== 'active') await book.mark(event.id, event.state);
    await book.sync();
  }
  if (event.kind === 'trust') await book.sync();
  await desk.agentEvent(event);
}

async function tellWatchers(
  grants: readonly Grant[],
  kind: 'revoked' | 'restored',
): Promise<void> {
  for (const grant of grants) {
    if (grant.origin === null) continue;
    const { id } = await toPageDevice(grant);
    for (const watcher of await watchers.of(grant.origin)) {
      await tell(watcher, { kind, device: id });
    }
  }
}

// --- the control page ---

async function homeMessage(message: HomeMessage): Promise<HomeState> {
  switch (message.kind) {
    case 'home.state':
      await agent.ready().then(
        () => book.sync(),
        () => undefined,
      );
      break;
    case 'home.add':
      await desk.add();
      break;
    case 'home.open': {
      const grant = (await book.active()).find((one) => one.id === message.grant);
      if (grant !== undefined) await visit(grant);
      break;
    }
    case 'home.revoke':
      try {
        await agent.call(names.kGrantsRevoke, { [names.kId]: message.grant });
        await book.mark(message.grant, 'revoked');
        await book.sync();
      } catch {
        // The state that goes back says what stands.
      }
      break;
    case 'home.nearby':
      await setNearby(message.site, message.allowed);
      break;
  }
  return homeState();
}

async function setNearby(site: string, allowed: boolean): Promise<void> {
  const sites = new Set(await nearby.load());
  if (allowed) sites.add(site);
  else sites.delete(site);
  const granted = new Set((await book.active()).flatMap((one) => one.origin ?? []).map(siteOf));
  await nearby.save([...sites].filter((one) => granted.has(one)));
  await book.refreshRules();
}

async function homeState(): Promise<HomeState> {
  const grants = (await book.all()).filter((one) => one.state !== 'revoked');
  const providers = await knownProviders();
  return { agent: agent.status, grants, nearby: await nearby.load(), providers };
}

// A device that the person opens themselves. Its own answer, once it was looked at, brings the ticket.
async function visit(grant: Grant): Promise<void> {
  if (grant.origin !== null) return;
  await chrome.tabs.create({ url: `${grant.url}/` });
}

async function knownProviders(): Promise<readonly Provider[]> {
  if (agent.status.state !== 'ready') return [];
  try {
    return readProviders(await agent.call(names.kMetadataStatus, {}));
  } catch {
    // An agent from before there were providers.
    return [];
  }
}

// --- small joints ---

function postTo(port: chrome.runtime.Port, news: unknown): void {
  try {
    port.postMessage(news);
  } catch {
    // The window closed a moment ago; its removal is on the way as an event of its own.
  }
}

// Work nobody waits for. What it can meet (an agent that went away, a message of the wrong shape)
// shows in the agent's status or is as if it had not come.
function run(work: Promise<unknown>): void {
  work.catch(() => undefined);
}
