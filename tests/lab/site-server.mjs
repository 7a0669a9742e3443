// The lab's internet: a static web server for a few names, each with its own
// folders and certificate. Run as a program inside the `wan` namespace:
//
//   node site-server.mjs CONFIG.json
//
// CONFIG: {"listen": address, "https": port, "http": port or null, "log": file,
//          "sites": [{"names": [...], "cert": file, "key": file, "roots": [folder...], "headers": {}}]}
// The log has one JSON line a request: {"time", "scheme", "host", "method", "path", "status", "bytes"}.

import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { extname, join, normalize } from 'node:path';
import { createSecureContext } from 'node:tls';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8', '.json': 'application/json', '.svg': 'image/svg+xml', '.jpg': 'image/jpeg',
  '.png': 'image/png', '.webp': 'image/webp', '.txt': 'text/plain; charset=utf-8',
  '.m3u8': 'application/vnd.apple.mpegurl', '.mpd': 'application/dash+xml', '.m4s': 'video/iso.segment', '.mp4': 'video/mp4',
};

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const log = createWriteStream(config.log, { flags: 'a' });
const sites = new Map();
for (const site of config.sites) {
  const context = createSecureContext({ cert: readFileSync(site.cert), key: readFileSync(site.key) });
  for (const name of site.names) sites.set(name, { ...site, context });
}

function find(roots, path) {
  const clean = normalize(`/${path}`);
  for (const root of roots) {
    for (const candidate of clean.endsWith('/') ? [`${clean}index.html`] : [clean, `${clean}.html`]) {
      const file = join(root, candidate);
      const stat = statSync(file, { throwIfNoEntry: false });
      if (stat?.isFile()) return { file, size: stat.size, etag: `"${stat.ino}-${stat.size}-${stat.mtimeMs}"` };
    }
  }
  return null;
}

function answer(scheme) {
  return (request, response) => {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '');
    const site = sites.get(host);
    let path = '/';
    try {
      path = decodeURIComponent(new URL(request.url, 'http://site').pathname);
    } catch {
      // Answered 404 below.
    }
    const found = site && ['GET', 'HEAD'].includes(request.method) ? find(site.roots, path) : null;
    const unchanged = found && request.headers['if-none-match'] === found.etag;
    const status = unchanged ? 304 : found ? 200 : 404;
    const length = unchanged ? 0 : found ? found.size : 10;
    response.writeHead(status, {
      'Content-Type': found ? TYPES[extname(found.file)] ?? 'application/octet-stream' : 'text/plain',
      'Content-Length': length,
      'Cache-Control': 'no-cache',
      ...(found ? { ETag: found.etag } : {}),
      ...(site?.headers ?? {}),
    });
    log.write(`${JSON.stringify({ time: new Date().toISOString(), scheme, host, method: request.method, path, status, bytes: length })}\n`);
    if (request.method === 'HEAD' || unchanged) response.end();
    else if (found) createReadStream(found.file).pipe(response);
    else response.end('not found\n');
  };
}

const secure = createHttps({
  SNICallback: (name, done) => done(null, sites.get(name)?.context),
}, answer('https'));
secure.listen(config.https, config.listen, () => {
  const say = () => console.log('sites are up');
  if (config.http === null) say();
  else createHttp(answer('http')).listen(config.http, config.listen, say);
});
