// Certificates and requests, written by hand so that a test can write wrong ones.

import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export function tlv(tag, ...parts) {
  const body = Buffer.concat(parts);
  const size = body.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}
const sequence = (...parts) => tlv(0x30, ...parts);
const oid = (hex) => tlv(0x06, Buffer.from(hex, 'hex'));
const integer = (bytes) => tlv(0x02, bytes[0] & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
const bits = (bytes, unused = 0) => tlv(0x03, Buffer.from([unused]), bytes);
const TRUE = Buffer.from([1, 1, 0xff]);
const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));

export const newKey = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve }).privateKey;
export const spkiOf = (key) => (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });
export const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
export const spkiHash = (key) => sha256(spkiOf(key));
export const keyId = (key) => sha256(spkiOf(key).subarray(-65)).subarray(0, 20);
export const ecdsa = (key, ...parts) => sign('sha256', Buffer.concat(parts), key);

const name = (cn) => sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(cn)))));
const time = (seconds) => tlv(0x17, Buffer.from(`${new Date(seconds * 1000).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
const extension = (id, critical, value) => sequence(oid(id), ...(critical ? [TRUE] : []), tlv(0x04, value));
const subtree = (tag, value) => sequence(tlv(tag, value));

const general = { dns: (text) => tlv(0x82, Buffer.from(text)), ip: (bytes) => tlv(0x87, Buffer.from(bytes)), uri: (text) => tlv(0x86, Buffer.from(text)) };
export { general };

/**
 * A certificate of the protocol's template, where `of` says nothing else.
 * @param {{subject, issuer, key, issuerKey, notBefore, notAfter, ca?: number, permitted?: string[],
 *   dns?: string, names?: Buffer[], keyUsage?: number[], omit?: string[]}} of
 */
export function certificate(of) {
  const isCa = of.ca !== undefined;
  const omit = new Set(of.omit ?? []);
  const usage = of.keyUsage ?? (isCa ? [1, 0x06] : [7, 0x80]);
  const list = [];
  if (!omit.has('basic')) list.push(extension('551d13', true, isCa ? sequence(TRUE, integer(Buffer.from([of.ca]))) : sequence()));
  list.push(extension('551d0f', true, bits(Buffer.from([usage[1]]), usage[0])));
  if (of.permitted && !omit.has('constraints')) {
    list.push(extension('551d1e', true, sequence(
      tlv(0xa0, ...of.permitted.map((one) => subtree(0x82, Buffer.from(one)))),
      tlv(0xa1, subtree(0x87, Buffer.alloc(8)), subtree(0x87, Buffer.alloc(32))),
    )));
  }
  list.push(extension('551d25', false, sequence(oid('2b06010505070301'))));
  const names = of.names ?? (of.dns ? [general.dns(of.dns)] : []);
  if (names.length > 0) list.push(extension('551d11', false, sequence(...names)));
  list.push(extension('551d0e', false, tlv(0x04, keyId(of.key))));
  list.push(extension('551d23', false, sequence(tlv(0x80, keyId(of.issuerKey)))));
  const serial = randomBytes(16);
  serial[0] = (serial[0] & 0x3f) | 0x40;
  const tbs = sequence(
    tlv(0xa0, integer(Buffer.from([2]))), integer(serial), ECDSA_SHA256, name(of.issuer),
    sequence(time(of.notBefore), time(of.notAfter)), name(of.subject), spkiOf(of.key), tlv(0xa3, sequence(...list)),
  );
  return sequence(tbs, ECDSA_SHA256, bits(ecdsa(of.issuerKey, tbs)));
}

const DAY = 86400;
export const now = () => Math.floor(Date.now() / 1000);
/** A validity of so many days, as agents make it. One look at the clock: a second more is a life too long. */
const days = (count, at = now()) => ({ notBefore: at - 3600, notAfter: at + count * DAY });

export function userRoot(key = newKey(), extra = {}) {
  const der = certificate({
    subject: 'Latchkey user root', issuer: 'Latchkey user root', key, issuerKey: key, ca: 1, permitted: ['local'],
    ...days(3650), ...extra,
  });
  return { key, der };
}
export function grantCa(root, host, extra = {}) {
  const key = newKey();
  const der = certificate({
    subject: 'Latchkey grant CA', issuer: 'Latchkey user root', key, issuerKey: root.key, ca: 0, permitted: [host],
    ...days(365), ...extra,
  });
  return { key, der };
}
export function leaf(ca, host, publicKey, extra = {}) {
  return certificate({
    subject: host, issuer: 'Latchkey grant CA', key: publicKey, issuerKey: ca.key, dns: host,
    ...days(7), ...extra,
  });
}

/** A self-signed certificate without any claim, as devices and agents show. */
export function bare(key) {
  return certificate({ subject: 'latchkey', issuer: 'latchkey', key, issuerKey: key, ...days(3650) });
}

/** PKCS#10. `attributes`: what stands in the attribute set. `signer`: another key than the one asked for. */
export function request(key, { subject = '', attributes = [], signer = key, spki = spkiOf(key) } = {}) {
  const info = sequence(integer(Buffer.from([0])), subject ? name(subject) : sequence(), spki, tlv(0xa0, ...attributes));
  return sequence(info, ECDSA_SHA256, bits(ecdsa(signer, info)));
}
/** The attribute extensionRequest of PKCS#9: asks for a CA, for other names and usages. */
export function greedyAttribute(names) {
  return sequence(oid('2a864886f70d01090e'), tlv(0x31, sequence(
    extension('551d13', true, sequence(TRUE)),
    extension('551d0f', true, bits(Buffer.from([0xff]))),
    extension('551d11', false, sequence(...names)),
  )));
}

/** The key that a request asks a certificate for. */
export function keyOfRequest(der) {
  const marker = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');
  const at = der.indexOf(marker);
  if (at < 0) throw new Error('no P-256 key in the request');
  return createPublicKey({ key: der.subarray(at, at + 91), type: 'spki', format: 'der' });
}
export const pem = (der) => `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE-----\n`;
export const keyPem = (key) => key.export({ type: 'pkcs8', format: 'pem' });
