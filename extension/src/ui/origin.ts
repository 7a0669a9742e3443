// How a web origin is shown (threats: look-alikes by IDN, long sub-domains, user-info): the part
// that somebody had to register stands out, everything is ASCII as the browser compares it, and
// nothing is ever cut off.
import { parse } from 'tldts';
import { isWebOrigin } from '../protocol/agent';

export interface OriginParts {
  readonly scheme: string; // "https://"
  readonly subdomain: string; // "films." or ""
  readonly registrable: string; // "video.example": the part to show in bold
  readonly port: string; // ":8443" or ""
  readonly unusual: boolean; // has letters outside ASCII, shown here in punycode
}

// `origin` as browsers serialise it. Null when it is not an https origin in canonical form: such a
// thing is not shown, and not asked about.
export function originParts(origin: string): OriginParts | null {
  if (!isWebOrigin(origin)) return null;
  const url = new URL(origin);
  const host = url.hostname;
  const found = parse(host, { allowPrivateDomains: true, validateHostname: false });
  // Addresses, single labels and public suffixes themselves have no registrable part: all of it is.
  const registrable = found.isIp === true || found.domain === null ? host : found.domain;
  return {
    scheme: 'https://',
    subdomain: host.endsWith(registrable) ? host.slice(0, host.length - registrable.length) : '',
    registrable: host.endsWith(registrable) ? registrable : host,
    port: url.port === '' ? '' : `:${url.port}`,
    unusual: host.split('.').some((label) => label.startsWith('xn--')),
  };
}

// What refusals are counted by.
export function siteKey(origin: string): string {
  return originParts(origin)?.registrable ?? origin;
}
