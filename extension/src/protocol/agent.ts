// The agent's answers and events as values (docs/protocol.md section 10). read* functions take what
// came over native messaging and throw Malformed unless it has the promised shape.
import { readErrorCode } from './errors';
import * as names from './names';
import {
  type Fields,
  Malformed,
  readBool,
  readFields,
  readInt,
  readList,
  readMatch,
  readOneOf,
  readText,
  readTime,
} from './read';
import { readLink, readValueText } from './nearby';
import {
  type Hold,
  type Site,
  type Standing,
  readHold,
  readSite,
  readStanding,
} from './trust';
import { cleanName, readCleanOrNull } from './words';

const kMaxName = 256;
const kMaxMessage = 500;
export const kMaxGrants = 20_000; // as the agent's
const kMaxPageGrants = 1000;
export const kTypeShape = /^[a-z][a-z0-9-]{0,30}$/;
export const kHostShape = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.local$/;
export const kGrantIdShape = /^[0-9a-f]{32}$/;
const kDigestShape = /^[\w-]{43}$/;
const kMaxDigests = 8;
const kDeviceIdShape = /^[0-9a-f]{64}$/;

export interface SetupState {
  readonly ready: boolean;
  readonly rootInstalled: boolean;
  readonly restartNeeded: boolean;
}

export interface Device {
  readonly key: string;
  readonly name: string;
  readonly type: string;
  readonly known: boolean;
  readonly windowOpen: boolean;
  readonly maker: string | null;
  readonly model: string | null;
  readonly standing: Standing;
  readonly sameName: boolean;
  // By Bluetooth: over the link that this window has opened, or seen by the agent. Null: in the network.
  readonly nearby: typeof names.kLinked | typeof names.kSeen | null;
}

export const kGrantStates = [
  names.kPending,
  names.kActive,
  names.kRevoked,
  names.kSuspended,
] as const;
export type GrantState = (typeof kGrantStates)[number];

export interface Grant {
  readonly id: string;
  readonly origin: string | null;
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly type: string;
  readonly deviceId: string;
  readonly deviceName: string;
  readonly model: string | null;
  readonly maker: string | null;
  readonly standing: Standing;
  // Where the device was, another one answers now: it was reset, or something else has its address.
  readonly otherKey: boolean;
  readonly site: Site;
  readonly created: number;
  readonly lastUsed: number;
  readonly notAfter: number;
  readonly state: GrantState;
  readonly hold: Hold | null; // why it is suspended
  readonly paused: boolean; // by the person, whatever else holds it
  readonly blockUntil: number;
  // SHA-256, in base64url: of the certificates of the grant's authority (two while the device may not
  // have the newer one yet), and of the keys that the device may show. None before there is a certificate.
  readonly authorities: readonly string[];
  readonly keys: readonly string[];
}

export interface CodeRequest {
  readonly kind: typeof names.kDigits8 | typeof names.kKey128;
  readonly left: number;
}

// What a device that a person opens directly might be called, and why that is not what was asked for.
export const kNameTroubles = [names.kShape, names.kThisComputer, names.kYours, names.kTaken] as const;
export interface ProposedName {
  readonly name: string; // the host without ".local"
  readonly host: string;
  readonly port: number | null; // null: not known before it is in the network
  readonly trouble: (typeof kNameTroubles)[number] | null;
}

export type PairBegin =
  | { readonly session: string; readonly state: 'name'; readonly proposed: ProposedName }
  | {
      readonly session: string;
      readonly state: 'code';
      readonly code: CodeRequest;
      readonly host: string | null; // a direct grant's: the one address that the code makes work
    }
  | { readonly session: string; readonly state: 'working' };

// What the check of a device found, once the agent says it.
export interface Make {
  readonly standing: Standing;
  readonly maker: string | null;
  readonly model: string | null;
}

export type PairStep = typeof names.kCheck | typeof names.kIssue | typeof names.kTry;

// What the agent wants of a Bluetooth link: write this value; connect (again); hang up when all is
// written; it is over, and why, where that was not to be expected.
export type LinkNews =
  | { readonly kind: 'nearby.send'; readonly value: string }
  | { readonly kind: 'nearby.connect' | 'nearby.hang_up' }
  | { readonly kind: 'nearby.closed'; readonly code: names.ErrorCode | null };

