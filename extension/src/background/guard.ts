// The exact check of requests to granted hosts, for a browser that lets an extension decide each request
// (Firefox). Pure: grants and what the browser says about a request in, a judgement out.
//
// Where the request rules (rules.ts) compare domains, this compares origins with scheme and port; and it
// compares what the server showed: the chain must hold the grant's own authority, the key must be one
// that the device has. So another authority that the browser trusts gets nowhere.
import type { Grant } from '../protocol/agent';
import * as names from '../protocol/names';
import { Malformed, readFields, readInt, readList, readMatch, readOneOf } from '../protocol/read';
import {
  kGrantIdShape,
  kGrantStates,
  kHostShape,
  kMaxGrants,
  readDigests,
  readOrigin,
} from '../protocol/agent';

// Of a grant, what the check needs; kept over restarts of the browser.
export type Guarded = Pick<
  Grant,
  'id' | 'origin' | 'host' | 'state' | 'blockUntil' | 'authorities' | 'keys'
>;

// A request as webRequest.onBeforeRequest describes it. originUrl: who caused it; documentUrl: the
// document it is for. Neither where a person typed the address.
export interface Asked {
  readonly url: string;
  readonly type: string;
  readonly originUrl?: string | undefined;
  readonly documentUrl?: string | undefined;
}

// What a server showed: digests in base64url, leaf first, as the browser verified them.
export interface Shown {
  readonly secure: boolean;
  readonly chain: readonly { readonly digest: string; readonly key: string }[];
}

// not_ours: no business of the guard's; check: let it go and look at what the server shows.
export type RequestVerdict = 'not_ours' | 'cancel' | 'check';
// unknown: right only if the agent knows something newer of these grants.
export type ChainVerdict = 'pass' | 'unknown' | 'cancel';

// What is worth keeping: grants whose hosts are still guarded.
export function toGuarded(grants: readonly Grant[], now: number): Guarded[] {
  return grants
    .filter((one) => isGuarded(one, now))
    .map(({ id, origin, host, state, blockUntil, authorities, keys }) => ({
      id,
      origin,
      host,
      state,
      blockUntil,
      authorities,
      keys,
    }));
}

// What was kept; nothing of it where any of it has another shape.
export function readGuarded(value: unknown): Guarded[] | null {
  try {
    return readList(value, names.kGrants, kMaxGrants, (item) => {
      const one = readFields(item, names.kGrant);
      return {
        id: readMatch(one['id'], names.kId, kGrantIdShape, 32),
        origin: one['origin'] === null ? null : readOrigin(one['origin'], names.kOrigin),
        host: readMatch(one['host'], names.kHost, kHostShape, 69),
        state: readOneOf(one['state'], names.kState, kGrantStates),
        blockUntil: readInt(one['blockUntil'], names.kBlockUntil, 0, Number.MAX_SAFE_INTEGER),
        authorities: readDigests(one['authorities'], names.kCa),
        keys: readDigests(one['keys'], names.kKeys),
      };
    });
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

// Direct grants are guarded while they stand: who may visit them is everybody, and a host that stays
// blocked would tell every page that it was there.
function isGuarded(one: Guarded, now: number): boolean {
  if (one.origin === null) return one.state === names.kActive;
  return one.state !== names.kRevoked || one.blockUntil > now;
}

// The host of a URL without the dot that DNS allows at its end; null where it names none under .local.
export function localHostOf(url: string): string | null {
  try {
    const host = new URL(url).hostname.replace(/\.$/, '');
    return host.endsWith('.local') ? host : null;
  } catch {
    return null;
  }
}

// The grants that have to do with `host`: of it, or of the name above it, since a certificate for
// x.local could be taken for one that speaks for a.x.local.
export function grantsOf(all: readonly Guarded[], host: string, now: number): Guarded[] {
  return all.filter(
    (one) => (host === one.host || host.endsWith(`.${one.host}`)) && isGuarded(one, now),
  );
}

// `grants`: those of the request's host.
export function judgeRequest(grants: readonly Guarded[], asked: Asked): RequestVerdict {
  if (grants.length === 0) return 'not_ours';
  const { protocol, hostname } = new URL(asked.url);
  const encrypted = protocol === 'https:' || protocol === 'wss:';
  // One name is never granted both ways; were it so, the stricter holds.
  const ofSites = grants.filter((one) => one.origin !== null);
  if (ofSites.length === 0) return encrypted ? 'check' : 'not_ours';
  if (!encrypted || asked.type === 'main_frame' || asked.type === 'sub_frame') return 'cancel';
  return ofSites.some((one) => one.host === hostname && mayAsk(one, asked)) ? 'check' : 'cancel';
}

// Both who caused the request and the document it is for have to be the grant's; at least one is named.
function mayAsk(grant: Guarded, asked: Asked): boolean {
  if (grant.state !== names.kActive) return false;
  const named = [asked.originUrl, asked.documentUrl].filter((url) => url !== undefined);
  return named.length > 0 && named.every((url) => originOf(url) === grant.origin);
}

function originOf(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return 'null';
  }
}

// After `check`: what the server showed. `grants` as for judgeRequest.
export function judgeChain(
  grants: readonly Guarded[],
  asked: Asked,
  shown: Shown | null,
): ChainVerdict {
  const [leaf, ...above] = shown?.chain ?? [];
  if (shown?.secure !== true || leaf === undefined) return 'cancel';
  const mine = grants.filter((one) => answersFor(one, asked));
  if (mine.length === 0) return 'cancel';
  const matches = mine.some(
    ({ authorities, keys }) =>
      above.some(({ digest }) => authorities.includes(digest)) && keys.includes(leaf.key),
  );
  return matches ? 'pass' : 'unknown';
}

function answersFor(one: Guarded, asked: Asked): boolean {
  if (one.origin !== null) return one.host === localHostOf(asked.url) && mayAsk(one, asked);
  return one.state === names.kActive;
}
