// With whom a web service wants people to sign in at a device: what a page says, as a value. The
// agent judges it by the same rules (src/base/sign_in.h).
import { isWebOrigin } from './agent';
import { Malformed, readFields } from './read';

export interface SignInAsk {
  readonly issuer: string;
  readonly clientId: string | null; // null: the device makes itself known there
}

const kMaxIssuer = 512;
const kClientShape = /^[\x21-\x7e]{1,255}$/;
const kIssuerShape = /^(https:\/\/[^/?#@\\]+)((?:\/[\w.~:@!$&'()*+,;=-]*)*)$/;

// An issuer in its one spelling: a web origin and a plain path, without anything that could make a
// person read another host than is meant.
export function isIssuer(text: string): boolean {
  const parts = text.length <= kMaxIssuer ? kIssuerShape.exec(text) : null;
  const [, origin, path] = parts ?? [];
  if (origin === undefined || path === undefined || !isWebOrigin(origin)) return false;
  return !/\/\.{0,2}\//.test(path) && !/\/\.{1,2}$/.test(path);
}

// The origin of an issuer, to be shown.
export function issuerOrigin(issuer: string): string {
  return new URL(issuer).origin;
}

// Null where none is named.
export function readSignInAsk(value: unknown): SignInAsk | null {
  if (value === undefined || value === null) return null;
  const sso = readFields(value, 'sso');
  const issuer = sso['issuer'];
  const clientId = sso['clientId'] ?? null;
  if (typeof issuer !== 'string' || !isIssuer(issuer)) throw new Malformed('issuer');
  if (clientId === null) return { issuer, clientId };
  if (typeof clientId !== 'string' || !kClientShape.test(clientId)) throw new Malformed('clientId');
  return { issuer, clientId };
}
