// The isolated content script: stands between the page and the service worker. The page's script
// may send anything over the port; it gains nothing by it, since what it may ask is checked here
// and again in the service worker, and a ticket never leaves this world.
import {
  type ContentMessage,
  type ContentReply,
  type LocalNetworkState,
  type PageAnswer,
  type PageCall,
  type PageDevice,
  type PageEvent,
  kConnectMessage,
  kLocalNetworkStates,
  readContentReply,
  readPageCall,
  readWorkerMessage,
} from '../protocol/internal';
import type { SignInAsk } from '../protocol/sign-in';
import { GestureGate } from './gesture';
import { quietRefusalDelay } from './delay';
import { type Opened, Sessions } from './sessions';

const kMaxPorts = 4;

const gestures = new GestureGate();
const ports: MessagePort[] = [];
const waiting = new Map<string, (device: PageDevice | null) => void>();
const sessions = new Sessions((device, nonce, failed) =>
  ask({ kind: 'ticket', device, nonce, failed }),
);

if (isSecureContext && window === window.top && self.origin !== 'null') start();

function start(): void {
  gestures.watch(window);
  window.addEventListener('message', (event) => {
    if (event.source !== window || event.data !== kConnectMessage) return;
    const port = event.ports[0];
    if (port === undefined || ports.length >= kMaxPorts) return;
    event.stopImmediatePropagation();
    ports.push(port);
    port.onmessage = (message) => {
      void receive(port, message.data);
    };
  });
  chrome.runtime.onMessage.addListener((message: unknown, sender) => {
    if (sender.id === chrome.runtime.id && sender.tab === undefined) fromWorker(message);
  });
  window.addEventListener('pagehide', () => {
    for (const token of waiting.keys()) void ask({ kind: 'left', token });
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') sessions.wake();
  });
}

async function receive(port: MessagePort, raw: unknown): Promise<void> {
  let call: PageCall;
  try {
    call = readPageCall(raw);
  } catch {
    return;
  }
  const reply = await perform(call);
  const answer: PageAnswer = { call: call.call, ...reply };
  port.postMessage(answer);
}

async function perform(call: PageCall): Promise<ContentReply> {
  switch (call.method) {
    case 'request':
      return requestDevice(call.types, call.sso);
    case 'list':
      return ask({ kind: 'list' });
    case 'open':
    case 'reopen':
      return outcomeOf(await sessions.open(call.device, call.method === 'reopen'));
    case 'forget': {
      const reply = await ask({ kind: 'forget', device: call.device });
      if (reply.ok) sessions.end(call.device);
      return reply;
    }
    case 'status':
      return ask({ kind: 'status', device: call.device });
  }
}

async function requestDevice(
  types: readonly string[],
  sso: SignInAsk | null,
): Promise<ContentReply> {
  const device = await chooseDevice(types, sso);
  if (device === null) return { ok: false, failure: 'none' };
  // So that <video> and WebSocket work from the first moment. Where it fails, the first use of the
  // device says so.
  await sessions.open(device.id);
  return { ok: true, value: device };
}

async function chooseDevice(
  types: readonly string[],
  sso: SignInAsk | null,
): Promise<PageDevice | null> {
  const token = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
  const outcome = new Promise<PageDevice | null>((resolve) => waiting.set(token, resolve));
  const mayAsk = gestures.take(navigator.userActivation.isActive, performance.now());
  try {
    const begun =
      mayAsk &&
      (await ask({ kind: 'request', token, types, sso, localNetwork: await localNetworkState() })).ok;
    if (begun) return await outcome;
    await quietRefusalDelay();
    return null;
  } finally {
    waiting.delete(token);
  }
}

async function localNetworkState(): Promise<LocalNetworkState> {
  for (const name of ['local-network', 'local-network-access']) {
    try {
      const { state } = await navigator.permissions.query({ name: name as PermissionName });
      return kLocalNetworkStates.find((one) => one === state) ?? 'unknown';
    } catch {
      // A browser without this name.
    }
  }
  return 'unknown';
}

function fromWorker(raw: unknown): void {
  const message = readWorkerMessage(raw);
  if (message === null) return;
  switch (message.kind) {
    case 'outcome':
      waiting.get(message.token)?.(message.device);
      return;
    case 'revoked':
    case 'restored': {
      if (message.kind === 'revoked') sessions.end(message.device);
      const event: PageEvent = { event: message.kind, device: message.device };
      for (const port of ports) port.postMessage(event);
      return;
    }
  }
}

async function ask(message: ContentMessage): Promise<ContentReply> {
  try {
    return readContentReply(await chrome.runtime.sendMessage<ContentMessage, unknown>(message));
  } catch {
    // The extension was replaced or the worker died over it.
    return { ok: false, failure: message.kind === 'request' ? 'none' : 'unreachable' };
  }
}

function outcomeOf(opened: Opened): ContentReply {
  return 'url' in opened ? { ok: true, value: opened } : { ok: false, failure: opened.failure };
}
