// nginx as Debian has it, in a folder of its own: one worker, HTTPS with a chain of the same shape
// as a granted device's (a P-256 leaf under a P-256 authority that can name one host).
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { adopt, scratch } from './processes.mjs';

export const serverCore = 0; // the load has the other

/** A port that nobody listens on now. */
export function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

export async function isListening(port) {
  for (;;) {
    const open = await new Promise((done) => {
      const socket = createConnection(port, '127.0.0.1', () => { socket.destroy(); done(true); });
      socket.on('error', () => done(false));
    });
    if (open) return;
    await wait(5);
  }
}

function openssl(folder, ...args) {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** chain.pem and key.pem for `host` in a new folder. */
export function makeChain(host) {
  const folder = scratch();
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  writeFileSync(join(folder, 'ca.ext'), `basicConstraints=critical,CA:true,pathlen:0
keyUsage=critical,keyCertSign
extendedKeyUsage=serverAuth
nameConstraints=critical,permitted;DNS:${host},excluded;IP:0.0.0.0/0.0.0.0,excluded;IP:::/::\n`);
  writeFileSync(join(folder, 'leaf.ext'), `basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:${host}\n`);
  openssl(folder, 'req', '-x509', ...curve, '-keyout', 'root.key', '-out', 'root.pem', '-subj', '/CN=Bench root');
  openssl(folder, 'req', ...curve, '-keyout', 'ca.key', '-out', 'ca.csr', '-subj', '/CN=Bench authority');
  openssl(folder, 'x509', '-req', '-in', 'ca.csr', '-CA', 'root.pem', '-CAkey', 'root.key', '-out', 'ca.pem',
    '-days', '7', '-extfile', 'ca.ext');
  openssl(folder, 'req', ...curve, '-keyout', 'key.pem', '-out', 'leaf.csr', '-subj', '/CN=Bench');
  openssl(folder, 'x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-out', 'leaf.pem',
    '-days', '7', '-extfile', 'leaf.ext');
  writeFileSync(join(folder, 'chain.pem'),
    readFileSync(join(folder, 'leaf.pem'), 'utf8') + readFileSync(join(folder, 'ca.pem'), 'utf8'));
  return folder;
}

/** `sites`: the server blocks. Debian's settings, but for logs, and limits that a load would run into. */
export function nginxConfig(folder, sites) {
  return `daemon off;
user ${process.getuid() === 0 ? 'root' : 'nobody'};
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 20000; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  access_log off;
  keepalive_timeout 300;
  keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  ${sites}
}
`;
}

/** What serves HTTPS with that chain: files, or what is behind an upstream on this machine: a port, or
    "unix:PATH". `visitor`: fields that say to the upstream who asks. */
export function httpsSite({ host, port, chain, files, upstream, visitor = {} }) {
  const server = typeof upstream === 'string' ? upstream : `127.0.0.1:${upstream}`;
  const says = Object.entries(visitor).map(([field, value]) => `proxy_set_header ${field} "${value}";`).join(' ');
  const where = files ? `location / { root ${files}; }` : `location / {
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      ${says}
    }`;
  return `${upstream ? `upstream behind { server ${server}; keepalive 64; keepalive_requests 1000000000; }` : ''}
  server {
    listen 127.0.0.1:${port} ssl;
    server_name ${host};
    ssl_certificate ${chain}/chain.pem;
    ssl_certificate_key ${chain}/key.pem;
    ssl_protocols TLSv1.3;
    ${where}
  }`;
}

/** Starts one; `pid` is its worker's. */
export async function startNginx(sites, port, core = serverCore) {
  const folder = scratch();
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, nginxConfig(folder, sites));
  const child = adopt(spawn('taskset', ['-c', String(core), 'nginx', '-e', join(folder, 'error.log'), '-c', config],
    { stdio: ['ignore', 'ignore', 'inherit'] }));
  await isListening(port);
  const children = () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
  while (children() === '') await wait(5); // it listens before it has its worker
  const worker = Number(children().split(' ')[0]);
  return { child, pid: worker, master: child.pid, port, folder };
}
