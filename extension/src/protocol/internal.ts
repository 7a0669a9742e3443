// What the parts of the extension say to each other: page world, content script, service worker,
// consent window, control page. Messages that come from a content script are read as if a hostile
// page had written them; who sent them is taken from the browser, never from the message.
import type {
  CodeRequest,
  Device,
  Grant,
  LinkNews,
  Locked,
  Make,
  PairStep,
  ProposedName,
  SetupState,
} from './agent';
import { kTypeShape } from './agent';
import { kRidShape, readValueText } from './nearby';
import type { ErrorCode } from './names';
import { type SignInAsk, readSignInAsk } from './sign-in';
import type { Provider, Verdict } from './trust';
import {
  Malformed,
  isFields,
  readFields,
  readInt,
  readList,
  readMatch,
  readOneOf,
  readText,
  readBool,
} from './read';

export const kTokenShape = /^[0-9a-f]{32}$/;
export const kPageIdShape = /^[\w-]{22}$/;
const kNonceShape = /^[\w-]{1,128}$/;

// A device as a page may know it. The id is derived from the grant's host, which differs for every
// person, web service and device.
export interface PageDevice {
  readonly id: string;
  readonly type: string;
  readonly url: string;
}

// All that a page ever learns about a failure.
export const kFailures = ['none', 'unreachable', 'gone', 'denied'] as const;
export type Failure = (typeof kFailures)[number];

// Whether the browser will ask its own question about the local network afterwards.
export const kLocalNetworkStates = ['granted', 'prompt', 'denied', 'unknown'] as const;
export type LocalNetworkState = (typeof kLocalNetworkStates)[number];

// --- page world -> content script, over a MessagePort ---
export type PageCall =
  | {
      readonly call: number;
      readonly method: 'request';
      readonly types: readonly string[];
      readonly sso: SignInAsk | null;
    }
  | { readonly call: number; readonly method: 'list' }
  | {
      readonly call: number;
      // reopen: the device could not be reached where it was
      readonly method: 'open' | 'reopen' | 'forget' | 'status';
      readonly device: string;
    };

export type PageAnswer =
  | { readonly call: number; readonly ok: true; readonly value: unknown }
  | { readonly call: number; readonly ok: false; readonly failure: Failure };

// `restored`: what was taken back may be used again, by the same name and at the same address.
export interface PageEvent {
  readonly event: 'revoked' | 'restored';
  readonly device: string;
}

export const kConnectMessage = 'latchkey:connect:1';
const kMaxTypes = 8;

function readTypes(value: unknown): string[] {
  const types = readList(value, 'types', kMaxTypes, (one) =>
    readMatch(one, 'type', kTypeShape, 31),
  );
  if (types.length === 0) throw new Malformed('types');
  return [...new Set(types)];
}

export function readPageCall(value: unknown): PageCall {
  const message = readFields(value, 'call');
  const call = readInt(message['call'], 'call', 0, Number.MAX_SAFE_INTEGER);
  const method = readOneOf(message['method'], 'method', [
    'request',
    'list',
    'open',
    'reopen',
    'forget',
    'status',
  ]);
  switch (method) {
    case 'request':
      return { call, method, types: readTypes(message['types']), sso: readSignInAsk(message['sso']) };
    case 'list':
      return { call, method };
    case 'open':
    case 'reopen':
    case 'forget':
    case 'status':
      return { call, method, device: readMatch(message['device'], 'device', kPageIdShape, 22) };
  }
}

export function readPageAnswer(value: unknown): PageAnswer | PageEvent | null {
  if (!isFields(value)) return null;
  const { event, device } = value;
  if ((event === 'revoked' || event === 'restored') && typeof device === 'string') {
    return { event, device };
  }
  const call = value['call'];
  if (typeof call !== 'number') return null;
  if (value['ok'] === true) return { call, ok: true, value: value['value'] };
  return { call, ok: false, failure: readFailure(value['failure']) };
}

export function readFailure(value: unknown): Failure {
  return kFailures.find((one) => one === value) ?? 'none';
}

const kUrlShape = /^https:\/\/[a-z0-9-]+\.local(:[0-9]{1,5})?$/;

// Where a session was opened; null where that is not said.
export function readOpened(value: unknown): string | null {
  const url = isFields(value) ? value['url'] : null;
  return typeof url === 'string' && url.length <= 100 && kUrlShape.test(url) ? url : null;
}

export function readPageDevice(value: unknown): PageDevice {
  const device = readFields(value, 'device');
  return {
    id: readMatch(device['id'], 'id', kPageIdShape, 22),
    type: readMatch(device['type'], 'type', kTypeShape, 31),
    url: readMatch(device['url'], 'url', kUrlShape, 100),
  };
}

