// The plain service behind a device: what latchkey-device fronts with HTTPS.
//
//   node upstream.mjs PORT FOLDER [CERT KEY]
//
// Files of FOLDER; /clip.mp4 is a whole film of a few seconds; /headers says what arrived; /pixel.svg; /drip never ends;
// /ws is a WebSocket that ticks and echoes; /forge answers with headers that a
// device must not pass on. With CERT and KEY: HTTPS, and open to every origin.

import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { join, normalize } from 'node:path';

const [, , port, folder, cert, key] = process.argv;
const say = (...words) => console.log(...words);
const TICK_MS = 40;

function drip(request, response) {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
  const timer = setInterval(() => response.write(Buffer.alloc(2048, 0x2e)), TICK_MS);
  say('drip begins');
  response.on('close', () => {
    clearInterval(timer);
    say('drip ends');
  });
}

function forge(request, response) {
  response.writeHead(200, {
    'Access-Control-Allow-Origin': '*',
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'Set-Cookie': ['__Host-latchkey=stolen; Path=/; Secure', 'own=1; Path=/; Secure; SameSite=None; Partitioned'],
  });
  response.end('forged');
}

function file(request, response) {
  const path = normalize(new URL(request.url, 'http://device').pathname);
  const stat = statSync(join(folder, path), { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'Content-Length': stat.size, 'Content-Type': path.endsWith('.m3u8') ? 'application/vnd.apple.mpegurl' : 'video/mp4' });
  createReadStream(join(folder, path)).pipe(response);
}

/** The head and the first pieces of a film, one after another: a film that needs no player. */
function clip(request, response) {
  const film = join(folder, 'films/edge-of-the-set/small');
  const pieces = readdirSync(film).filter((name) => name.endsWith('.m4s')).sort().slice(0, 3);
  const body = Buffer.concat(['init_0.mp4', ...pieces].map((name) => readFileSync(join(film, name))));
  response.writeHead(200, { 'Content-Length': body.length, 'Content-Type': 'video/mp4' }).end(body);
}

function answer(request, response) {
  if (cert) response.setHeader('Access-Control-Allow-Origin', '*');
  const path = request.url.split('?')[0];
  say(`asked ${request.method} ${path}`);
  if (path === '/drip') drip(request, response);
  else if (path === '/clip.mp4') clip(request, response);
  else if (path === '/forge') forge(request, response);
  else if (path === '/headers') response.setHeader('Content-Type', 'application/json').end(JSON.stringify(request.headers));
  else if (path === '/pixel.svg') response.setHeader('Content-Type', 'image/svg+xml').end('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>');
  else if (path === '/script.js') response.setHeader('Content-Type', 'text/javascript').end('window.lab.ran = true;');
  else if (path === '/') response.setHeader('Content-Type', 'text/html').end('<title>device</title>the page behind the device');
  else file(request, response);
}

/** One unmasked text frame of less than 126 bytes. */
const frame = (text) => Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);

/** Text of one complete small masked frame, or null when it is anything else. */
function unmask(data) {
  if (data.length < 6 || (data[0] & 0x0f) !== 1) return null;
  const length = data[1] & 0x7f;
  if (length > 125 || data.length < 6 + length) return null;
  const mask = data.subarray(2, 6);
  return Buffer.from(data.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4])).toString();
}

function upgrade(request, socket) {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  say('socket opens');
  let count = 0;
  const timer = setInterval(() => socket.write(frame(`tick ${++count}`)), TICK_MS);
  socket.on('data', (data) => {
    const text = unmask(data);
    if (text !== null) socket.write(frame(`echo ${text}`));
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    clearInterval(timer);
    say('socket closes');
  });
}

const server = cert ? createHttps({ cert: readFileSync(cert), key: readFileSync(key) }, answer) : createHttp(answer);
server.on('upgrade', upgrade);
server.listen(Number(port), cert ? '0.0.0.0' : '127.0.0.1', () => say(`upstream on ${port}`));
