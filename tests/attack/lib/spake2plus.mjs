// SPAKE2+ (RFC 9383) over P-256, both roles, in plain BigInt arithmetic: slow and not constant in
// time, which is fine for an attacker. An implementation of its own, so that both ends of the real
// one are tested against something else than themselves.

import { createHash, createHmac, hkdfSync, pbkdf2Sync, randomBytes } from 'node:crypto';

const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
export const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const mod = (value, by = P) => ((value % by) + by) % by;
function power(base, exponent) {
  let result = 1n;
  for (let square = mod(base); exponent > 0n; exponent >>= 1n, square = (square * square) % P) {
    if (exponent & 1n) result = (result * square) % P;
  }
  return result;
}
function inverse(value) {
  let [a, b, x, y] = [mod(value), P, 1n, 0n];
  while (a > 1n) {
    const q = b / a;
    [a, b, x, y] = [b % a, a, y - q * x, x];
    if (a === 0n) throw new Error('no inverse');
  }
  return mod(x);
}

/** A point is [x, y]; null is the identity. */
export const G = [
  0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
  0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
];
export const negate = (p) => p && [p[0], mod(-p[1])];
export function add(p, q) {
  if (!p) return q;
  if (!q) return p;
  let slope;
  if (p[0] === q[0]) {
    if (p[1] !== q[1] || p[1] === 0n) return null;
    slope = mod((3n * p[0] * p[0] - 3n) * inverse(2n * p[1]));
  } else {
    slope = mod((q[1] - p[1]) * inverse(q[0] - p[0]));
  }
  const x = mod(slope * slope - p[0] - q[0]);
  return [x, mod(slope * (p[0] - x) - p[1])];
}
// In Jacobian coordinates ([x, y, z] is x/z^2, y/z^3; null is the identity): a product takes one inverse, and not
// one for each bit.
function twice(p) {
  if (!p || p[1] === 0n) return null;
  const [x, y, z] = p;
  const zz = (z * z) % P;
  const yy = (y * y) % P;
  const s = (4n * x * yy) % P;
  const m = (3n * (x - zz) * (x + zz)) % P;
  const rx = mod(m * m - 2n * s);
  return [rx, mod(m * (s - rx) - 8n * yy * yy), (2n * y * z) % P];
}
/** `q` is affine, and no identity. */
function plus(p, q) {
  if (!p) return [q[0], q[1], 1n];
  const [x, y, z] = p;
  const zz = (z * z) % P;
  const h = mod(q[0] * zz - x);
  const r = mod(q[1] * zz * z - y);
  if (h === 0n) return r === 0n ? twice(p) : null;
  const hh = (h * h) % P;
  const hhh = (h * hh) % P;
  const v = (x * hh) % P;
  const rx = mod(r * r - hhh - 2n * v);
  return [rx, mod(r * (v - rx) - y * hhh), (z * h) % P];
}
export function times(p, scalar) {
  if (!p) return null;
  let result = null;
  for (const bit of scalar.toString(2)) {
    result = twice(result);
    if (bit === '1') result = plus(result, p);
  }
  if (!result) return null;
  const back = inverse(result[2]);
  return [mod(result[0] * back * back), mod(result[1] * back * back * back)];
}

const number = (bytes) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
export const scalarBytes = (value) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
export const pointBytes = (p) => Buffer.concat([Buffer.from([4]), scalarBytes(p[0]), scalarBytes(p[1])]);
export function parsePoint(bytes) {
  const x = number(bytes.subarray(1, 33));
  if (bytes[0] === 4) return [x, number(bytes.subarray(33, 65))];
  const y = power(x * x * x - 3n * x + B, (P + 1n) / 4n);
  return [x, (y & 1n) === BigInt(bytes[0] & 1) ? y : P - y];
}
export const randomScalar = () => mod(number(randomBytes(40)), ORDER - 1n) + 1n;

const M = parsePoint(Buffer.from('02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f', 'hex'));
const N = parsePoint(Buffer.from('03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49', 'hex'));

/** @returns {{w0: bigint, w1: bigint}} */
export function passwordKey(code, salt, iterations) {
  const wide = pbkdf2Sync(code, salt, iterations, 80, 'sha256');
  return { w0: mod(number(wide.subarray(0, 40)), ORDER), w1: mod(number(wide.subarray(40)), ORDER) };
}

export const proverShare = ({ w0 }, x) => pointBytes(add(times(G, x), times(M, w0)));
export const verifierShare = ({ w0 }, y) => pointBytes(add(times(G, y), times(N, w0)));

function keys(names, shareP, shareV, z, v, w0) {
  const parts = [names.context, names.prover, names.verifier, pointBytes(M), pointBytes(N), shareP, shareV, pointBytes(z), pointBytes(v), scalarBytes(w0)];
  const transcript = createHash('sha256');
  for (const part of parts.map((one) => Buffer.from(one))) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(part.length));
    transcript.update(length).update(part);
  }
  const main = transcript.digest();
  const confirm = Buffer.from(hkdfSync('sha256', main, '', 'ConfirmationKeys', 64));
  return {
    shared: Buffer.from(hkdfSync('sha256', main, '', 'SharedKey', 32)),
    confirmP: createHmac('sha256', confirm.subarray(0, 32)).update(shareV).digest(),
    confirmV: createHmac('sha256', confirm.subarray(32)).update(shareP).digest(),
  };
}

/** @param {{context, prover, verifier}} names */
export function proverKeys({ w0, w1 }, x, shareV, names) {
  const base = add(parsePoint(shareV), negate(times(N, w0)));
  return keys(names, proverShare({ w0 }, x), shareV, times(base, x), times(base, w1), w0);
}
export function verifierKeys({ w0, w1 }, y, shareP, names) {
  const base = add(parsePoint(shareP), negate(times(M, w0)));
  return keys(names, shareP, verifierShare({ w0 }, y), times(base, y), times(times(G, w1), y), w0);
}
