// Does on the wire what Home Assistant and Jellyfin do, for docs/recipes/home-servers.md.
//
//   node home_server.mjs CONFIGURATION.YAML
//
// POST /upload         reads slowly; answers {bytes, sha256}. One that is cut off is told of on standard output.
// GET /poll?ms=N       answers after so long
// GET /cut?how=HOW     begins an answer and ends the connection in the middle of it: length, chunked, head
// GET /api/stream      server-sent events: one at once, one after ?ms=N of silence, one when /api/fire is asked
// WS  /api/websocket   signs in as Home Assistant does, then echoes what is fired
//
// A request with X-Forwarded-For is refused with 400, as by Home Assistant, unless the configuration trusts the proxy.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const { WebSocketServer } = createRequire(fileURLToPath(new URL('../lab/node_modules/.', import.meta.url)))('ws');
const configuration = readFileSync(process.argv[2], 'utf8');
const told = (name) => new RegExp(`^ +${name}: (.*)$`, 'm').exec(configuration)?.[1];
const trusts = told('use_x_forwarded_for') === 'true' && /trusted_proxies:\n +- 127\.0\.0\.1$/m.test(configuration);
const TOKEN = 'a-long-lived-token';

const streams = new Set();
const sockets = new Set();
const say = (...words) => console.log(...words);

function upload(request, response) {
  const digest = createHash('sha256');
  let bytes = 0;
  request.on('data', (data) => {
    digest.update(data);
    bytes += data.length;
    request.pause(); // slower than who sends
    setImmediate(() => request.resume());
  });
  request.on('end', () => response.end(JSON.stringify({ bytes, sha256: digest.digest('hex') })));
  request.on('error', () => say(`upload cut ${bytes}`));
}

function cut(how, response) {
  const { socket } = response;
  if (how === 'head') return socket.destroy();
  response.writeHead(200, how === 'length' ? { 'Content-Length': 1000000 } : {});
  response.write(Buffer.alloc(100000));
  return socket.end();
}

function stream(request, response, ms) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  response.write(`id: 1\ndata: ${JSON.stringify({ after: request.headers['last-event-id'] ?? null })}\n\n`);
  streams.add(response);
  const timer = setTimeout(() => response.write('id: 2\ndata: "after silence"\n\n'), ms);
  response.on('close', () => {
    clearTimeout(timer);
    streams.delete(response);
    say('stream closed');
  });
}

function fire(what) {
  for (const one of streams) one.write(`id: 3\ndata: ${JSON.stringify(what)}\n\n`);
  for (const one of sockets) one.send(JSON.stringify({ id: one.subscription, type: 'event', event: what }));
}

function answer(request, response) {
  const url = new URL(request.url, 'http://home');
  const ms = Number(url.searchParams.get('ms') ?? 0);
  if (request.headers['x-forwarded-for'] && !trusts) return response.writeHead(400).end('400: Bad Request');
  if (url.pathname === '/upload') return upload(request, response);
  if (url.pathname === '/cut') return cut(url.searchParams.get('how'), response);
  if (url.pathname === '/api/stream') return stream(request, response, ms);
  if (url.pathname === '/api/fire') {
    fire('fired');
    return response.end('{}');
  }
  if (url.pathname === '/poll') {
    say('poll begins');
    const timer = setTimeout(() => response.end('at last'), ms);
    response.on('close', () => {
      clearTimeout(timer);
      say('poll over');
    });
    return undefined;
  }
  if (url.pathname === '/api/') {
    const right = request.headers.authorization === `Bearer ${TOKEN}`;
    return response.writeHead(right ? 200 : 401).end(JSON.stringify({ from: request.headers['x-forwarded-for'], scheme: request.headers['x-forwarded-proto'] }));
  }
  return response.writeHead(404).end();
}

const server = createServer(answer);
server.requestTimeout = 0;
const api = new WebSocketServer({ server, path: '/api/websocket' });
api.on('connection', (socket) => {
  const tell = (what) => socket.send(JSON.stringify(what));
  socket.on('error', () => {});
  socket.on('close', () => sockets.delete(socket));
  socket.on('message', (text) => {
    const asked = JSON.parse(text);
    if (asked.type === 'auth') {
      socket.in = asked.access_token === TOKEN;
      tell({ type: socket.in ? 'auth_ok' : 'auth_invalid' });
      if (!socket.in) socket.close();
    } else if (socket.in && asked.type === 'subscribe_events') {
      socket.subscription = asked.id;
      sockets.add(socket);
      tell({ id: asked.id, type: 'result', success: true });
    } else if (socket.in && asked.type === 'ping') tell({ id: asked.id, type: 'pong' });
  });
  tell({ type: 'auth_required' });
});
server.listen(Number(told('server_port')), told('server_host'));