// --- content script -> service worker ---
export type ContentMessage =
  | {
      readonly kind: 'request';
      readonly token: string;
      readonly types: readonly string[];
      readonly sso: SignInAsk | null;
      readonly localNetwork: LocalNetworkState;
    }
  | { readonly kind: 'left'; readonly token: string }
  | { readonly kind: 'list' }
  | {
      readonly kind: 'ticket';
      readonly device: string;
      readonly nonce: string | null;
      readonly failed: boolean; // the device could not be reached where it was
    }
  | { readonly kind: 'forget' | 'status'; readonly device: string };

export type ContentReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly failure: Failure };

export function readContentMessage(value: unknown): ContentMessage {
  const message = readFields(value, 'message');
  const kind = readOneOf(message['kind'], 'kind', [
    'request',
    'left',
    'list',
    'ticket',
    'forget',
    'status',
  ]);
  switch (kind) {
    case 'request':
      return {
        kind,
        token: readMatch(message['token'], 'token', kTokenShape, 32),
        types: readTypes(message['types']),
        sso: readSignInAsk(message['sso']),
        localNetwork: readOneOf(message['localNetwork'], 'localNetwork', kLocalNetworkStates),
      };
    case 'left':
      return { kind, token: readMatch(message['token'], 'token', kTokenShape, 32) };
    case 'list':
      return { kind };
    case 'ticket': {
      const nonce = message['nonce'];
      return {
        kind,
        device: readMatch(message['device'], 'device', kPageIdShape, 22),
        nonce: nonce === null ? null : readNonce(nonce),
        failed: message['failed'] === true,
      };
    }
    case 'forget':
    case 'status':
      return { kind, device: readMatch(message['device'], 'device', kPageIdShape, 22) };
  }
}

export function readContentReply(value: unknown): ContentReply {
  if (!isFields(value)) return { ok: false, failure: 'none' };
  if (value['ok'] === true) return { ok: true, value: value['value'] };
  return { ok: false, failure: readFailure(value['failure']) };
}

export function readNonce(value: unknown): string {
  return readMatch(value, 'nonce', kNonceShape, 128);
}

// --- service worker -> content script ---
export type WorkerMessage =
  | { readonly kind: 'outcome'; readonly token: string; readonly device: PageDevice | null }
  | { readonly kind: 'revoked' | 'restored'; readonly device: string };

export function readWorkerMessage(value: unknown): WorkerMessage | null {
  if (!isFields(value)) return null;
  if (value['kind'] === 'outcome') {
    return {
      kind: 'outcome',
      token: readMatch(value['token'], 'token', kTokenShape, 32),
      device: value['device'] === null ? null : readPageDevice(value['device']),
    };
  }
  const { kind } = value;
  if (kind === 'revoked' || kind === 'restored') {
    return { kind, device: readMatch(value['device'], 'device', kPageIdShape, 22) };
  }
  return null;
}

// --- the agent as the windows see it ---
export type AgentStatus =
  | { readonly state: 'connecting' }
  | { readonly state: 'ready'; readonly setup: SetupState }
  | { readonly state: 'not_installed' | 'not_running' | 'too_old' }
  | { readonly state: Locked };

// In UTF-16 units. IEEE 802.11: 32 bytes; a passphrase of 8 to 63 characters, or 64 hex digits.
export const kMaxSsid = 32;
export const kMaxPsk = 64;

// --- consent window -> service worker, over a Port named kConsentPort ---
export const kConsentPort = 'consent';

export type ConsentCommand =
  | { readonly kind: 'open'; readonly request: string }
  // `nearby`: by the computer's own Bluetooth, too, which is the agent's to use.
  | { readonly kind: 'look'; readonly nearby: boolean }
  | { readonly kind: 'pick'; readonly key: string; readonly type: string }
  | { readonly kind: 'name'; readonly text: string } // of a device that is added to be opened
  | { readonly kind: 'code'; readonly text: string }
  // The Wi-Fi a device is to use; null where the person gives it none.
  | { readonly kind: 'wifi'; readonly ssid: string | null; readonly psk: string }
  // The radio: connected (`again`: after the connection was lost), a value of the device's, one of ours
  // that the device has taken, connection lost, given up.
  | { readonly kind: 'nearby.open'; readonly again: boolean; readonly rid: string }
  | { readonly kind: 'nearby.value'; readonly value: string }
  | { readonly kind: 'nearby.taken' | 'nearby.lost' | 'nearby.close' }
  // "Look nearby" was pressed in a window in which the browser can not show its list.
  | { readonly kind: 'nearby.window' }
  | { readonly kind: 'visit' } // open the device that was added
  | { readonly kind: 'back' }
  | { readonly kind: 'refuse' }
  | { readonly kind: 'retry' }
  | { readonly kind: 'seen' } // the outcome was read: tell the page, leave the window be
  | { readonly kind: 'close' };

