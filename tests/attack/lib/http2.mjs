// HTTP/2 by hand: frames and heads exactly as the test says, and node's own client over the same
// connection where an honest one is wanted.

import http2 from 'node:http2';
import { readerOf } from './http.mjs';
import { within } from './house.mjs';

export const TYPE = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, push: 5, ping: 6, goaway: 7, window: 8, continuation: 9 };
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4 };
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without memory and without Huffman: literal fields, never indexed (RFC 7541 section 6.2.3). */
export function block(fields) {
  const text = (value) => {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value, 'latin1');
    const size = [];
    if (bytes.length < 127) size.push(bytes.length);
    else {
      size.push(127);
      let rest = bytes.length - 127;
      for (; rest >= 128; rest >>= 7) size.push(rest % 128 + 128);
      size.push(rest);
    }
    return Buffer.concat([Buffer.from(size), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0x10]), text(name), text(value)]));
}

/** What node's client makes of a connection of the grant. */
export async function client(grant, options = {}) {
  const socket = await grant.connect({ ALPNProtocols: ['h2'], ...options });
  if (socket.alpnProtocol !== 'h2') throw new Error(`not h2 but ${socket.alpnProtocol}`);
  const session = http2.connect(`https://${grant.host}`, { createConnection: () => socket });
  session.on('error', () => {});
  return session;
}

/** One request of node's client. @returns {{status, headers, body, error?, stream}} */
export function ask(session, grant, target = '/', { method = 'GET', headers = {}, body, authority = grant.host, sessionless = false } = {}) {
  const own = grant.origin === null ? { 'sec-fetch-site': 'none' } : { origin: grant.origin };
  const stream = session.request({
    ':method': method, ':path': target, ':authority': authority, ...own, ...(grant.cookie && !sessionless ? { cookie: grant.cookie } : {}), ...headers,
  }, { endStream: body === undefined });
  const answer = { stream, pieces: [] };
  return within(new Promise((done) => {
    stream.on('response', (fields) => { answer.headers = fields; answer.status = fields[':status']; });
    stream.on('data', (data) => answer.pieces.push(data));
    stream.on('error', (error) => { answer.error = error; });
    stream.on('aborted', () => { answer.aborted = true; });
    stream.on('close', () => done({ ...answer, code: stream.rstCode, body: Buffer.concat(answer.pieces) }));
    if (body !== undefined) stream.end(body);
  }), `${method} ${target}`);
}

/** A WebSocket's stream in h2 (RFC 8441), as node's client opens it; resolves with its answer's head. */
export async function tunnel(session, grant, target = '/ws', { headers = {}, authority = grant.host, sessionless = false } = {}) {
  if (session.remoteSettings.enableConnectProtocol === undefined) await within(new Promise((done) => { session.once('remoteSettings', done); }), 'SETTINGS');
  const own = grant.origin === null ? { 'sec-fetch-site': 'none' } : { origin: grant.origin };
  const stream = session.request({
    ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': target, ':authority': authority, 'sec-websocket-version': '13',
    ...own, ...(grant.cookie && !sessionless ? { cookie: grant.cookie } : {}), ...headers,
  }, { endStream: false });
  const opened = { stream, bytes: Buffer.alloc(0), ended: false };
  stream.on('data', (data) => { opened.bytes = Buffer.concat([opened.bytes, data]); });
  stream.on('end', () => { opened.ended = true; });
  opened.over = new Promise((done) => { stream.on('close', () => done(stream.rstCode)); });
  await within(new Promise((done) => {
    stream.on('response', (fields) => { opened.headers = fields; opened.status = fields[':status']; done(); });
    stream.on('error', (error) => { opened.error = error; done(); });
    stream.on('close', done);
  }), `CONNECT ${target}`);
  return opened;
}

/** A connection whose frames the test writes itself. */
export class Raw {
  static async open(grant, settings = Buffer.alloc(0)) {
    const raw = new Raw();
    raw.grant = grant;
    raw.socket = await grant.connect({ ALPNProtocols: ['h2'] });
    raw.reader = readerOf(raw.socket);
    raw.frames = [];
    raw.socket.write(Buffer.concat([PREFACE, frame(TYPE.settings, 0, 0, settings)]));
    return raw;
  }
  write(...frames) {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }
  /** The fields of an honest request, changed by `changes` (undefined leaves one out) and followed by `more`. */
  fields(changes = {}, more = []) {
    const all = { ':method': 'POST', ':scheme': 'https', ':authority': this.grant.host, ':path': '/outer', origin: this.grant.origin, cookie: this.grant.cookie, ...changes };
    return [...Object.entries(all).filter(([, value]) => value !== undefined), ...more];
  }
  async next() {
    const head = await this.reader.take(9);
    if (!head) return null;
    const payload = await this.reader.take(head.readUIntBE(0, 3));
    return payload && { type: head[3], flags: head[4], stream: head.readUInt32BE(5), payload };
  }
  /** Reads until a frame fits, or the end (null). */
  async until(fits) {
    for (;;) {
      const one = await this.next();
      if (!one || fits(one)) return one;
    }
  }
  /** How a stream ends: {status, body, code} or null where the connection did. The status is read without a decoder: it is the first field. */
  async answer(stream) {
    const answer = { body: '' };
    for (;;) {
      const one = await this.next();
      if (!one) return answer.status === undefined ? null : { ...answer, cut: true };
      if (one.type === TYPE.goaway && one.payload.readUInt32BE(4) !== 0) return null;
      if (one.stream !== stream) continue;
      if (one.type === TYPE.reset) return { ...answer, code: one.payload.readUInt32BE(0) };
      if (one.type === TYPE.data) answer.body += one.payload.toString('latin1');
      if (one.type === TYPE.headers) answer.status ??= statusOf(one.payload);
      if ((one.type === TYPE.data || one.type === TYPE.headers) && one.flags & FLAG.endStream) return { ...answer, whole: true };
    }
  }
}

const STATIC = { 8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500 };
function statusOf(payload) {
  let at = 0;
  while ((payload[at] & 0xe0) === 0x20) at += 1; // a change of the table's size
  if (payload[at] & 0x80) return STATIC[payload[at] & 0x7f];
  // ":status" by its index with a value of its own, Huffman-coded or not
  return payload.subarray(at + 1, at + 5).toString('hex');
}