export type AgentEvent =
  | { readonly kind: 'found'; readonly device: Device }
  // `into`: it has turned out to be the device that is told under this key.
  | { readonly kind: 'lost'; readonly key: string; readonly into: string | null }
  | { readonly kind: 'network'; readonly available: boolean }
  | { readonly kind: 'bluetooth'; readonly available: boolean } // this computer's Bluetooth
  | {
      readonly kind: 'progress';
      readonly session: string;
      readonly step: PairStep;
      readonly done: boolean;
      readonly waiting: boolean; // for the device to turn up in the network
      readonly make: Make | null;
    }
  // The device has no network, and takes the name and password of one.
  | { readonly kind: 'network_wanted'; readonly session: string; readonly refused: boolean }
  | { readonly kind: 'nearby'; readonly link: string; readonly news: LinkNews }
  | {
      readonly kind: 'done';
      readonly session: string;
      readonly grant: Grant;
      readonly warnings: readonly string[];
    }
  | {
      readonly kind: 'failed';
      readonly session: string;
      readonly code: names.ErrorCode;
      readonly left: number | null;
      readonly again: boolean;
    }
  | { readonly kind: 'changed'; readonly id: string; readonly state: GrantState }
  | { readonly kind: 'trust' };

// Why an agent has not got its store, as far as a person can do something about it from here.
export type Locked = 'locked_keyring' | 'locked_passphrase' | 'locked_other';

// null: it is not locked.
export function readLocked(value: unknown): Locked | null {
  const locked = readFields(value, names.kHello)[names.kLocked];
  if (locked === undefined) return null;
  switch (readFields(locked, names.kLocked)[names.kState]) {
    case names.kKeyringLocked:
    case names.kKeyringMissing:
      return 'locked_keyring';
    case names.kPassphraseNeeded:
      return 'locked_passphrase';
    default:
      return 'locked_other';
  }
}

export function readHello(value: unknown): SetupState {
  const hello = readFields(value, names.kHello);
  if (hello[names.kProtocol] !== names.kProtocolVersion) throw new Malformed(names.kProtocol);
  const setup = readFields(hello[names.kSetup], names.kSetup);
  return {
    ready: readBool(hello[names.kReady], names.kReady),
    rootInstalled: readBool(setup[names.kRootInstalled], names.kRootInstalled),
    restartNeeded: readBool(setup[names.kRestartNeeded], names.kRestartNeeded),
  };
}

function readMake(params: Fields): Make | null {
  if (params[names.kDevice] === undefined) return null;
  const device = readFields(params[names.kDevice], names.kDevice);
  return {
    standing: readStanding(device[names.kStanding]),
    maker: readCleanOrNull(device[names.kMaker], names.kMaker),
    model: readCleanOrNull(device[names.kModel], names.kModel),
  };
}

export function readDevice(value: unknown): Device {
  const device = readFields(value, names.kDevice);
  return {
    key: readText(device[names.kKey], names.kKey, 128, 1),
    name: cleanName(readText(device[names.kName], names.kName, kMaxName)),
    type: readMatch(device[names.kType], names.kType, kTypeShape, 31),
    known: readBool(device[names.kKnown], names.kKnown),
    windowOpen: readBool(device[names.kWindowOpen], names.kWindowOpen),
    maker: readCleanOrNull(device[names.kMaker], names.kMaker),
    model: readCleanOrNull(device[names.kModel], names.kModel),
    standing: readStanding(device[names.kStanding]),
    sameName: device[names.kWarning] === names.kSameName,
    nearby: readNearby(device[names.kNearby]),
  };
}

// Agents from before there was Bluetooth leave it out.
function readNearby(value: unknown): Device['nearby'] {
  if (value === undefined || value === null) return null;
  return readOneOf<typeof names.kLinked | typeof names.kSeen>(value, names.kNearby, [
    names.kLinked,
    names.kSeen,
  ]);
}

export function isWebOrigin(text: string): boolean {
  if (text.length > 300 || !text.startsWith('https://')) return false;
  try {
    return new URL(text).origin === text;
  } catch {
    return false;
  }
}

export function readOrigin(value: unknown, field: string): string {
  const text = readText(value, field, 300, 1);
  if (!isWebOrigin(text)) throw new Malformed(field);
  return text;
}