export function readConsentCommand(value: unknown): ConsentCommand {
  const message = readFields(value, 'message');
  const kind = readOneOf(message['kind'], 'kind', [
    'open',
    'look',
    'pick',
    'name',
    'code',
    'wifi',
    'nearby.open',
    'nearby.value',
    'nearby.taken',
    'nearby.lost',
    'nearby.close',
    'nearby.window',
    'visit',
    'back',
    'refuse',
    'retry',
    'seen',
    'close',
  ]);
  switch (kind) {
    case 'open':
      return { kind, request: readMatch(message['request'], 'request', kTokenShape, 32) };
    case 'pick':
      return {
        kind,
        key: readText(message['key'], 'key', 128, 1),
        type: readMatch(message['type'], 'type', kTypeShape, 31),
      };
    case 'look':
      return { kind, nearby: readBool(message['nearby'], 'nearby') };
    case 'name':
      return { kind, text: readText(message['text'], 'text', 100, 1) };
    case 'code':
      return { kind, text: readText(message['text'], 'text', 400, 1) };
    case 'wifi': {
      const { ssid } = message;
      return {
        kind,
        ssid: ssid === null ? null : readText(ssid, 'ssid', kMaxSsid, 1),
        psk: readText(message['psk'], 'psk', kMaxPsk),
      };
    }
    case 'nearby.open':
      return {
        kind,
        again: readBool(message['again'], 'again'),
        rid: readMatch(message['rid'], 'rid', kRidShape, 24),
      };
    case 'nearby.value':
      return { kind, value: readValueText(message['value']) };
    case 'nearby.taken':
    case 'nearby.lost':
    case 'nearby.close':
    case 'nearby.window':
    case 'visit':
    case 'back':
    case 'refuse':
    case 'retry':
    case 'seen':
    case 'close':
      return { kind };
  }
}

// --- service worker -> consent window ---
// `origin` is null where no web service asks: the person adds a device to open it.
export interface Question {
  readonly origin: string | null;
  readonly types: readonly string[];
  readonly sso: SignInAsk | null; // with whom the web service wants people to sign in on it
  readonly localNetwork: LocalNetworkState;
  readonly moved: boolean; // the window takes the place of one in which the person had gone on to look
}

export type ConsentNews =
  | { readonly kind: 'question'; readonly question: Question }
  // `verdict` is null while there is no agent to ask, and where it gave no answer.
  | { readonly kind: 'agent'; readonly agent: AgentStatus; readonly verdict: Verdict | null }
  | { readonly kind: 'verdict'; readonly verdict: Verdict } // a provider has spoken meanwhile
  | { readonly kind: 'found'; readonly device: Device }
  | { readonly kind: 'lost'; readonly key: string; readonly into: string | null }
  | { readonly kind: 'network'; readonly available: boolean }
  | { readonly kind: 'bluetooth'; readonly available: boolean } // with which the agent searches
  | { readonly kind: 'name'; readonly proposed: ProposedName }
  | { readonly kind: 'code'; readonly code: CodeRequest; readonly host: string | null }
  | { readonly kind: 'working' }
  | {
      readonly kind: 'progress';
      readonly step: PairStep;
      readonly done: boolean;
      readonly waiting: boolean;
      readonly make: Make | null;
    }
  | { readonly kind: 'wifi'; readonly refused: boolean } // what is the device's Wi-Fi to be?
  | LinkNews
  | {
      readonly kind: 'done';
      readonly deviceName: string;
      readonly url: string | null; // where the person can open it
      readonly make: Make;
      readonly warnings: readonly string[];
    }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly left: number | null;
      readonly again: boolean;
    }
  | { readonly kind: 'over' };

// --- control page -> service worker ---
export type HomeMessage =
  | { readonly kind: 'home.state' | 'home.add' }
  | { readonly kind: 'home.open'; readonly grant: string }
  | { readonly kind: 'home.revoke'; readonly grant: string }
  | { readonly kind: 'home.nearby'; readonly site: string; readonly allowed: boolean };

export interface HomeState {
  readonly agent: AgentStatus;
  readonly grants: readonly Grant[];
  readonly nearby: readonly string[];
  readonly providers: readonly Provider[];
}

export function readHomeMessage(value: unknown): HomeMessage {
  const message = readFields(value, 'message');
  const kind = readOneOf(message['kind'], 'kind', [
    'home.state',
    'home.add',
    'home.open',
    'home.revoke',
    'home.nearby',
  ]);
  switch (kind) {
    case 'home.state':
    case 'home.add':
      return { kind };
    case 'home.open':
    case 'home.revoke':
      return { kind, grant: readMatch(message['grant'], 'grant', kTokenShape, 32) };
    case 'home.nearby':
      return {
        kind,
        site: readText(message['site'], 'site', 300, 1),
        allowed: readBool(message['allowed'], 'allowed'),
      };
  }
}
