// What the agent says about who is real and who is revoked (docs/protocol.md section 10): how a
// device and a web service stand with the providers, why a grant is held back, whether a new one
// may be made. An agent that says nothing of it has no provider: `none`, which claims nothing.
import { readErrorCode } from './errors';
import * as names from './names';
import { readBool, readFields, readList, readOneOf, readText, readTime } from './read';
import { cleanName, readCleanOrNull } from './words';

export const kStandings = [
  names.kNone,
  names.kUnattested,
  names.kUnproven,
  names.kProven,
  names.kRevoked,
] as const;
export type Standing = (typeof kStandings)[number];

export const kSiteStates = [
  names.kNone,
  names.kUnregistered,
  names.kKnown,
  names.kSuspended,
  names.kRevoked,
] as const;
export type SiteState = (typeof kSiteStates)[number];

export interface Site {
  readonly state: SiteState;
  readonly name: string | null; // as registered
  readonly provider: string | null; // who says so
}

export const kHolds = [
  names.kOriginSuspended,
  names.kOriginRevoked,
  names.kDeviceRevoked,
  names.kDeviceReset,
  names.kPaused,
] as const;
export type Hold = (typeof kHolds)[number];

// Whether a web service may ask for a device at all.
export interface Verdict {
  readonly allowed: boolean;
  readonly code: names.ErrorCode | null; // why not
  readonly message: string | null; // the agent's words for it, for "Details"
  readonly site: Site;
  readonly consented: boolean; // an administrator has consented for the person
}

export interface Provider {
  readonly name: string;
  readonly state: (typeof kFreshness)[number];
  readonly checked: number | null;
}

const kFreshness = [names.kFresh, names.kLate, names.kStale, names.kNever] as const;
const kMaxProviders = 32;
const kMaxMessage = 500;

export const kNoSite: Site = { state: names.kNone, name: null, provider: null };

export function readStanding(value: unknown): Standing {
  if (value === undefined) return names.kNone;
  return readOneOf(value, names.kStanding, kStandings);
}

export function readHold(value: unknown): Hold | null {
  if (value === undefined || value === null) return null;
  return readOneOf(value, names.kHold, kHolds);
}

export function readSite(value: unknown): Site {
  if (value === undefined || value === null) return kNoSite;
  const site = readFields(value, names.kSite);
  return {
    state: readOneOf(site[names.kState], names.kState, kSiteStates),
    name: readCleanOrNull(site[names.kName], names.kName),
    provider: readCleanOrNull(site[names.kProvider], names.kProvider),
  };
}

// What does not agree with itself is no permission.
export function readVerdict(value: unknown): Verdict {
  const result = readFields(value, names.kResult);
  const site = readSite(result[names.kSite]);
  const stopped = site.state === names.kSuspended || site.state === names.kRevoked;
  const allowed = readBool(result[names.kAllowed], names.kAllowed) && !stopped;
  const code = result[names.kCode] ?? (stopped ? names.kOriginRevoked : names.kNotAllowed);
  const { [names.kConsented]: consented } = result;
  return {
    allowed,
    code: allowed ? null : readErrorCode(code),
    message: allowed ? null : readCleanOrNull(result[names.kMessage], names.kMessage, kMaxMessage),
    site,
    consented: allowed && consented !== undefined && readBool(consented, names.kConsented),
  };
}

export function readProviders(value: unknown): Provider[] {
  const status = readFields(value, names.kResult);
  return readList(status[names.kProviders], names.kProviders, kMaxProviders, (one) => {
    const provider = readFields(one, names.kProvider);
    const checked = provider[names.kChecked];
    return {
      name: cleanName(readText(provider[names.kName], names.kName, 256)),
      state: readOneOf(provider[names.kState], names.kState, kFreshness),
      checked:
        checked === null || checked === undefined ? null : readTime(checked, names.kChecked),
    };
  });
}
