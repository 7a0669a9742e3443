// CBOR (RFC 8949) as far as Latchkey's messages need it: unsigned numbers, texts, bytes, lists,
// maps with text keys, true, false, null.

function head(major, value) {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 0x100) return Buffer.from([(major << 5) | 24, value]);
  const out = Buffer.alloc(value < 0x10000 ? 3 : value < 0x100000000 ? 5 : 9);
  out[0] = (major << 5) | (out.length === 3 ? 25 : out.length === 5 ? 26 : 27);
  if (out.length === 3) out.writeUInt16BE(value, 1);
  else if (out.length === 5) out.writeUInt32BE(value, 1);
  else out.writeBigUInt64BE(BigInt(value), 1);
  return out;
}

export function encode(value) {
  if (value === null) return Buffer.from([0xf6]);
  if (typeof value === 'boolean') return Buffer.from([value ? 0xf5 : 0xf4]);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') {
    const text = Buffer.from(value);
    return Buffer.concat([head(3, text.length), text]);
  }
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(encode)]);
  const pairs = Object.entries(value);
  return Buffer.concat([head(5, pairs.length), ...pairs.flatMap(([key, one]) => [encode(key), encode(one)])]);
}

export function decode(bytes) {
  let at = 0;
  const take = (count) => {
    if (at + count > bytes.length) throw new Error('CBOR: cut off');
    at += count;
    return bytes.subarray(at - count, at);
  };
  const item = () => {
    const [first] = take(1);
    const major = first >> 5;
    const small = first & 31;
    if (major === 7) {
      if (small === 20 || small === 21) return small === 21;
      if (small === 22) return null;
      throw new Error('CBOR: a simple value or float');
    }
    if (small > 27) throw new Error('CBOR: indefinite length');
    const length = small < 24 ? small : Number(BigInt(`0x${take(2 ** (small - 24)).toString('hex')}`));
    switch (major) {
      case 0: return length;
      case 1: return -1 - length;
      case 2: return Buffer.from(take(length));
      case 3: return take(length).toString();
      case 4: return Array.from({ length }, item);
      case 5: return Object.fromEntries(Array.from({ length }, () => [item(), item()]));
      default: throw new Error('CBOR: a tag');
    }
  };
  const value = item();
  if (at !== bytes.length) throw new Error('CBOR: bytes after the end');
  return value;
}
