// What the control page asks of the service worker, and what the agent answers about devices and
// details (docs/protocol.md section 10).
import { kHostShape, kTypeShape } from './agent';
import type { HomeState } from './internal';
import { kTokenShape } from './internal';
import * as names from './names';
import type { ErrorCode } from './names';
import { type People } from './people';
import {
  readBool,
  readFields,
  readInt,
  readList,
  readMatch,
  readOneOf,
  readText,
  readTime,
} from './read';
import { type Standing, readStanding } from './trust';
import { cleanName, readCleanOrNull } from './words';

const kMaxDevices = 1000;
const kDeviceIdShape = /^[0-9a-f]{64}$/;
const kHash = /^[0-9a-f]{64}$/;

// A device a code was typed for.
export interface OwnDevice {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly maker: string | null;
  readonly model: string | null;
  readonly standing: Standing;
  readonly since: number;
  readonly reset: boolean;
}

// Fingerprints: SHA-256 in lower-case hex.
export interface Certificate {
  readonly subject: string;
  readonly validFrom: number;
  readonly validTo: number;
  readonly renewAt: number;
  readonly key: string;
  readonly issuer: string;
}

export interface Proof {
  readonly standing: Standing;
  readonly maker: string | null;
  readonly model: string | null;
  readonly provider: string | null;
  readonly modelId: string | null;
  readonly proved: number | null;
}

export interface Details {
  readonly certificate: Certificate | null;
  readonly proof: Proof;
}

// --- control page -> service worker ---
export const kGrantActions = ['pause', 'resume', 'renew', 'remove', 'details'] as const;
export type GrantAction = (typeof kGrantActions)[number];

export type ControlMessage =
  | { readonly kind: 'control.state' | 'control.add' | 'control.copy' }
  | { readonly kind: 'control.grant'; readonly action: GrantAction; readonly grant: string }
  | { readonly kind: 'control.forget' | 'control.people'; readonly device: string }
  | { readonly kind: 'control.nearby'; readonly site: string; readonly allowed: boolean };

export interface ControlState extends HomeState {
  readonly devices: readonly OwnDevice[];
}

// `failed`: the agent's reason, and null where there was no agent to ask. `delivered`: the device
// has heard. `copy`: the details of every grant by its id, where they were asked for.
export interface ControlReply {
  readonly state: ControlState;
  readonly failed: ErrorCode | 'no_agent' | null;
  readonly delivered: boolean;
  readonly details: Details | null;
  readonly copy: Readonly<Record<string, Details>> | null;
  readonly people: People | null;
}

export function readControlMessage(value: unknown): ControlMessage {
  const message = readFields(value, 'message');
  const kind = readOneOf(message['kind'], 'kind', [
    'control.state',
    'control.add',
    'control.copy',
    'control.grant',
    'control.forget',
    'control.people',
    'control.nearby',
  ]);
  switch (kind) {
    case 'control.state':
    case 'control.add':
    case 'control.copy':
      return { kind };
    case 'control.grant':
      return {
        kind,
        action: readOneOf(message['action'], 'action', kGrantActions),
        grant: readMatch(message['grant'], 'grant', kTokenShape, 32),
      };
    case 'control.forget':
    case 'control.people':
      return { kind, device: readMatch(message['device'], 'device', kDeviceIdShape, 64) };
    case 'control.nearby':
      return {
        kind,
        site: readText(message['site'], 'site', 300, 1),
        allowed: readBool(message['allowed'], 'allowed'),
      };
  }
}

// --- the agent's answers ---
export function readOwnDevices(value: unknown): OwnDevice[] {
  const result = readFields(value, names.kResult);
  return readList(result[names.kDevices], names.kDevices, kMaxDevices, (one) => {
    const device = readFields(one, names.kDevice);
    return {
      id: readMatch(device[names.kId], names.kId, kDeviceIdShape, 64),
      name: cleanName(readText(device[names.kName], names.kName, 256)),
      type: readMatch(device[names.kType], names.kType, kTypeShape, 31),
      maker: readCleanOrNull(device[names.kMaker], names.kMaker),
      model: readCleanOrNull(device[names.kModel], names.kModel),
      standing: readStanding(device[names.kStanding]),
      since: readTime(device[names.kSince], names.kSince),
      reset: readBool(device[names.kReset], names.kReset),
    };
  });
}

function readCertificate(value: unknown): Certificate | null {
  if (value === null) return null;
  const certificate = readFields(value, names.kCertificate);
  return {
    subject: readMatch(certificate[names.kSubject], names.kSubject, kHostShape, 69),
    validFrom: readTime(certificate[names.kValidFrom], names.kValidFrom),
    validTo: readTime(certificate[names.kValidTo], names.kValidTo),
    renewAt: readInt(certificate[names.kRenewAt], names.kRenewAt, 0, 0xffff_ffff_ffff),
    key: readMatch(certificate[names.kKey], names.kKey, kHash, 64),
    issuer: readMatch(certificate[names.kIssuer], names.kIssuer, kHash, 64),
  };
}

export function readDetails(value: unknown): Details {
  const result = readFields(value, names.kResult);
  const proof = readFields(result[names.kProof], names.kProof);
  const proved = proof[names.kProved];
  return {
    certificate: readCertificate(result[names.kCertificate]),
    proof: {
      standing: readStanding(proof[names.kStanding]),
      maker: readCleanOrNull(proof[names.kMaker], names.kMaker),
      model: readCleanOrNull(proof[names.kModel], names.kModel),
      provider: readCleanOrNull(proof[names.kProvider], names.kProvider),
      modelId: readCleanOrNull(proof[names.kModelId], names.kModelId),
      proved: proved === null ? null : readTime(proved, names.kProved),
    },
  };
}
