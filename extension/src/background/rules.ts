// The request rules that follow from the grants (docs/protocol.md section 9). Pure: grants and
// switches in, declarativeNetRequest rules out.
//
// Hosts of origin grants: everything is blocked, and what a host's granted site starts is allowed
// again, frames and top-level documents excepted. One rule names many hosts: browsers take 5,000
// rules (Firefox) to 30,000 (Chromium), and a person may have 10,000 grants. Rules match sub-domains of the initiator and
// ignore its scheme and port; the device's own check of `Origin` is the exact one. Never
// excludedInitiatorDomains: a request without an initiator would slip past it.
//
// Per granted site: addresses and names inside the house other than its devices are blocked, since
// the browser's own permission for the local network is for the whole network. Public names that
// resolve to private addresses escape this.
import type { Grant } from '../protocol/agent';

// The shape of chrome.declarativeNetRequest.Rule, in plain strings, so that it can be made anywhere.
export interface Rule {
  readonly id: number;
  readonly priority: number;
  readonly action: { readonly type: 'allow' | 'block' };
  readonly condition: {
    readonly requestDomains?: string[];
    readonly initiatorDomains?: string[];
    readonly regexFilter?: string;
    readonly isUrlFilterCaseSensitive?: boolean;
    readonly resourceTypes: string[];
  };
}

const kNearbyPriority = 1;
const kBlockPriority = 2;
const kAllowPriority = 3;

// Every kind of request there is, as Chromium names them; Firefox has other ones besides and lacks some.
export const kChromiumTypes: readonly string[] = [
  'csp_report',
  'font',
  'image',
  'main_frame',
  'media',
  'object',
  'other',
  'ping',
  'script',
  'stylesheet',
  'sub_frame',
  'webbundle',
  'websocket',
  'webtransport',
  'xmlhttprequest',
];
// What a page can do with CORS or a WebSocket; the device refuses the rest anyway.
const kAllowedTypes: readonly string[] = [
  'font',
  'image',
  'imageset',
  'media',
  'other',
  'script',
  'stylesheet',
  'websocket',
  'xmlhttprequest',
];

// RE2, small enough each for the browser's limit of 2 KB compiled. A host whose last label is a
// number is an IPv4 address to the browser, which writes it in four decimal parts.
const kStart = '^(?:https?|wss?)://(?:[^/?#]*@)?';
const kIpv4Rest = '[0-9.]+(?::[0-9]+)?(?:[/?#]|$)';
export const kNearbyPatterns: readonly string[] = [
  `${kStart}10\\.${kIpv4Rest}`,
  `${kStart}172\\.(?:1[6-9]|2[0-9]|3[01])\\.${kIpv4Rest}`,
  `${kStart}192\\.168\\.${kIpv4Rest}`,
  `${kStart}169\\.254\\.${kIpv4Rest}`,
  `${kStart}100\\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\\.${kIpv4Rest}`,
  // Unique local, link local, and IPv4 mapped into IPv6.
  `${kStart}\\[f[cd][0-9a-f]{2}:`,
  `${kStart}\\[fe[89ab][0-9a-f]:`,
  `${kStart}\\[::ffff:`,
  `${kStart}[^/?#@]*\\.local\\.?(?::[0-9]+)?(?:[/?#]|$)`,
];

// The domain that initiatorDomains compares: the origin's host, brackets off an IPv6 address left on
// as the browser writes them.
export function siteOf(origin: string): string {
  return new URL(origin).hostname;
}

function isBlocked(grant: Grant, now: number): boolean {
  return grant.state !== 'revoked' || grant.blockUntil > now;
}

// `nearbyAllowed`: sites (host names) that a person lets reach other things in the house.
// `now`: seconds since 1970. `types`: every kind of request that the browser knows by name, since rules
// with another are refused as a whole.
export function makeRules(
  grants: readonly Grant[],
  nearbyAllowed: ReadonlySet<string>,
  now: number,
  types: readonly string[] = kChromiumTypes,
): Rule[] {
  const initiatorsByHost = new Map<string, Set<string>>();
  const grantedSites = new Set<string>();
  for (const grant of grants) {
    if (grant.origin === null || !isBlocked(grant, now)) continue;
    const initiators = initiatorsByHost.get(grant.host) ?? new Set<string>();
    initiatorsByHost.set(grant.host, initiators);
    if (grant.state === 'active') {
      initiators.add(siteOf(grant.origin));
      grantedSites.add(siteOf(grant.origin));
    }
  }

  const allowedTypes = types.filter((type) => kAllowedTypes.includes(type));
  const rules: Rule[] = [];
  const add = (rule: Omit<Rule, 'id'>): void => {
    rules.push({ id: rules.length + 1, ...rule });
  };
  const hosts = [...initiatorsByHost.keys()].sort();
  if (hosts.length > 0) {
    add({
      priority: kBlockPriority,
      action: { type: 'block' },
      condition: {
        requestDomains: hosts.flatMap((host) => [host, `${host}.`]),
        resourceTypes: [...types],
      },
    });
  }
  // By whom exactly it may be reached: hosts share a rule where that is the same.
  const hostsByInitiators = new Map<string, string[]>();
  for (const host of hosts) {
    const initiators = [...(initiatorsByHost.get(host) ?? [])].sort().join(' ');
    if (initiators === '') continue;
    hostsByInitiators.set(initiators, [...(hostsByInitiators.get(initiators) ?? []), host]);
  }
  for (const initiators of [...hostsByInitiators.keys()].sort()) {
    add({
      priority: kAllowPriority,
      action: { type: 'allow' },
      condition: {
        requestDomains: hostsByInitiators.get(initiators) ?? [],
        initiatorDomains: initiators.split(' '),
        resourceTypes: allowedTypes,
      },
    });
  }
  const heldBack = [...grantedSites].filter((site) => !nearbyAllowed.has(site)).sort();
  if (heldBack.length > 0) {
    for (const regexFilter of kNearbyPatterns) {
      add({
        priority: kNearbyPriority,
        action: { type: 'block' },
        condition: {
          regexFilter,
          initiatorDomains: heldBack,
          isUrlFilterCaseSensitive: false,
          resourceTypes: types.filter((type) => type !== 'main_frame'),
        },
      });
    }
  }
  return rules;
}

export function sameRules(a: readonly Rule[], b: readonly Rule[]): boolean {
  return canonical(a) === canonical(b);
}

function canonical(rules: readonly Rule[]): string {
  const plain = rules.map((rule) => ({
    id: rule.id,
    priority: rule.priority,
    action: rule.action.type,
    domains: rule.condition.requestDomains ?? [],
    initiators: rule.condition.initiatorDomains ?? [],
    regex: rule.condition.regexFilter ?? '',
    types: [...rule.condition.resourceTypes].sort(),
  }));
  return JSON.stringify(plain.sort((a, b) => a.id - b.id));
}