export function readGrant(value: unknown): Grant {
  const grant = readFields(value, names.kGrant);
  const device = readFields(grant[names.kDevice], names.kDevice);
  const host = readMatch(grant[names.kHost], names.kHost, kHostShape, 69);
  const port = readInt(grant[names.kPort], names.kPort, 1, 65535);
  const url = readText(grant[names.kUrl], names.kUrl, 100);
  if (url !== `https://${host}${port === 443 ? '' : `:${port}`}`) throw new Malformed(names.kUrl);
  const origin = grant[names.kOrigin];
  return {
    id: readMatch(grant[names.kId], names.kId, kGrantIdShape, 32),
    origin: origin === null ? null : readOrigin(origin, names.kOrigin),
    host,
    port,
    url,
    type: readMatch(grant[names.kType], names.kType, kTypeShape, 31),
    deviceId: readMatch(device[names.kId], names.kId, kDeviceIdShape, 64),
    deviceName: cleanName(readText(device[names.kName], names.kName, kMaxName)),
    model: readCleanOrNull(device[names.kModel], names.kModel),
    maker: readCleanOrNull(device[names.kMaker], names.kMaker),
    standing: readStanding(device[names.kStanding]),
    otherKey: device[names.kOtherKey] === true,
    site: readSite(grant[names.kSite]),
    created: readTime(grant[names.kCreated], names.kCreated),
    lastUsed: readTime(grant[names.kLastUsed], names.kLastUsed),
    notAfter: readTime(grant[names.kNotAfter], names.kNotAfter),
    state: readOneOf(grant[names.kState], names.kState, kGrantStates),
    hold: readHold(grant[names.kHold]),
    paused: grant[names.kPaused] === true,
    blockUntil: readTime(grant[names.kBlockUntil], names.kBlockUntil),
    authorities: readDigests([grant[names.kCa], grant[names.kCaBefore]].filter(isThere), names.kCa),
    keys: isThere(grant[names.kKeys]) ? readDigests(grant[names.kKeys], names.kKeys) : [],
  };
}

// Agents from before there were digests leave them out.
function isThere(value: unknown): boolean {
  return value !== null && value !== undefined;
}

export function readDigests(value: unknown, field: string): string[] {
  return readList(value, field, kMaxDigests, (one) => readMatch(one, field, kDigestShape, 43));
}

export interface GrantPage {
  readonly grants: readonly Grant[];
  readonly more: string | null; // where the next page begins
}

export function readGrantPage(value: unknown): GrantPage {
  const result = readFields(value, names.kResult);
  const more = result[names.kMore] ?? null;
  return {
    grants: readList(result[names.kGrants], names.kGrants, kMaxPageGrants, readGrant),
    more: more === null ? null : readMatch(more, names.kMore, /^[0-9a-f]{32}$/, 32),
  };
}

export function readPairBegin(value: unknown): PairBegin {
  const result = readFields(value, names.kResult);
  const session = readText(result[names.kSession], names.kSession, 128, 1);
  const state = readOneOf(result[names.kState], names.kState, [
    names.kCode,
    names.kName,
    names.kWorking,
  ]);
  if (state === names.kWorking) return { session, state };
  if (state === names.kName) {
    const host = readMatch(result[names.kHost], names.kHost, kHostShape, 69);
    const name = readText(result[names.kName], names.kName, 63, 1);
    if (host !== `${name}.local`) throw new Malformed(names.kName);
    const trouble = result[names.kTrouble];
    const port = result[names.kPort];
    return {
      session,
      state,
      proposed: {
        name,
        host,
        port: port === undefined || port === null ? null : readInt(port, names.kPort, 1, 65535),
        trouble: trouble === null ? null : readOneOf(trouble, names.kTrouble, kNameTroubles),
      },
    };
  }
  const code = readFields(result[names.kCode], names.kCode);
  const host = result[names.kHost];
  return {
    session,
    state,
    host: host === undefined ? null : readMatch(host, names.kHost, kHostShape, 69),
    code: {
      kind: readOneOf(code[names.kKind], names.kKind, [names.kDigits8, names.kKey128]),
      left: readInt(code[names.kLeft], names.kLeft, 0, 1000),
    },
  };
}

export interface Ticket {
  readonly ticket: string;
  readonly url: string;
}

