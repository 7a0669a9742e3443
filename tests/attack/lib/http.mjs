// HTTP/1.1 by hand: what is sent is exactly what the test says.

import { Reader } from './channel.mjs';

const readers = new WeakMap();
export function readerOf(socket) {
  if (!readers.has(socket)) readers.set(socket, new Reader(socket));
  return readers.get(socket);
}

export function text({ method = 'GET', target = '/', headers = {}, body }) {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`));
  const length = body ? `Content-Length: ${body.length}\r\n` : '';
  return Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}${length}\r\n`), body ?? Buffer.alloc(0)]);
}

/** The next answer on a connection; null where it ends first. */
export async function readAnswer(socket, { toHead = false } = {}) {
  const reader = readerOf(socket);
  let end;
  while ((end = reader.buffer.indexOf('\r\n\r\n')) < 0 && !reader.ended) await reader.more();
  if (end < 0) return null;
  const head = (await reader.take(end + 4)).toString('latin1');
  const [first, ...lines] = head.trimEnd().split('\r\n');
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  const status = Number(first.split(' ')[1]);
  let body = Buffer.alloc(0);
  if (!toHead && status >= 200 && status !== 204 && status !== 304) {
    if (headers['content-length'] !== undefined) body = await reader.take(Number(headers['content-length'])) ?? Buffer.alloc(0);
    else if (headers['transfer-encoding'] === 'chunked') body = await readChunks(reader);
    else body = await reader.all();
  }
  return { status, first, head, headers, body };
}

async function readChunks(reader) {
  const pieces = [];
  for (;;) {
    let end;
    while ((end = reader.buffer.indexOf('\r\n')) < 0 && !reader.ended) await reader.more();
    if (end < 0) throw new Error('a chunked answer that was cut off');
    const size = parseInt((await reader.take(end + 2)).toString(), 16);
    const piece = await reader.take(size + 2);
    if (piece === null) throw new Error('a chunked answer that was cut off');
    if (size === 0) return Buffer.concat(pieces);
    pieces.push(piece.subarray(0, size));
  }
}

/** Sends a request, given as bytes or as {method, target, headers, body}. */
export async function request(socket, what) {
  readerOf(socket);
  socket.write(Buffer.isBuffer(what) || typeof what === 'string' ? what : text(what));
  const answer = await readAnswer(socket, { toHead: what.method === 'HEAD' });
  if (!answer) throw new Error('no answer');
  return answer;
}

/** An answer as a stranger could compare it: without the date. */
export const comparable = (answer) => `${answer.head.replace(/^date: .*\r\n/gim, '')}${answer.body.toString('latin1')}`;
