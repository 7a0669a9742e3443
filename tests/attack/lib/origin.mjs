// A web server on loopback that stands for the internet: what it answers is the test's, and so is who
// vouches for it.

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** An authority with a certificate for localhost and 127.0.0.x. @returns {{ca: string, cert: Buffer, key: Buffer}} */
export async function makeAuthority(house) {
  const folder = house.path('web');
  mkdirSync(folder, { recursive: true });
  const at = (name) => join(folder, name);
  writeFileSync(at('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2,IP:0:0:0:0:0:0:0:1\nbasicConstraints=critical,CA:FALSE\n');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await run('openssl', ['req', '-x509', ...key, '-days', '2', '-subj', '/CN=Web', '-keyout', at('ca.key'), '-out', at('ca.pem'), '-addext', 'basicConstraints=critical,CA:TRUE']);
  await run('openssl', ['req', ...key, '-subj', '/CN=localhost', '-keyout', at('key'), '-out', at('csr')]);
  await run('openssl', ['x509', '-req', '-in', at('csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', at('names'), '-out', at('cert')]);
  return { ca: at('ca.pem'), cert: readFileSync(at('cert')), key: readFileSync(at('key')) };
}

export class WebOrigin {
  /** @param {(request, response) => void} answer */
  static async start(house, authority, answer, { address = '127.0.0.1', name = 'localhost', port = 0 } = {}) {
    const origin = new WebOrigin();
    origin.asked = [];
    origin.connections = 0;
    origin.answer = answer;
    origin.server = createServer({ cert: authority.cert, key: authority.key }, (request, response) => {
      origin.asked.push({ path: request.url, headers: request.headers });
      response.setHeader('Access-Control-Allow-Origin', '*');
      response.on('error', () => {});
      origin.answer(request, response);
    });
    origin.server.on('connection', () => { origin.connections += 1; });
    origin.server.on('tlsClientError', () => {});
    await new Promise((done) => { origin.server.listen(port, address, done); });
    origin.port = origin.server.address().port;
    origin.host = `${name}:${origin.port}`;
    origin.url = `https://${origin.host}`;
    house.keep(() => new Promise((done) => { origin.server.closeAllConnections(); origin.server.close(done); }));
    return origin;
  }
  /** How often `path` was asked for. */
  count(path) {
    return this.asked.filter((one) => one.path === path).length;
  }
}

/** Answers from a table: path to body, or to {status, headers, body}. */
export function table(content) {
  return (request, response) => {
    const found = content[request.url];
    if (found === undefined) return response.writeHead(404).end();
    const { status = 200, headers = {}, body = '' } = typeof found === 'string' || Buffer.isBuffer(found) ? { body: found } : found;
    response.writeHead(status, { 'Content-Length': Buffer.byteLength(body), ...headers }).end(body);
  };
}