export function readTicket(value: unknown): Ticket {
  const result = readFields(value, names.kResult);
  return {
    ticket: readMatch(result[names.kTicket], names.kTicket, /^[\w-]+\.[\w-]+\.[\w-]+$/, 4096),
    url: readText(result[names.kUrl], names.kUrl, 100),
  };
}

function readFailed(params: Fields): AgentEvent {
  const left = params[names.kLeft];
  return {
    kind: 'failed',
    session: readText(params[names.kSession], names.kSession, 128, 1),
    code: readErrorCode(params[names.kCode]),
    left: left === undefined || left === null ? null : readInt(left, names.kLeft, 0, 1000),
    again: readBool(params[names.kAgain], names.kAgain),
  };
}

function readProgress(value: unknown): { done: boolean; waiting: boolean } {
  const state = readOneOf(value, names.kState, [names.kStart, names.kWaiting, names.kDone]);
  return { done: state === names.kDone, waiting: state === names.kWaiting };
}

function readLinkNews(
  kind: 'nearby.send' | 'nearby.connect' | 'nearby.hang_up' | 'nearby.closed',
  params: Fields,
): LinkNews {
  switch (kind) {
    case names.kNearbySend:
      return { kind, value: readValueText(params[names.kValue]) };
    case names.kNearbyConnect:
    case names.kNearbyHangUp:
      return { kind };
    case names.kNearbyClosed: {
      const code = params[names.kCode] ?? null;
      return { kind, code: code === null ? null : readErrorCode(code) };
    }
  }
}

// Events this build does not know are ignored: null.
export function readEvent(name: unknown, value: unknown): AgentEvent | null {
  const params = readFields(value, names.kParams);
  switch (name) {
    case names.kDiscoverFound:
      return { kind: 'found', device: readDevice(params[names.kDevice]) };
    case names.kDiscoverLost:
      return {
        kind: 'lost',
        key: readText(params[names.kKey], names.kKey, 128, 1),
        into: params[names.kInto] === undefined ? null : readText(params[names.kInto], names.kInto, 128, 1),
      };
    case names.kDiscoverState: {
      // Of the computer's own Bluetooth, where that was asked for; else of the network.
      if (params[names.kNetwork] === undefined && params[names.kNearby] !== undefined) {
        const radio = readOneOf(params[names.kNearby], names.kNearby, [
          names.kLooking,
          names.kUnavailable,
        ]);
        return { kind: 'bluetooth', available: radio === names.kLooking };
      }
      const network = readOneOf(params[names.kNetwork], names.kNetwork, [
        names.kLooking,
        names.kUnavailable,
      ]);
      return { kind: 'network', available: network === names.kLooking };
    }
    case names.kPairProgress:
      return {
        kind: 'progress',
        session: readText(params[names.kSession], names.kSession, 128, 1),
        step: readOneOf(params[names.kStep], names.kStep, [names.kCheck, names.kIssue, names.kTry]),
        ...readProgress(params[names.kState]),
        make: readMake(params),
      };
    case names.kPairNetworkWanted:
      return {
        kind: 'network_wanted',
        session: readText(params[names.kSession], names.kSession, 128, 1),
        refused: params[names.kTrouble] === names.kRefused,
      };
    case names.kNearbySend:
    case names.kNearbyConnect:
    case names.kNearbyHangUp:
    case names.kNearbyClosed:
      return { kind: 'nearby', link: readLink(params[names.kLink]), news: readLinkNews(name, params) };
    case names.kPairDone:
      return {
        kind: 'done',
        session: readText(params[names.kSession], names.kSession, 128, 1),
        grant: readGrant(params[names.kGrant]),
        warnings: readList(params[names.kWarnings], names.kWarnings, 10, (one) =>
          cleanText(readText(one, names.kWarnings, kMaxMessage)),
        ),
      };
    case names.kPairFailed:
      return readFailed(params);
    case names.kGrantsChanged:
      return {
        kind: 'changed',
        id: readMatch(params[names.kId], names.kId, kGrantIdShape, 32),
        state: readOneOf(params[names.kState], names.kState, kGrantStates),
      };
    case names.kTrustChanged:
      return { kind: 'trust' };
    default:
      return null;
  }
}

function cleanText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, ' ').trim();
}
